"""`trainer commit`, `claim`, `unseal`, `release`: what a trainer does on a node."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainer.commands.market import IdArgument, until
from trainer.commands.poster import DRAWN
from trainer.commands.work import Work, on_node
from trainer.errors import AssayError, ChainError
from trainer.protocol import Phase

if TYPE_CHECKING:
    from trainer.exchange.fetch import Fetched


def add(app: typer.Typer) -> None:
    """Register the commands."""
    on_node(app, waits=True, ipfs=True)(fetch)
    on_node(app, sends=True)(commit)
    on_node(app, sends=True, waits=True)(claim)
    on_node(app, sends=True, waits=True)(unseal)
    on_node(app, sends=True)(release)


def fetch(
    work: Work,
    number: IdArgument,
    source: Annotated[
        list[str],
        typer.Option("--from", help="Folder, http(s)://… or ipfs://CID; several are tried in turn."),
    ],
    out: Annotated[Path, typer.Option(help="New directory for the training groups.")],
) -> None:
    """Fetch the training groups of a challenge, each checked against the root on the chain."""
    from trainer.roles import data

    fetched = _published(work, number, source, out) if work.wait else data.fetch(work.desk, number, source, out)
    for note in fetched.notes:
        work.say(f"note: {note}")
    samples = len(fetched.outline.kept) * fetched.outline.manifest.group_size
    work.tell(
        {"challenge": number, "directory": str(out), "groups": len(fetched.outline.kept), "samples": samples},
        f"trainer train --dataset {out} --out model.bin; trainer commit {number} model.bin",
    )


def _published(work: Work, number: int, source: list[str], out: Path) -> "Fetched":
    """What is fetched once it is drawn and published; waits for that while one may commit."""
    from trainer.roles import data

    while True:
        challenge = work.desk.require(number, DRAWN, "fetch")
        try:
            return data.fetch(work.desk, number, source, out)
        except AssayError as error:
            if work.desk.clock(challenge).phase != Phase.COMMIT:
                raise
            work.waits(f"waiting to fetch: {error}")


def commit(
    work: Work,
    number: IdArgument,
    model: Annotated[Path, typer.Argument(help="Model file that `trainer train` wrote.")],
) -> None:
    """Seal a model with a bond. Model and salt are saved first: whoever loses them loses the bond."""
    from trainer.roles import trainer

    desk = work.desk
    network = trainer.read_model(model)
    receipt = trainer.commit(desk, number, network)
    if work.dry:
        work.tell({})
        return
    work.sent("commit", receipt)
    ends = until(desk.clock(desk.challenge(number)).ends, desk.chain.now)
    work.tell(
        {"challenge": number, "seal": receipt.result, "saved": str(trainer.directory_of(desk, number))},
        f"trainer claim {number} --wait; commits end {ends}",
    )


def claim(
    work: Work,
    number: IdArgument,
    score: Annotated[
        int | None, typer.Option(min=1, help="Right answers; by default what the sealed model reaches.")
    ] = None,
) -> None:
    """Claim how many right answers the sealed model gives on the hold-out."""
    from trainer.roles import trainer

    claimed, receipt = trainer.claim(work.desk, number, score)
    work.sent("claim", receipt)
    work.tell({"challenge": number, "claimed": claimed}, f"trainer unseal {number} --wait, if no higher claim comes")


def unseal(work: Work, number: IdArgument) -> None:
    """Show the sealed model and its predictions, when it is this account's turn."""
    from trainer.roles import trainer

    receipt = trainer.unseal(work.desk, number)
    work.sent("unseal", receipt)
    score = receipt.events[-1].score if receipt.events else 0
    full = work.desk.challenge(number).terms.full_audit
    after = f"trainer audit {number} --full" if full else f"trainer settle {number} --wait"
    work.tell({"challenge": number, "right": score}, after)


def release(
    work: Work,
    number: IdArgument,
    seal: Annotated[int | None, typer.Option(min=0, help="Index of a seal; by default the account's own.")] = None,
) -> None:
    """Free the bond of a seal: without a claim after the claims, with one once the challenge is closed."""
    desk = work.desk
    challenge = desk.challenge(number)
    if seal is None:
        mine = [entry.index for entry in challenge.seals if entry.trainer == desk.me]
        if not mine:
            raise ChainError(f"{desk.me} has no seal in challenge {number}; name one with --seal")
        seal = mine[0]
    work.sent("release", desk.client.release(number, seal, sender=desk.me))
    work.tell({"challenge": number, "seal": seal}, "trainer withdraw")
