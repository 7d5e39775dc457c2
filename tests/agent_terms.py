"""Terms and challenges for tests of what an agent decides."""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from trainer.index import Block, Challenge, Clock, SealView
from trainer.integer import Layer, Network
from trainer.protocol import ETHER, Phase, Rule, Terms, Windows

ETH = 10**18
ME, POSTER, OTHER = ("0x" + digit * 40 for digit in "123")
ENDS = 1_000_000


def terms(**changes: Any) -> Terms:
    """Terms that anybody would accept, with changes."""
    base = Terms(
        token=ETHER,
        reward=ETH,
        opening=ETH,
        poster_bond=ETH // 10,
        trainer_bond=ETH // 5,
        seal_fee=10**15,
        rule=Rule.BEST,
        threshold=40,
        root=b"\1" * 32,
        groups=40,
        holdout=4,
        samples=16,
        sample_bytes=32,
        input_bits=4,
        classes=10,
        model_bytes=8_000,
        engine="0x" + "4" * 40,
        full_audit=True,
        windows=Windows(commit=3600, reveal=3600, claim=3600, unseal=3600, audit=3600, nominate=3600),
    )
    return replace(base, **changes)


@st.composite
def challenge_terms(draw: st.DrawFn) -> Terms:
    """Terms with any sums."""
    amount = st.integers(1, 2**100)
    holdout, samples = draw(st.integers(1, 8)), draw(st.integers(1, 32))
    return terms(
        reward=(reward := draw(amount)),
        opening=draw(st.sampled_from((reward, 0, reward // 3))),
        trainer_bond=draw(amount),
        seal_fee=draw(st.integers(0, 2**80)),
        holdout=holdout,
        samples=samples,
        threshold=draw(st.integers(1, holdout * samples)),
        full_audit=draw(st.booleans()),
        rule=draw(st.sampled_from(list(Rule))),
    )


def seal(index: int = 0, trainer: str = ME, **changes: Any) -> SealView:
    """A seal with its bond."""
    base = SealView(index, trainer, b"\2" * 32, ETH // 5, ETH, 30)
    return replace(base, **changes)


def challenge(phase: Phase, *, seals: tuple[SealView, ...] = (), **changes: Any) -> Challenge:
    """A challenge in a phase that ends at `ENDS`; `clock` takes further fields of the clock."""
    chosen = changes.pop("terms", None) or terms()
    stored = Clock(phase, ends=ENDS, seals=len(seals), **changes.pop("clock", {}))
    base = Challenge(7, POSTER, chosen, Block(10, b"\3" * 32, 900_000), 14, stored, key=b"\5" * 32)
    return replace(base, seals=list(seals), **changes)


def linear() -> Network:
    """A network of 64 inputs and 10 classes."""
    layer = Layer(weights=np.ones((64, 10), np.int64), bias=np.zeros(10, np.int64), shift=None)
    return Network(layers=(layer,), input_bits=4, activation_bits=4, weight_bits=4)
