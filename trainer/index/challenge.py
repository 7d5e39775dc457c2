"""One challenge, as its events tell it: `apply` takes them one after another, in the order of the chain."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from eth_hash.auto import keccak

from trainer.errors import NodeError
from trainer.index.clock import Clock, at, current, decided, nomination
from trainer.index.events import WINDOWS
from trainer.index.source import Block
from trainer.protocol import Outcome, Phase, Rule, Terms, Windows, predictions_hash


@dataclass(slots=True)
class SealView:
    """One seal.

    hash:     what was sealed, 32 bytes.
    claim:    right answers claimed, while the claim stands; None for no claim, or one that fell.
    claimed:  right answers ever claimed.
    bond:     what is still escrowed, in the token's smallest unit.
    reward:   what it would win, in the same.
    fell:     "late" for a candidate who did not do his part in time, "fraud" for a disproven one, else "".
    released: whether the bond was credited back.
    block:    of the commit.
    """

    index: int
    trainer: str
    hash: bytes
    bond: int
    reward: int
    block: int
    claim: int | None = None
    claimed: int | None = None
    fell: str = ""
    released: bool = False


@dataclass(frozen=True, slots=True)
class GroupView:
    """A revealed group; its samples are in `Index.holdout`.

    salt:   32 bytes.
    labels: the word of the samples' classes.
    """

    group: int
    salt: bytes
    labels: bytes


@dataclass
class Details:
    """What a list of challenges does not need.

    revealed: by slot.
    executed: masks of samples already executed, by seal index and slot; none is zero.
    """

    revealed: dict[int, GroupView] = field(default_factory=dict)
    executed: dict[tuple[int, int], int] = field(default_factory=dict)


@dataclass
class Challenge:
    """A challenge after its last event; look at `clock` for where it stands at a moment.

    poster:      who posted it.
    posted:      the block of the post.
    seed_block:  number of the block whose hash is the seed.
    stored:      the clock as the last event left it.
    key:         of the split, 32 bytes, once drawn.
    shown:       groups revealed so far.
    model:       keccak256 of the latest candidate's model, once shown.
    predictions: keccak256 of what it predicts, as `protocol.predictions_hash`.
    winner:      who got the reward, once settled, if anyone won.
    """

    id: int
    poster: str
    terms: Terms
    posted: Block
    seed_block: int
    stored: Clock
    key: bytes | None = None
    seals: list[SealView] = field(default_factory=list)
    shown: int = 0
    model: bytes | None = None
    predictions: bytes | None = None
    winner: str | None = None
    packed: str = field(default="", repr=False, compare=False)

    @cached_property
    def details(self) -> Details:
        """What takes time to read, read once."""
        return _unpack_details(self.packed) if self.packed else Details()

    @property
    def revealed(self) -> dict[int, GroupView]:
        """Revealed groups by slot."""
        return self.details.revealed

    def executed(self, seal: int) -> dict[int, int]:
        """Masks of the samples of a seal's predictions that were executed, by slot; none is zero."""
        return {slot: mask for (index, slot), mask in self.details.executed.items() if index == seal}

    def fallen(self, now: int) -> int:
        """1 + index of the seal whose candidate was late since the last event; 0 for none.

        Time alone makes a candidate and lets him fall; that is written down by the next call.
        """
        if self.stored.phase in (Phase.DRAW, Phase.CLOSED):
            return 0
        return at(self.stored, self.terms.windows, self.terms.full_audit, now)[1]

    def best_claim(self, now: int) -> SealView | None:
        """The seal with the best claim that stands at a moment; None if none does."""
        fallen = self.fallen(now)
        standing = (seal for seal in self.seals if seal.claim and seal.index + 1 != fallen)
        return max(standing, key=lambda seal: _standing(self, seal.index + 1), default=None)

    def clock(self, now: int, block: int) -> Clock:
        """Where it stands in a block with this timestamp and number: what `Market.clock_of` answers there."""
        return current(self.stored, self.seed_block, self.terms.windows, self.terms.full_audit, now, block)


def apply(before: Challenge | None, name: str, values: dict[str, Any], block: Block) -> Challenge:
    """A challenge after one more event.

    before: None before its post; changed in place.
    values: of the event, models and predictions included.
    block:  the event's.

    Raises `NodeError` if no challenge could go on so: logs are missing.
    """
    if name == "Posted":
        return Challenge(
            id=values["id"],
            poster=values["poster"],
            terms=values["terms"],
            posted=block,
            seed_block=values["seed_block"],
            stored=Clock(Phase.DRAW),
        )
    if before is None:
        raise _gap(values["id"], name, "it was never posted")
    phases, step = _STEPS[name]
    phase = before.clock(block.timestamp, block.number).phase
    if phases and not phases & phase:
        raise _gap(before.id, name, f"it is in {phase.name}")
    step(before, values, block)
    return before


