"""What clients of the market share: its enumerations, the terms of a challenge, and the seal."""

from dataclasses import asdict, dataclass
from enum import IntFlag

from eth_abi.abi import encode
from eth_hash.auto import keccak

ETHER = "0x0000000000000000000000000000000000000000"
SEED_DELAY = 4
"""Blocks from the post to the block whose hash is the seed."""
SEED_REACH = 8191
"""Blocks after the seed's block in which its hash can be read (EIP-2935)."""


class Rule(IntFlag):
    """Who leads: the highest claim, or the lowest seal index that reaches the threshold."""

    BEST = 1
    FIRST = 2


class Phase(IntFlag):
    """Phases of a challenge, as `contracts/modules/phases.vy` numbers them."""

    POSTED = 1
    DRAW = 2
    COMMIT = 4
    REVEAL = 8
    CLAIM = 16
    UNSEAL = 32
    AUDIT = 64
    NOMINATE = 128
    SETTLE = 256
    CLOSED = 512


class Outcome(IntFlag):
    """How a challenge ended; 0 while that is open."""

    CANCELLED = 1
    VOID = 2
    DESERTED = 4
    WITHHELD = 8
    UNCLAIMED = 16
    UNNOMINATED = 32
    WON = 64


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Lengths of the phases in seconds."""

    commit: int
    reveal: int
    claim: int
    unseal: int
    audit: int
    nominate: int


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Terms of a challenge, field for field `contracts/modules/terms.vy`; amounts in the token's smallest unit.

    opening: what the reward is when commits open; it rises in a straight line to `reward` until they close, and a seal
             wins what it is when it is committed (`reward_at`). Equal to `reward`: it does not change.
    """

    token: str
    reward: int
    opening: int
    poster_bond: int
    trainer_bond: int
    seal_fee: int
    rule: Rule
    threshold: int
    root: bytes
    groups: int
    holdout: int
    samples: int
    sample_bytes: int
    input_bits: int
    classes: int
    model_bytes: int
    engine: str
    full_audit: bool
    windows: Windows

    def reward_at(self, now: int, ends: int) -> int:
        """What a seal of second `now` would win, if commits end at `ends`; between `opening` and `reward`."""
        left = min(max(ends - now, 0), self.windows.commit)
        return self.reward - (self.reward - self.opening) * left // self.windows.commit

    def as_tuple(self) -> tuple[object, ...]:
        """The ABI value: fields in order, the windows as a tuple of their own."""
        fields = asdict(self)
        fields["rule"] = int(self.rule)
        fields["windows"] = tuple(asdict(self.windows).values())
        return tuple(fields.values())


def seal_hash(*, chain_id: int, market: str, challenge: int, trainer: str, model: bytes, salt: bytes) -> bytes:
    """The seal of a model, 32 bytes: what `commit` takes and `unseal` checks."""
    return keccak(
        encode(
            ["uint256", "address", "uint256", "address", "bytes32", "bytes32"],
            [chain_id, market, challenge, trainer, keccak(model), salt],
        )
    )


def predictions_hash(predictions: list[bytes]) -> bytes:
    """What the market keeps of a candidate's predictions, 32 bytes."""
    return keccak(encode(["bytes32[]"], [predictions]))
