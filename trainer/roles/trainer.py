"""The trainer: seals a model, claims what it reaches, and shows it when it leads."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainer import networks
from trainer.chain import Receipt
from trainer.client import Seal
from trainer.encode_segments import files_of, joined
from trainer.errors import AssayError, ChainError, DataError
from trainer.files import in_turn
from trainer.networks import AnyNetwork
from trainer.protocol import Phase, Rule
from trainer.roles import scoring
from trainer.roles.desk import Desk
from trainer.roles.token import approve
from trainer.segments import SegmentedNetwork
from trainer.steps import Steps


def directory_of(desk: Desk, challenge: int) -> Path:
    """Where the account's seal for a challenge is kept."""
    return desk.directory / "seals" / f"{challenge}-{desk.me}"


def seal_of(desk: Desk, challenge: int) -> Seal:
    """The account's seal; raises `ChainError` where there is none."""
    directory = directory_of(desk, challenge)
    if not directory.is_dir():
        raise ChainError(
            f"no seal of {desk.me} for challenge {challenge} in {directory}; `trainer commit` makes one, and what was "
            "lost comes from a backup alone"
        )
    return Seal.load(directory)


def commit(desk: Desk, challenge: int, network: AnyNetwork) -> Receipt:
    """Seal a network with a fresh salt: both are on the disk before the transaction is sent.

    Once that was signed the seal stays: another network for the same challenge is refused.
    """
    model = networks.model_of(network)
    segments = files_of(network) if isinstance(network, SegmentedNetwork) else ()
    with _alone(desk):
        before = _sealed(desk, challenge)
        if before is not None and desk.record(f"commit/{challenge}") is not None:
            if before.model != model:
                raise ChainError(
                    f"{directory_of(desk, challenge)} already seals another model for challenge {challenge}, and an "
                    "address commits once; use another account"
                )
            return desk.client.commit(before)
        found = desk.require(challenge, Phase.COMMIT, "commit")
        terms = found.terms
        if any(seal.trainer == desk.me for seal in found.seals):
            # the salt of what is on the chain may be here and nowhere else: nothing is written
            raise ChainError(
                f"{desk.me} has a seal in challenge {challenge}, and this home did not send it; use the home that did, "
                "or restore its backup"
            )
        # nobody was told of the one before
        salt = before.salt if before is not None and before.model == model else secrets.token_bytes(32)
        seal = Seal(challenge=challenge, trainer=desk.me, model=model, salt=salt, segments=tuple(segments))
        desk.client.check_model(seal)
        approved = approve(desk, terms.token, terms.trainer_bond + terms.seal_fee)
        if desk.chain.dry:
            # an estimate leaves nothing behind, and needs what was only estimated before it
            return approved or desk.client.commit(seal)
        seal.save(directory_of(desk, challenge))
        return desk.client.commit(seal)


def _sealed(desk: Desk, challenge: int) -> Seal | None:
    """The seal that was saved; None where there is none, or a part of one for which nothing was signed yet."""
    signed = desk.record(f"commit/{challenge}") is not None
    try:
        return seal_of(desk, challenge)
    except ChainError:
        if signed:
            raise
        return None


@contextmanager
def _alone(desk: Desk) -> Iterator[None]:
    """Let no other process of this machine seal meanwhile: it could replace a salt that is being sent."""
    directory = desk.directory / "seals"
    directory.mkdir(parents=True, exist_ok=True)
    with in_turn(directory / ".lock"):
        yield


def network_of(seal: Seal) -> AnyNetwork:
    """The network that a seal holds."""
    return networks.read(joined(seal.model, seal.segments))


def claim(desk: Desk, challenge: int, score: int | None = None) -> tuple[int, Receipt]:
    """Claim what the sealed model reaches, or another score; returns it.

    Raises `ChainError` where that is below the threshold, or more than the model reaches: such a claim loses the bond.
    """
    found = desk.require(challenge, Phase.CLAIM, "claim")
    reached = reaches(desk, challenge)
    wanted = reached if score is None else score
    if score is None and found.terms.rule == Rule.FIRST:
        wanted = min(reached, found.terms.threshold)
    if wanted > reached:
        raise ChainError(f"the sealed model reaches {reached}, not {wanted}; such a claim loses its bond")
    if wanted < found.terms.threshold:
        raise ChainError(
            f"the sealed model reaches {reached} of {found.terms.holdout * found.terms.samples}, and the threshold is "
            f"{found.terms.threshold}; nothing to claim: `trainer release {challenge}` frees the bond after the claims"
        )
    receipt = desk.client.claim(challenge, wanted, sender=desk.me)
    # what was claimed before stands
    return int(receipt.events[-1].score) if receipt.events else wanted, receipt


def reaches(desk: Desk, challenge: int) -> int:
    """Right answers of the sealed model on the hold-out as revealed."""
    terms, holdout = desk.index.challenge(challenge).terms, desk.index.holdout(challenge)
    if len(holdout.labels) < terms.holdout:
        raise ChainError(f"{len(holdout.labels)} of {terms.holdout} groups are revealed; wait for the others")
    return scoring.score(scoring.predict(network_of(seal_of(desk, challenge)), holdout, terms), holdout, terms)


def unseal(desk: Desk, challenge: int) -> Receipt:
    """Show the sealed model and what it predicts. Raises `ChainError` where it is not this account's turn."""
    found = desk.require(challenge, Phase.UNSEAL, "unseal")
    candidate = found.seals[desk.clock(found).candidate - 1]
    if candidate.trainer != desk.me:
        raise ChainError(f"the candidate of challenge {challenge} is {candidate.trainer}, not {desk.me}; wait")
    seal = seal_of(desk, challenge)
    if desk.chain.dry and seal.segments:
        # the unsealing needs the segments whose registration is only estimated
        registered = list(Steps(desk.chain, found.terms.engine).register(seal.segments, sender=desk.me))
        if registered:
            return registered[-1]
    classes = scoring.predict(network_of(seal), desk.index.holdout(challenge), found.terms)
    return desk.client.unseal(seal, scoring.words(classes, found.terms))


def read_model(path: Path) -> AnyNetwork:
    """A network from its file; raises `DataError`."""
    try:
        return networks.read(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; `trainer train --out` writes models") from error
    except AssayError as error:
        raise DataError(f"{path} is no model: {error}; `trainer train --out` writes models") from error
