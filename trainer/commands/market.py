"""`trainer deploy`, `trainer list`, `trainer show`, `trainer withdraw`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from trainer.amounts import ether, parse_duration
from trainer.commands.work import Work, on_node, output
from trainer.errors import ChainError, DataError
from trainer.files import check_file
from trainer.node import settings
from trainer.protocol import ETHER, Phase, Rule

if TYPE_CHECKING:
    from trainer.roles.desk import Desk

ENGINES = ("dense", "binary", "convolution", "segmented")
IdArgument = Annotated[int, typer.Argument(min=0, help="The challenge.")]


def add(app: typer.Typer) -> None:
    """Register the commands."""
    on_node(app, sends=True)(deploy)
    on_node(app, "list")(listing)
    on_node(app)(show)
    on_node(app, sends=True, waits=True)(withdraw)


def deploy(
    work: Work,
    save: Annotated[Path, typer.Option(help="New file of settings, for everyone who takes part.")] = settings.FILE,
    min_window: Annotated[str, typer.Option(help="Shortest window of a challenge; an hour for a public chain.")] = "1h",
    engines: Annotated[
        str, typer.Option(help="Engines of the market, of dense, binary, convolution, segmented.")
    ] = "dense",
    name: Annotated[
        str, typer.Option(help="Under a name each contract is deployed once: another name, another market.")
    ] = "market",
) -> None:
    """Deploy a market, its engines, and the log of what training took. What was cut off goes on where it was."""
    from trainer import chain as contracts

    wanted = [part.strip() for part in engines.split(",")]
    strange = sorted(set(wanted) - set(ENGINES))
    if strange:
        raise DataError(f"--engines: no such engine: {', '.join(strange)}; there are {', '.join(ENGINES)}")
    window = parse_duration(min_window, "--min-window")
    if save.exists():
        raise DataError(f"{save} exists; choose another file for the new settings with --save")
    check_file(save)
    makers = {
        "dense": contracts.deploy_engine,
        "binary": contracts.deploy_binary_engine,
        "convolution": contracts.deploy_convolution_engine,
        "segmented": contracts.deploy_segmented_engine,
    }
    chain = work.chain
    if chain.dry:
        raise ChainError(
            "--dry-run: a deployment cannot be estimated, as its parts need one another; try a chain of your own"
        )
    chain.env.deployment = name
    with chain.active():
        made = {part: makers[part]() for part in wanted}
        market = contracts.deploy_market(min_window=window, engines=list(made.values()))
        declarations = contracts.deploy_declarations()
    assert chain.outbox is not None, "it has just sent"
    records = [record for record in chain.outbox.records() if record.key.startswith(f"deploy/{name}/")]
    addresses = {part: str(engine.address) for part, engine in made.items()}
    entries: dict[str, str | int] = {
        # what stands behind the host may be a key, and this file is for everyone
        "node": chain.rpc.name,
        "chain_id": chain.chain_id,
        "market": str(market.address),
        "first_block": min(record.block or 0 for record in records),
        "declarations": str(declarations.address),
    }
    settings.save(save, entries, addresses)
    work.tell({**entries, **addresses, "settings": str(save)}, "trainer post PACKAGE --reward 1")


def listing(
    work: Work,
    phase: Annotated[str | None, typer.Option(help="Only those in a phase, such as commit.")] = None,
) -> None:
    """List the challenges of the market."""
    wanted = None if phase is None else _phase(phase)
    index = work.desk.index
    index.sync()
    now, block = work.chain.now, work.chain.block + 1
    rows, units = [], dict[str, int]()
    for challenge in index.challenges():
        clock = challenge.clock(now, block)
        if wanted is not None and clock.phase != wanted:
            continue
        rows.append(
            {
                "challenge": challenge.id,
                "phase": clock.phase.name,
                "ends": until(clock.ends, now),
                "reward": _money(units, work.desk, challenge.terms.token, challenge.terms.reward),
                "threshold": f"{challenge.terms.threshold} of {challenge.terms.holdout * challenge.terms.samples}",
                "seals": clock.seals,
                "outcome": clock.outcome.name if clock.outcome else "",
                "poster": challenge.poster,
            }
        )
    if work.json:
        work.tell({"challenges": rows})
        return
    if not rows:
        output.print("No challenge" + ("" if phase is None else f" in phase {phase.upper()}") + ".")
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    output.print(table)


def _money(units: dict[str, int], desk: "Desk", token: str, amount: int) -> str:
    """An amount of ether, or of a token with its address; every token is asked for its decimals once."""
    from trainer.roles.token import decimals

    if token not in units:
        units[token] = decimals(desk, token)
    return ether(amount, units[token]) + ("" if token == ETHER else f" of {token}")


def _phase(text: str) -> Phase:
    try:
        return Phase[text.upper()]
    except KeyError as error:
        names = ", ".join(str(phase.name).lower() for phase in Phase)
        raise DataError(f"--phase: {text!r} is no phase; there are {names}") from error


def until(ends: int, now: int) -> str:
    """When a phase ends, from now."""
    from trainer.amounts import show_duration

    if ends >= 2**63:
        return ""
    return f"in {show_duration(ends - now)}" if ends > now else "now"


def show(work: Work, number: IdArgument) -> None:
    """Everything that the logs say of one challenge."""
    from trainer.roles import token

    challenge = work.desk.challenge(number)
    now = work.chain.now
    clock = work.desk.clock(challenge)
    terms = challenge.terms
    unit = token.decimals(work.desk, terms.token)
    facts: dict[str, Any] = {
        "challenge": number,
        "phase": clock.phase.name,
        "ends": until(clock.ends, now),
        "outcome": clock.outcome.name if clock.outcome else "",
        "poster": challenge.poster,
        "token": "ether" if terms.token == ETHER else terms.token,
        "reward": ether(terms.reward, unit),
        "opening": ether(terms.opening, unit),
        "poster_bond": ether(terms.poster_bond, unit),
        "trainer_bond": ether(terms.trainer_bond, unit),
        "seal_fee": ether(terms.seal_fee, unit),
        "rule": Rule(terms.rule).name,
        "threshold": f"{terms.threshold} of {terms.holdout * terms.samples}",
        "root": "0x" + terms.root.hex(),
        "groups": f"{terms.groups} of {terms.samples} samples, {terms.holdout} held out",
        "samples": f"{terms.sample_bytes} bytes, {terms.input_bits} bits a feature, {terms.classes} classes",
        "model_bytes": terms.model_bytes,
        "engine": terms.engine,
        "audit": "every sample" if terms.full_audit else "optimistic",
        "seals": clock.seals,
        "revealed": len(challenge.revealed),
        "candidate": challenge.seals[clock.candidate - 1].trainer if clock.candidate else "",
        "unaudited": clock.unaudited,
    }
    claims = {seal.index: seal.claim for seal in challenge.seals if seal.claim}
    if work.json:
        work.tell({**facts, "claims": claims, "events": [_event(event) for event in work.desk.index.events(number)]})
        return
    work.tell({name: value for name, value in facts.items() if value != ""})
    for event in work.desk.index.events(number):
        output.print(f"  block {event.block:>8}  {event.name:15} {_brief(event)}")
    output.print(f"Next: {next_step(number, clock.phase)}")


def _event(event: Any) -> dict[str, Any]:
    return {"name": event.name, "block": event.block, "timestamp": event.timestamp, **_plain(event)}


def _plain(event: Any) -> dict[str, Any]:
    """Values for a program; long bytes are left to the chain."""
    return {
        name: ("0x" + value.hex() if len(value) <= 32 else f"{len(value)} bytes") if isinstance(value, bytes) else value
        for name, value in event.values.items()
        if isinstance(value, bytes | int | str)
    }


def _brief(event: Any) -> str:
    return "  ".join(
        f"{name} {value if len(str(value)) <= 44 else str(value)[:18] + '…'}"
        for name, value in _plain(event).items()
        if name != "id"
    )


def next_step(number: int, phase: Phase) -> str:
    """What somebody can do now."""
    steps = {
        Phase.POSTED: f"trainer draw {number} --wait",
        Phase.DRAW: f"trainer draw {number}",
        Phase.COMMIT: f"trainer fetch {number} --from SOURCE --out training",
        Phase.REVEAL: f"the poster: trainer reveal {number}",
        Phase.CLAIM: f"trainers: trainer claim {number}",
        Phase.UNSEAL: f"the candidate: trainer unseal {number}",
        Phase.AUDIT: f"trainer audit {number}",
        Phase.NOMINATE: f"trainer nominate {number}",
        Phase.SETTLE: f"trainer settle {number}",
        Phase.CLOSED: f"trainer release {number}; trainer withdraw",
    }
    return steps[phase]


def withdraw(
    work: Work,
    token: Annotated[str, typer.Option(help="Address of a token; by default ether.")] = ETHER,
) -> None:
    """Take out what the market credits to the account."""
    from trainer.roles.token import show as show_amount

    desk = work.desk
    while (credit := int(desk.view("credit", token, desk.me))) == 0:
        if not work.wait:
            raise ChainError(f"the market credits nothing to {desk.me}; `trainer show` says what is still open")
        work.waits(f"waiting to withdraw: the market credits nothing to {desk.me} yet")
    work.waits(None)
    receipt = desk.client.withdraw(token, sender=desk.me)
    work.sent("withdraw", receipt)
    amount = show_amount(desk, token, credit)
    work.tell({"account": desk.me, "amount": amount, "token": "ether" if token == ETHER else token})