ANY = Phase(0)


def _gap(id: int, name: str, what: str) -> NodeError:
    return NodeError(f"challenge {id}: {name}, but {what}; the node left out logs, or the index starts too late")


def _cancelled(life: Challenge, values: dict[str, Any], block: Block) -> None:
    life.stored = life.stored._replace(phase=Phase.CLOSED, outcome=Outcome.CANCELLED)


def _drawn(life: Challenge, values: dict[str, Any], block: Block) -> None:
    life.key = values["key"]
    life.stored = life.stored._replace(phase=Phase.COMMIT, ends=values["ends"])


def _committed(life: Challenge, values: dict[str, Any], block: Block) -> None:
    index = values["seal"]
    if index != len(life.seals):
        raise _gap(life.id, "Committed", f"seal {index} is not number {len(life.seals)}")
    life.seals.append(
        SealView(index, values["trainer"], values["hash"], life.terms.trainer_bond, values["reward"], block.number)
    )
    life.stored = life.stored._replace(seals=len(life.seals))


def _revealed(life: Challenge, values: dict[str, Any], block: Block) -> None:
    life.revealed[values["slot"]] = GroupView(values["group"], values["salt"], values["labels"])
    life.shown = len(life.revealed)


def _complete(life: Challenge, values: dict[str, Any], block: Block) -> None:
    if life.shown != life.terms.holdout:
        raise _gap(life.id, "HoldoutComplete", f"{life.shown} of {life.terms.holdout} groups were revealed")
    life.stored = life.stored._replace(phase=Phase.CLAIM, ends=values["ends"])


def _claimed(life: Challenge, values: dict[str, Any], block: Block) -> None:
    seal = _seal(life, "Claimed", values)
    seal.claim = seal.claimed = values["score"]
    leader = life.stored.leader
    if leader == 0 or _standing(life, seal.index + 1) > _standing(life, leader):
        life.stored = life.stored._replace(leader=seal.index + 1)


def _unsealed(life: Challenge, values: dict[str, Any], block: Block) -> None:
    seal = _seal(life, "Unsealed", values)
    life.model, life.predictions = keccak(values["model"]), predictions_hash(list(values["predictions"]))
    life.stored = life.stored._replace(
        phase=Phase.AUDIT,
        ends=values["ends"],
        leader=0,
        candidate=seal.index + 1,
        unaudited=life.terms.holdout * life.terms.samples,
    )


def _audited(life: Challenge, values: dict[str, Any], block: Block) -> None:
    key = _seal(life, "Audited", values).index, values["slot"]
    executed = life.details.executed
    executed[key] = executed.get(key, 0) | values["mask"]
    done = sum(mask.bit_count() for mask in life.executed(values["seal"]).values())
    left = life.terms.holdout * life.terms.samples - done
    if left != values["unaudited"]:
        raise _gap(life.id, "Audited", f"{left} samples are left, not {values['unaudited']}")
    life.stored = life.stored._replace(unaudited=left)
    if left == 0 and life.terms.full_audit:
        life.stored = decided(life.stored, Outcome.WON)


def _fraud(life: Challenge, values: dict[str, Any], block: Block) -> None:
    _fall(_seal(life, "Fraud", values), "fraud")
    life.stored = nomination(life.stored, values["ends"])


def _defaulted(life: Challenge, values: dict[str, Any], block: Block) -> None:
    # the event comes with the first call after the deadline, and the market stores the clock of that moment
    life.stored, late = at(life.stored, life.terms.windows, life.terms.full_audit, block.timestamp)
    if late != values["seal"] + 1:
        raise _gap(life.id, "Defaulted", f"seal {values['seal']} was not late")
    _fall(_seal(life, "Defaulted", values), "late")


def _nominated(life: Challenge, values: dict[str, Any], block: Block) -> None:
    life.stored = life.stored._replace(leader=_seal(life, "Nominated", values).index + 1)


def _released(life: Challenge, values: dict[str, Any], block: Block) -> None:
    seal = _seal(life, "Released", values)
    if not seal.bond:
        raise _gap(life.id, "Released", f"seal {seal.index} has no bond")
    seal.bond, seal.released = 0, True


