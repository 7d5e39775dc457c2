"""What the logs of a market show of models and samples; no part of it needs a chain."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Unsealed:
    """A candidate's model and predictions, read from the log of its unsealing.

    cost: gas that executing one sample takes at most, as the engine says.
    """

    seal: int
    score: int
    model: bytes
    predictions: tuple[bytes, ...]
    cost: int


@dataclass
class Holdout:
    """The revealed groups of a challenge, read from the logs.

    labels, samples: by slot; label words of 32 bytes and packed samples.
    """

    labels: dict[int, bytes] = field(default_factory=dict)
    samples: dict[int, bytes] = field(default_factory=dict)
