"""`trainer prices`, `trainer declare`: what training is paid, and what it took."""

import json as json_module
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from trainer.amounts import parse_duration
from trainer.commands.market import IdArgument
from trainer.commands.work import Work, on_node, output
from trainer.errors import DataError
from trainer.files import check_file
from trainer.protocol import ETHER

if TYPE_CHECKING:
    from trainer.prices.work import Work as Training

GWEI = 10**9
LATEST = 8
"""Windows that are shown as text: the latest of each price."""


def add(app: typer.Typer) -> None:
    """Register the commands."""
    on_node(app)(prices)
    on_node(app, sends=True)(declare)


def prices(
    work: Work,
    window: Annotated[str, typer.Option(help="What a price is of: a day or a week.")] = "week",
    rivals: Annotated[
        int, typer.Option(min=0, help="Count challenges only in which so many others sealed a model.")
    ] = 0,
    share: Annotated[
        float, typer.Option(help="Most of a window's weight that one poster, and one winner, may have.")
    ] = 0.25,
    gas_gwei: Annotated[float, typer.Option(min=0, help="What a gas is taken to cost, for weights.")] = 1.0,
    ceiling: Annotated[
        float | None,
        typer.Option(min=1, help="Operations a second of one device beyond which nothing is believed; 2e16."),
    ] = None,
    device: Annotated[str, typer.Option(help="Count only declarations whose device has this in its name.")] = "",
    picture: Annotated[Path | None, typer.Option(help="PNG to write.")] = None,
) -> None:
    """Prices of training, by window: of an exaFLOP, of an hour of a device, and of accuracies; needs no key."""
    from trainer.prices.facts import CEILING, history
    from trainer.prices.report import Report, entries
    from trainer.prices.series import WINDOWS
    from trainer.prices.series import prices as priced
    from trainer.prices.weight import Rules
    from trainer.roles.declaring import declarations
    from trainer.roles.token import decimals

    if window not in WINDOWS:
        raise DataError(f"--window: {window!r} is no window; there are {', '.join(WINDOWS)}")
    rules = Rules(share=share, rivals=rivals, gas_price=round(gas_gwei * GWEI))
    if picture is not None:
        check_file(picture)
    desk = work.desk
    block = desk.index.sync()
    reader = declarations(desk)
    if reader is None:
        work.say("note: the settings name no log of declarations, so there are prices of accuracies alone")
    said = [] if reader is None else reader.read()
    believed = CEILING if ceiling is None else ceiling
    with desk.index.moment():
        payments = history(desk.index, desk.index.challenges(), said, ceiling=believed)
    tokens = tuple(priced(payments, rules, window, device=device))
    report = entries(
        Report(
            market=desk.address,
            chain_id=desk.chain.chain_id,
            block=block.number,
            made=block.timestamp,
            window=window,
            rules=rules,
            ceiling=float(believed),
            device=device,
            tokens=tokens,
            decimals={token.token: decimals(desk, token.token) for token in tokens},
            ignored={payment.challenge: payment.ignored for payment in payments if payment.ignored},
        )
    )
    if picture is not None:
        from trainer.prices.picture import draw

        draw(picture, report)
    if work.json:
        typer.echo(json_module.dumps(report))
        return
    _tell(report)
    if picture is not None:
        output.print(f"picture: {picture}")


def _tell(report: dict[str, Any]) -> None:
    """The latest prices as tables, and what they are worth."""
    from trainer.dashboard.words import day

    shown = False
    for token in report["tokens"]:
        unit = "ether" if token["token"] == ETHER else token["token"]
        left = ", ".join(f"{count} {WHY[why]}" for why, count in token["uncounted"].items() if count)
        output.print(
            f"{unit}: {token['counted']} payments count, {token['declared']} of them with what they took"
            + (f"; left out: {left}" if left else "")
        )
        for series in token["series"]:
            shown = True
            table = Table(
                report["window"],
                "payments",
                "price",
                "quartiles",
                "9 of 10 times",
                "one liar",
                "ether to move it 10 %, by accounts",
                title=_title(series, unit),
                title_justify="left",
            )
            for point in series["points"][-LATEST:]:
                move = point["move"]
                table.add_row(
                    day(point["from"]),
                    str(point["payments"]),
                    _number(point["price"]),
                    _pair((point["low"], point["high"])),
                    _pair(point["interval"]),
                    _pair(point["one_liar"]),
                    f"{_number(min(move['up'], move['down']))} by {move['accounts']}",
                )
            output.print(table)
    for entry in report["ignored"]:
        output.print(f"challenge {entry['challenge']}: declaration ignored: {entry['why']}")
    if shown:
        output.print(
            "What winners declare nobody can check. Accounts are free: who pays the last column moves the price."
        )
    else:
        output.print("Nobody has won a reward that counts yet.")