def _settled(life: Challenge, values: dict[str, Any], block: Block) -> None:
    life.stored = life.stored._replace(phase=Phase.CLOSED, outcome=values["outcome"])
    if values["outcome"] == Outcome.WON:
        life.winner = values["winner"]


_STEPS: dict[str, tuple[Phase, Callable[[Challenge, dict[str, Any], Block], None]]] = {
    "Cancelled": (Phase.POSTED, _cancelled),
    "Drawn": (Phase.DRAW, _drawn),
    "Committed": (Phase.COMMIT, _committed),
    "Revealed": (Phase.REVEAL, _revealed),
    "HoldoutComplete": (Phase.REVEAL, _complete),
    "Claimed": (Phase.CLAIM, _claimed),
    "Unsealed": (Phase.UNSEAL, _unsealed),
    # one call may execute samples twice, and the first time may have been the last that was missing
    "Audited": (Phase.AUDIT | Phase.SETTLE, _audited),
    "Fraud": (Phase.AUDIT, _fraud),
    "Defaulted": (ANY, _defaulted),
    "Nominated": (Phase.NOMINATE, _nominated),
    "Released": (ANY, _released),
    "Settled": (Phase.SETTLE, _settled),
}
"""By event: the phases in which it may happen, and what it does."""


def _seal(life: Challenge, name: str, values: dict[str, Any]) -> SealView:
    index: int = values["seal"]
    if index >= len(life.seals):
        raise _gap(life.id, name, f"there is no seal {index}")
    return life.seals[index]


def _standing(life: Challenge, seal: int) -> tuple[int, int]:
    """What orders claims: the score, then the lower seal index (`seal` is 1 + it)."""
    return life.seals[seal - 1].claim or 0, -seal


def _fall(seal: SealView, how: str) -> None:
    seal.bond, seal.claim, seal.fell = 0, None, how


# ── as the cache keeps them ──


def pack(life: Challenge) -> tuple[str, str]:
    """A challenge as two texts: what a list needs, and the details."""
    terms, clock = life.terms.as_tuple(), life.stored
    state = [
        life.poster,
        [_text(value) for value in terms],
        [life.posted.number, life.posted.hash.hex(), life.posted.timestamp],
        life.seed_block,
        [int(value) for value in clock],
        _text(life.key),
        [
            [s.trainer, s.hash.hex(), s.bond, s.reward, s.block, s.claim, s.claimed, s.fell, s.released]
            for s in life.seals
        ],
        life.shown,
        _text(life.model),
        _text(life.predictions),
        life.winner,
    ]
    details = [
        [[slot, g.group, g.salt.hex(), g.labels.hex()] for slot, g in life.revealed.items()],
        [[seal, slot, mask] for (seal, slot), mask in life.details.executed.items()],
    ]
    return json.dumps(state, separators=(",", ":")), json.dumps(details, separators=(",", ":"))


def unpack(id: int, state: str, details: str) -> Challenge:
    """What `pack` packed. Raises `ValueError`, `TypeError` or `LookupError` if these are other texts."""
    poster, terms, posted, seed_block, clock, key, seals, shown, model, predictions, winner = json.loads(state)
    number, hash, timestamp = posted
    phase, ends, count, leader, candidate, unaudited, outcome = clock
    return Challenge(
        id,
        poster,
        _terms(terms),
        Block(number, bytes.fromhex(hash), timestamp),
        seed_block,
        Clock(Phase(phase), ends, count, leader, candidate, unaudited, Outcome(outcome)),
        _bytes(key),
        [
            SealView(index, trainer, bytes.fromhex(hash), bond, reward, block, claim, claimed, fell, released)
            for index, (trainer, hash, bond, reward, block, claim, claimed, fell, released) in enumerate(seals)
        ],
        shown,
        _bytes(model),
        _bytes(predictions),
        winner,
        details,
    )


def _unpack_details(packed: str) -> Details:
    revealed, executed = json.loads(packed)
    return Details(
        {slot: GroupView(group, bytes.fromhex(salt), bytes.fromhex(labels)) for slot, group, salt, labels in revealed},
        {(seal, slot): mask for seal, slot, mask in executed},
    )


def _text(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def _terms(values: list[Any]) -> Terms:
    fields = dict(zip(Terms.__dataclass_fields__, values, strict=True))
    rule, root, windows = fields.pop("rule"), fields.pop("root"), fields.pop("windows")
    return Terms(
        rule=Rule(rule), root=bytes.fromhex(root), windows=Windows(**dict(zip(WINDOWS, windows, strict=True))), **fields
    )
