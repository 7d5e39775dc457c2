"""Declaring what training took, and reading what others declared."""

import hashlib

from trainer.chain import Receipt
from trainer.errors import ChainError, DataError
from trainer.prices.declarations import Declarations, opened
from trainer.prices.facts import DECLARE_WITHIN
from trainer.prices.work import Work
from trainer.protocol import Outcome
from trainer.roles.desk import Desk
from trainer.roles.token import decimals

NONE = "no log of declarations is named; `trainer deploy` makes one: name its address as `declarations` in the settings"


def declarations(desk: Desk) -> Declarations | None:
    """What was declared about the desk's market; None where the settings name no log.

    Raises `ChainError` where the settings name another contract.
    """
    chosen = desk.settings
    rpc = desk.chain.rpc
    return opened(chosen.declarations, rpc, rpc.code, desk.directory, desk.address, chosen.first_block)


def declare(desk: Desk, challenge: int, work: Work, model: bytes | None = None) -> tuple[Receipt, float]:
    """Declare what the account's model, which won, took; returns what was paid for it, too, in whole tokens.

    model: keccak256 of the model that the work is of, to be compared with the one that won; None to trust the caller.

    Raises `ChainError` where the account has not won, or declares too late, and `DataError` for another model's work.
    """
    declared = declarations(desk)
    if declared is None:
        raise ChainError(NONE)
    life = desk.challenge(challenge)
    if life.stored.outcome != Outcome.WON or life.winner is None:
        raise ChainError(f"challenge {challenge} has no winner yet; declare after `trainer settle {challenge}`")
    if life.winner != desk.me:
        raise ChainError(f"challenge {challenge} was won by {life.winner}, not by {desk.me}; only the winner's counts")
    settled = next(event for event in desk.index.events(challenge) if event.name == "Settled")
    if desk.chain.now > settled.timestamp + DECLARE_WITHIN:
        raise ChainError(
            f"challenge {challenge} was settled more than {DECLARE_WITHIN // 86_400} days ago; what is declared now "
            "counts for nobody"
        )
    if model is not None and model != life.model:
        raise DataError(f"that is the work of another model than the one that won challenge {challenge}; name its file")
    log = desk.chain.contract("Declarations", declared.contract)
    # who mends what he said says something else, and only that is sent again
    digest = hashlib.sha256(repr((work.flops, work.seconds, work.device)).encode()).hexdigest()[:16]
    receipt = desk.chain.send(
        log.declare,
        desk.address,
        challenge,
        work.flops,
        work.seconds,
        work.device,
        sender=desk.me,
        key=f"{desk.address}/declare/{challenge}/{digest}",
    )
    unit: int = 10 ** decimals(desk, life.terms.token)
    return receipt, settled.values["reward"] / unit