WHY = {"own": "won by their posters", "rivals": "with too few rivals", "free": "in which nothing is known to be lost"}


def _title(series: dict[str, Any], unit: str) -> str:
    if series["measure"] == "accuracy":
        low, high = series["band"]
        return f"Reward for {100 * low:.0f} to {100 * high:.0f} % right, in {unit}"
    return {"exaflop": "An exaFLOP", "device-hour": "An hour of one device"}[series["measure"]] + f", in {unit}"


def _number(value: float | None) -> str:
    return "any" if value is None else f"{value:.4g}"


def _pair(values: Any) -> str:
    if values is None:
        return "-"
    low, high = values
    return "any" if low is None else f"{_number(low)} to {_number(high)}"


def declare(
    work: Work,
    number: IdArgument,
    source: Annotated[
        Path | None, typer.Option("--from", help="File that `trainer train` wrote beside the model.")
    ] = None,
    flops: Annotated[
        str | None, typer.Option(help="Floating-point operations of the training, such as 3.2e15.")
    ] = None,
    seconds: Annotated[
        str | None, typer.Option(help="Time of all devices together, such as 5400 or 90m; two for 1h are 2h.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="What one of the devices is.")] = None,
) -> None:
    """Say what the training of a model that won took. Within seven days of the settlement; the last one counts."""
    from trainer.prices.facts import CEILING
    from trainer.roles import declaring

    said = _said(source, flops, seconds, device)
    if said.rate > CEILING:
        raise DataError(
            f"{said.rate:.3g} operations a second of one device, and readers believe nothing above {CEILING:.3g}; "
            "seconds are those of all devices together"
        )
    receipt, paid = declaring.declare(work.desk, number, said, None if source is None else _model(source))
    work.sent("declare", receipt)
    told = {"challenge": number, "flops": said.flops, "seconds": said.seconds, "device": said.device}
    prices = {"per_exaflop": f"{paid * 10**18 / said.flops:.6g}", "per_hour": f"{paid * 3600 / said.seconds:.6g}"}
    work.tell({**told, **prices}, "trainer prices")


def _model(source: Path) -> bytes:
    from trainer.prices.work import WorkFile

    return WorkFile.load(source).model


def _said(source: Path | None, flops: str | None, seconds: str | None, device: str | None) -> "Training":
    """What the options say; those given take the place of what the file says."""
    from trainer.prices.work import Work as Training
    from trainer.prices.work import WorkFile

    known: dict[str, Any] = {}
    if source is not None:
        known = vars(WorkFile.load(source).work)
    given = {
        "flops": None if flops is None else _count(flops),
        "seconds": None if seconds is None else parse_duration(seconds, "--seconds"),
        "device": device,
    }
    known = {**known, **{name: value for name, value in given.items() if value is not None}}
    missing = [f"--{name}" for name in given if name not in known]
    if missing:
        raise DataError(f"{', '.join(missing)} missing; or name the file that `trainer train` wrote with --from")
    return Training(**known)


def _count(text: str) -> int:
    try:
        found = Decimal(text)
        if not found.is_finite() or len(text) > 40 or found.adjusted() > 40 or found != found.to_integral_value():
            raise InvalidOperation
    except InvalidOperation as error:
        raise DataError(f"--flops: {text!r} is no number of operations; use such as 3.2e15") from error
    return int(found)
