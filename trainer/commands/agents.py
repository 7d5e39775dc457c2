"""`trainer agent`, `trainer watch`: an account that takes part by itself, and an auditor that never sleeps."""

import json
from fractions import Fraction
from typing import Annotated, Any

import typer

from trainer.agent.barriers import MOST_BYTES
from trainer.amounts import parse_amount, parse_duration
from trainer.commands.work import Work, on_node
from trainer.ending import when_asked
from trainer.errors import DataError
from trainer.protocol import ETHER

PollOption = Annotated[float, typer.Option(min=0.01, help="Seconds between two looks at the chain.")]
OnceOption = Annotated[bool, typer.Option("--once", help="End when nothing is left to do now.")]
IdleOption = Annotated[bool, typer.Option("--until-idle", help="End when no challenge is open that it has a part in.")]


def add(app: typer.Typer) -> None:
    """Register the commands."""
    on_node(app, sends=True, ipfs=True)(agent)
    on_node(app, sends=True)(watch)


def agent(
    work: Work,
    budget: Annotated[str, typer.Option(help="Ether that it may lose: bonds at risk, fees and gas together.")],
    source: Annotated[
        list[str] | None,
        typer.Option(help="Where training groups are fetched: folder, http(s)://… or ipfs://CID; in turn."),
    ] = None,
    publish: Annotated[
        str | None, typer.Option(help="Where training groups of its own posts go: a folder, or `ipfs`.")
    ] = None,
    depth: Annotated[int, typer.Option(min=0, help="Blocks after which a post and its draw are final.")] = 12,
    preset: Annotated[str | None, typer.Option(help="Preset to train; by default what suits the terms.")] = None,
    hidden: Annotated[str | None, typer.Option(help="Hidden widths, such as 64 or 64,32; 0 for none.")] = None,
    token: Annotated[
        list[str] | None,
        typer.Option(help="ADDRESS=ETHER: a token that may be paid in, and what one of it is worth."),
    ] = None,
    least_profit: Annotated[
        str, typer.Option(help="Ether that it must expect of a challenge, to enter it: its price.")
    ] = "0",
    training_time: Annotated[
        str, typer.Option(help="What a training may take, such as 15m; then it is ended.")
    ] = "15m",
    most_bytes: Annotated[
        int, typer.Option(min=1, help="Bytes of samples in a data set that is entered.")
    ] = MOST_BYTES,
    poll: PollOption = 12.0,
    once: OnceOption = False,
    until_idle: IdleOption = False,
) -> None:
    """Take part in a market alone: enter what pays, train, seal, claim, unseal, audit, and take out what is won."""
    from trainer.agent.account import Agent, Plan
    from trainer.agent.lock import alone
    from trainer.agent.study import Wish
    from trainer.presets import PRESETS

    if preset is not None and preset not in PRESETS:
        raise DataError(f"--preset: no preset {preset!r}; use one of {', '.join(PRESETS)}")
    if work.dry:
        raise DataError("--dry-run: an agent that sends nothing does nothing; `trainer watch --dry-run` only looks")
    desk = work.desk
    plan = Plan(
        budget=parse_amount(budget, "--budget"),
        depth=depth,
        sources=tuple(source or ()),
        publish=publish,
        wish=Wish(preset=preset, hidden=_widths(hidden)),
        rates={ETHER: Fraction(1), **dict(_rate(work, one) for one in token or ())},
        study_seconds=parse_duration(training_time, "--training-time"),
        least_profit=parse_amount(least_profit, "--least-profit"),
        most_bytes=most_bytes,
    )
    found = Agent(desk, plan, _teller(work), poll=poll)
    # whatever it is at is on the disk: it may end anywhere, and its training after the epoch under way
    with alone(found.lock), when_asked(_leave):
        try:
            found.run(once=once, until_idle=until_idle)
        finally:
            found.studies.stop()


def watch(
    work: Work,
    keep_house: Annotated[
        bool, typer.Option("--keep-house", help="Also draw, nominate and settle, for which nobody is paid.")
    ] = False,
    poll: PollOption = 12.0,
    once: OnceOption = False,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when no challenge is open.")] = False,
) -> None:
    """Execute every model that is unsealed on this machine, and prove on the chain what is false."""
    from trainer.agent.watch import Watcher

    if work.dry and work.settings.keystore is None and work.settings.signer is None:
        # who only looks needs no key
        work.sends = False
    Watcher(work.desk, _teller(work), poll=poll, keep_house=keep_house, dry=work.dry).run(
        once=once, until_idle=until_idle
    )


def _leave(name: str) -> None:
    raise KeyboardInterrupt


def _teller(work: Work) -> Any:
    def tell(event: str, text: str, **values: Any) -> None:
        work.say(text)
        if work.json:
            typer.echo(json.dumps({"event": event, **values}))

    return tell


def _widths(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise DataError(f"--hidden: {text!r} are no widths; use such as 64 or 64,32, or 0 for none") from error
    if found == (0,):
        return ()
    if min(found) < 1:
        raise DataError(f"--hidden: {text!r} are no widths; use such as 64 or 64,32, or 0 for none")
    return found


def _rate(work: Work, text: str) -> tuple[str, Fraction]:
    from eth_utils.address import is_address, to_checksum_address

    from trainer.roles import poster

    address, _, worth = text.partition("=")
    if not is_address(address) or not worth:
        raise DataError(f"--token: {text!r}; use ADDRESS=ETHER, such as 0x…=0.0003")
    address = str(to_checksum_address(address))
    unit = 10 ** poster.decimals(work.desk, address)
    return address, Fraction(parse_amount(worth, "--token"), unit)
