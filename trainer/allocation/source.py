"""The feed as it comes: from a file or the web, distrusted, with the last good one kept.

A reading that cannot be had, is no feed, is old, goes back in time, or says something wildly different from the last
good one, is not fresh: then the last good one stands in for it, while it is young enough, and no plan is replaced. What
jumps is believed once a second reading, made later, says the same.
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainer.allocation import feed as feeds
from trainer.allocation.feed import Feed
from trainer.amounts import show_duration
from trainer.errors import AssayError, DataError
from trainer.exchange.sources import Interrupted, SourceError
from trainer.exchange.web import Patience, Unfollowing, ask, body, check_url, public, refusal
from trainer.files import write_file
from trainer.strict import Value, from_json, read_json

VERSION = 1
LARGEST = 4 << 20
"""Bytes of a feed, at most."""
AHEAD = 300
"""Seconds that a feed's clock may be ahead."""
PATIENCE = Patience(timeout=10.0, attempts=3)
SMALL_PRICE = 0.02
"""A kWh's price is taken for no smaller than that where changes are weighed: it passes through 0."""


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What a reading is believed for.

    stale: seconds after which a feed is old.
    jump:  factor by which a price or hash rate may change between two readings; above 1.
    """

    stale: int = 7200
    jump: float = 3.0


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A feed to plan with.

    fresh: whether it is what the source says now; else plans are not replaced for it.
    age:   seconds since it was made.
    note:  why it is not fresh.
    """

    feed: Feed
    fresh: bool
    age: int
    note: str = ""


@dataclass(frozen=True)
class _Known:
    """What is remembered: JSON texts of the last good feed, and of one that jumped and waits for another."""

    good: tuple[Feed, str] | None = None
    waiting: tuple[Feed, str] | None = None


def read(source: str, memory: Path, *, now: int, trust: Trust, patience: Patience = PATIENCE) -> Reading:
    """Read a feed, and remember it.

    source: a file, or an http(s) address.
    memory: the file that the last good feed is kept in.

    Raises `DataError` where there is no feed, and no last good one that is young enough.
    """
    known, forgot = _remembered(memory)
    try:
        text = fetch(source, patience)
        found = feeds.loads(text, _name(source))
        problem = _problem(found, known, now, trust)
    except AssayError as error:
        found, text, problem = None, b"", str(error)
    if found is not None and not problem:
        _remember(memory, _Known(good=(found, text.decode())))
        return Reading(feed=found, fresh=True, age=max(0, now - found.time), note=forgot)
    if found is not None and problem.startswith(JUMPED):
        _remember(memory, _Known(good=known.good, waiting=(found, text.decode())))
    good = known.good
    if good is None or now - good[0].time > trust.stale:
        kept = "there is no earlier one" if good is None else f"the last good one is {_ago(now, good[0])} old"
        raise DataError(f"{problem}; {kept}: mend the feed, or choose another")
    return Reading(
        feed=good[0],
        fresh=False,
        age=now - good[0].time,
        note=f"{problem}; the last good feed, {_ago(now, good[0])} old, stands in for it, and no plan is replaced",
    )


JUMPED = "what the feed says jumped"


def _problem(found: Feed, known: _Known, now: int, trust: Trust) -> str:
    """Why a reading is not to be acted on; empty if nothing is wrong with it."""
    good = known.good
    if found.time > now + AHEAD:
        return f"the feed is of {show_duration(found.time - now)} from now; set the clocks right"
    if now - found.time > trust.stale:
        return f"the feed stalls: it is {_ago(now, found)} old"
    if good is None:
        return ""
    if found.time < good[0].time:
        return f"the feed is older than the last one, by {show_duration(good[0].time - found.time)}"
    jumped = jumps(good[0], found, trust.jump)
    if not jumped:
        return ""
    waiting = known.waiting
    if waiting is not None and found.time > waiting[0].time and not jumps(waiting[0], found, trust.jump):
        return ""
    return f"{JUMPED} ({jumped}), and waits for a second reading"


def jumps(old: Feed, new: Feed, factor: float) -> str:
    """What changed by more than a factor, or came or went, from one feed to the next; empty for nothing."""
    return next(_jumps(old, new, factor), "")


