"""`trainer audit`, `nominate`, `settle`: what anyone may do."""

from typing import Annotated

import typer

from trainer.commands.market import IdArgument, until
from trainer.commands.work import Work, on_node
from trainer.errors import ChainError
from trainer.protocol import Outcome, Phase


def add(app: typer.Typer) -> None:
    """Register the commands."""
    on_node(app, sends=True, waits=True)(audit)
    on_node(app, sends=True, waits=True)(nominate)
    on_node(app, sends=True, waits=True)(settle)


def audit(
    work: Work,
    number: IdArgument,
    full: Annotated[
        bool, typer.Option("--full", help="Have the chain execute every sample that it has not yet.")
    ] = False,
) -> None:
    """Compute what the candidate should have predicted, and prove on the chain what is false."""
    from trainer.roles import auditor, token

    desk = work.desk
    finding = auditor.check(desk, number)
    result: dict[str, object] = {"challenge": number, "compared": finding.samples, "false": finding.false}
    if finding.lies:
        receipt = auditor.prove(desk, number, finding)
        work.sent("audit", receipt)
        challenge = desk.challenge(number)
        bounty = receipt.events[-1].bounty if receipt.events else 0
        result |= {"verdict": "fraud", "bounty": token.show(desk, challenge.terms.token, bounty)}
        another = challenge.best_claim(desk.chain.now) is not None
        work.tell(result, f"trainer withdraw; trainer {'nominate' if another else 'settle'} {number} --wait")
        return
    if not full:
        work.tell({**result, "verdict": "honest"}, _after_honest(work, number))
        return
    executed = 0
    for masks, receipt in auditor.execute(desk, number):
        count = sum(mask.bit_count() for mask in masks.values())
        executed += count
        work.sent(f"slots {', '.join(map(str, masks))}: {count} samples", receipt)
    work.tell({**result, "verdict": "honest", "executed": executed}, f"trainer settle {number}")


def _after_honest(work: Work, number: int) -> str:
    """What is left to do where nothing is false."""
    clock = work.desk.clock(challenge := work.desk.challenge(number))
    if not challenge.terms.full_audit:
        return f"trainer settle {number} --wait; the audits end {until(clock.ends, work.chain.now)}"
    return f"trainer audit {number} --full, which executes the {clock.unaudited} samples that are left"


def nominate(
    work: Work,
    number: IdArgument,
    seal: Annotated[
        int | None, typer.Option(min=0, help="Index of a seal; by default the best standing claim.")
    ] = None,
) -> None:
    """Put a standing claim up as the next candidate, after the last one fell."""
    desk = work.desk
    challenge = desk.require(number, Phase.NOMINATE, "nominate")
    if seal is None:
        best = challenge.best_claim(desk.chain.now)
        if best is None:
            raise ChainError(f"challenge {number} has no standing claim left; it ends without a winner")
        seal = best.index
    work.sent("nominate", desk.client.nominate(number, seal, sender=desk.me))
    work.tell({"challenge": number, "seal": seal}, f"its trainer: trainer unseal {number} --wait")


def settle(work: Work, number: IdArgument) -> None:
    """Pay the reward of a decided challenge."""
    from trainer.roles import token

    desk = work.desk
    challenge = desk.require(number, Phase.SETTLE, "settle", sent=f"settle/{number}")
    receipt = desk.client.settle(number, sender=desk.me)
    work.sent("settle", receipt)
    if not receipt.events:
        work.tell({})
        return
    last = receipt.events[-1]
    work.tell(
        {
            "challenge": number,
            "outcome": Outcome(last.outcome).name,
            "winner": str(last.winner),
            "reward": token.show(desk, challenge.terms.token, last.reward),
        },
        "trainer withdraw",
    )
