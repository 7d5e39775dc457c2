"""Prices of a market as JSON: what `trainer prices --json` prints, and what reads it back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.prices.series import MEASURES, WINDOWS, Point, TokenPrices
from trainer.prices.strict import Reader
from trainer.prices.weight import Rules

VERSION = 1
WEI = 10**18
REMEDY = "`trainer prices --json` writes such a file"
WHY = ("own", "rivals", "free")
"""Why a payment does not count: its poster won it, it has too few rivals, or nothing is known to be lost in it."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Prices as they are known up to a block.

    block, made: its number and its timestamp, in seconds.
    window:      `day` or `week`.
    ceiling:     operations a second of one device beyond which a declaration is ignored.
    device:      what the names of devices must contain; empty for all.
    decimals:    of each token that was paid in.
    ignored:     by challenge, why what its winner declared does not count.
    """

    market: str
    chain_id: int
    block: int
    made: int
    window: str
    rules: Rules
    ceiling: float
    device: str
    tokens: tuple[TokenPrices, ...]
    decimals: Mapping[str, int]
    ignored: Mapping[int, str]


def entries(report: Report) -> dict[str, Any]:
    """The report as JSON: prices in whole tokens, weights and costs in ether."""
    rules = report.rules
    return {
        "version": VERSION,
        "market": report.market,
        "chain_id": report.chain_id,
        "block": report.block,
        "made": report.made,
        "window": report.window,
        "rules": {
            "share": rules.share,
            "rivals": rules.rivals,
            "gas_price": rules.gas_price,
            "ceiling": report.ceiling,
            "device": report.device,
        },
        "tokens": [_token(token, report.decimals[token.token]) for token in report.tokens],
        "ignored": [{"challenge": id, "why": why} for id, why in sorted(report.ignored.items())],
    }


def _token(prices: TokenPrices, decimals: int) -> dict[str, Any]:
    return {
        "token": prices.token,
        "decimals": decimals,
        "counted": prices.counted,
        "declared": prices.declared,
        "uncounted": {why: prices.uncounted.get(why, 0) for why in WHY},
        "series": [
            {
                "measure": series.measure,
                "band": None if series.band is None else list(series.band),
                "points": [_point(point, 10**decimals) for point in series.points],
            }
            for series in prices.series
        ],
    }


def _point(point: Point, unit: int) -> dict[str, Any]:
    def scaled(pair: tuple[float | None, float | None]) -> list[float | None]:
        return [None if value is None else value / unit for value in pair]

    return {
        "from": point.start,
        "to": point.end,
        "payments": point.payments,
        "price": point.price / unit,
        "low": point.low / unit,
        "high": point.high / unit,
        "interval": None if point.interval is None else scaled(point.interval),
        "weight": point.weight / WEI,
        "poster_share": point.poster_share,
        "winner_share": point.winner_share,
        "one_liar": scaled(point.liar),
        "move": {"up": point.up / WEI, "down": point.down / WEI, "accounts": point.accounts},
    }


def read(path: Path) -> dict[str, Any]:
    """What `entries` made, from a file; every value is checked. Raises `DataError` that names the first wrong one."""
    reader = Reader.file(path, REMEDY)
    reader.version(VERSION)
    found: dict[str, Any] = {
        "version": VERSION,
        "market": reader.address("market"),
        "chain_id": reader.whole("chain_id", 1),
        "block": reader.whole("block"),
        "made": reader.whole("made"),
        "window": reader.one_of("window", tuple(WINDOWS)),
    }
    rules = reader.object("rules")
    found["rules"] = {
        "share": rules.real("share"),
        "rivals": rules.whole("rivals"),
        "gas_price": rules.whole("gas_price"),
        "ceiling": rules.real("ceiling"),
        "device": rules.text("device"),
    }
    stated = found["rules"]
    rules.made(lambda: Rules(share=stated["share"], rivals=stated["rivals"], gas_price=stated["gas_price"]))
    rules.end()
    found["tokens"] = [_read_token(token) for token in reader.objects("tokens")]
    found["ignored"] = []
    for entry in reader.objects("ignored"):
        found["ignored"].append({"challenge": entry.whole("challenge"), "why": entry.text("why")})
        entry.end()
    reader.end()
    return found


def _read_token(reader: Reader) -> dict[str, Any]:
    found: dict[str, Any] = {
        "token": reader.address("token"),
        "decimals": reader.whole("decimals"),
        "counted": reader.whole("counted"),
        "declared": reader.whole("declared"),
    }
    uncounted = reader.object("uncounted")
    found["uncounted"] = {why: uncounted.whole(why) for why in WHY}
    uncounted.end()
    found["series"] = [_read_series(series) for series in reader.objects("series")]
    reader.end()
    return found


def _read_series(reader: Reader) -> dict[str, Any]:
    found: dict[str, Any] = {
        "measure": reader.one_of("measure", MEASURES),
        "band": reader.pair("band", whole=True),
        "points": [_read_point(point) for point in reader.objects("points")],
    }
    reader.end()
    if (found["band"] is None) == (found["measure"] == "accuracy"):
        reader.fail(f"band is {found['band']} for {found['measure']}")
    starts = [point["from"] for point in found["points"]]
    if not starts or starts != sorted(set(starts)):
        reader.fail(f"points begin at {starts}, and should be some in the order of time")
    return found


def _read_point(reader: Reader) -> dict[str, Any]:
    found: dict[str, Any] = {
        "from": reader.whole("from"),
        "to": reader.whole("to"),
        "payments": reader.whole("payments", 1),
        "price": reader.real("price"),
        "low": reader.real("low"),
        "high": reader.real("high"),
        "interval": reader.pair("interval", whole=True),
        "weight": reader.real("weight"),
        "poster_share": reader.real("poster_share"),
        "winner_share": reader.real("winner_share"),
        "one_liar": reader.pair("one_liar"),
    }
    move = reader.object("move")
    found["move"] = {"up": move.real("up"), "down": move.real("down"), "accounts": move.whole("accounts", 1)}
    move.end()
    reader.end()
    if not found["low"] <= found["price"] <= found["high"] or found["from"] >= found["to"]:
        reader.fail(f"low, price and high are {found['low']}, {found['price']}, {found['high']}; they should rise")
    return found