def _jumps(old: Feed, new: Feed, factor: float) -> Iterator[str]:
    if old.currency != new.currency:
        yield f"currency from {old.currency} to {new.currency}"
    if _far(old.ether, new.ether, factor):
        yield f"ether from {old.ether:g} to {new.ether:g}"
    for kind, before, after in (("coin", old.coins, new.coins), ("token", old.tokens, new.tokens)):
        gone, come = sorted(set(before) - set(after)), sorted(set(after) - set(before))
        if gone or come:
            yield f"{kind} {(gone or come)[0]} {'is gone' if gone else 'is new'}"
    for address in sorted(set(old.tokens) & set(new.tokens)):
        if _far(old.tokens[address], new.tokens[address], factor):
            yield f"token {address} from {old.tokens[address]:g} to {new.tokens[address]:g}"
    for name in sorted(set(old.coins) & set(new.coins)):
        one, other = old.coins[name], new.coins[name]
        if one.algorithm != other.algorithm:
            yield f"algorithm of {name} from {one.algorithm} to {other.algorithm}"
        for what, was, now in (
            ("blocks of", one.block_reward * one.blocks_per_day, other.block_reward * other.blocks_per_day),
            ("what miners keep of", 1 - one.pool_fee, 1 - other.pool_fee),
        ):
            if _far(was, now, factor):
                yield f"{what} {name} from {was:g} to {now:g}"
        for moment in sorted({new.time, *(at for at, _ in (*one.forecast, *other.forecast) if at > new.time)}):
            was_quote, quote = one.at(moment), other.at(moment)
            if _far(was_quote.price, quote.price, factor):
                yield f"price of {name} from {was_quote.price:g} to {quote.price:g}"
            if _far(was_quote.network_hash_rate, quote.network_hash_rate, factor):
                yield f"hash rate of {name} from {was_quote.network_hash_rate:g} to {quote.network_hash_rate:g}"
    first = max(old.electricity[0][0], new.electricity[0][0])
    usual = max(SMALL_PRICE, sum(abs(price) for _, price in old.electricity) / len(old.electricity))
    for moment in sorted({max(first, new.time), *(at for at, _ in (*old.electricity, *new.electricity) if at > first)}):
        was, now = old.kwh(moment), new.kwh(moment)
        # it may pass through 0, so what is limited is the way that it goes
        if abs(now - was) > (factor - 1) * max(abs(was), usual):
            yield f"a kWh from {was:g} to {now:g}"


def _far(one: float, other: float, factor: float) -> bool:
    if one <= 0 or other <= 0:
        return one != other
    return abs(math.log(other / one)) > math.log(factor)


def fetch(source: str, patience: Patience = PATIENCE) -> bytes:
    """The bytes of a file, or of what an http(s) address answers; raises `AssayError` that names the source."""
    if "://" not in source:
        path = Path(source)
        try:
            if path.stat().st_size > LARGEST:
                raise DataError(f"{path}: {path.stat().st_size} bytes; a feed has at most {LARGEST}")
            return path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); name another file, or an address") from error
    check_url(source)
    for attempt in range(patience.attempts):
        try:
            return _get(source, patience)
        except Interrupted as error:
            if attempt + 1 == patience.attempts:
                raise
            time.sleep(min(patience.longest, max(error.after, patience.pause * 2**attempt)))
    raise AssertionError("the last attempt returns or raises")


def _get(url: str, patience: Patience) -> bytes:
    name = public(url)
    with Unfollowing() as session:
        response = ask(session, "GET", url, name, patience)
        with response:
            target = session.target(response)
            if target is not None:
                raise SourceError(f"{name}: redirects to {public(target)[:200]}; name that")
            if response.status_code != 200:
                raise refusal(response, name)
            found = b""
            for chunk in body(response, name, patience):
                found += chunk
                if len(found) > LARGEST:
                    raise SourceError(f"{name}: more than {LARGEST} bytes; a feed has fewer")
            length = response.headers.get("Content-Length", "")
            if length.isdigit() and int(length) != len(found):
                raise Interrupted(f"{name}: the connection broke off")
            return found


def _name(source: str) -> str:
    return public(source) if "://" in source else source


def _ago(now: int, found: Feed) -> str:
    return show_duration(max(0, now - found.time))


# ── memory ──


def _remembered(memory: Path) -> tuple[_Known, str]:
    """What is remembered, and what is wrong with it."""
    if not memory.exists():
        return _Known(), ""
    try:
        table = read_json(memory).table(["version", "good", "waiting"])
        if table["version"].whole(0) != VERSION:
            raise table["version"].wrong(f"only version {VERSION} is known")
        return _Known(good=_text(table["good"]), waiting=_text(table["waiting"])), ""
    except DataError as error:
        return _Known(), f"what was remembered of the feed is of no use: {error}"


def _text(value: Value) -> tuple[Feed, str] | None:
    if value.value is None:
        return None
    text = value.text()
    return feeds.parse(from_json(text, value.where)), text


def _remember(memory: Path, known: _Known) -> None:
    entries = {
        "version": VERSION,
        "good": None if known.good is None else known.good[1],
        "waiting": None if known.waiting is None else known.waiting[1],
    }
    memory.parent.mkdir(parents=True, exist_ok=True)
    write_file(memory, json.dumps(entries).encode())
