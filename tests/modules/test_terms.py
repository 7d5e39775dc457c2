"""Every bound of the terms: the last value inside passes, the first outside is refused by its own reason."""

from dataclasses import astuple, fields, replace
from typing import Any

import boa
import pytest

from trainer.protocol import ETHER, Rule, Terms, Windows

HOUR = 3600
YEAR = 365 * 24 * HOUR
GOOD = Terms(
    token=ETHER,
    reward=1,
    opening=1,
    poster_bond=1,
    trainer_bond=1,
    seal_fee=0,
    rule=Rule.BEST,
    threshold=1,
    root=b"\1" * 32,
    groups=1000,
    holdout=256,
    samples=32,
    sample_bytes=100,
    input_bits=8,
    classes=10,
    model_bytes=1000,
    engine=ETHER,
    full_audit=True,
    windows=Windows(commit=HOUR, reveal=10 * HOUR, claim=HOUR, unseal=HOUR, audit=HOUR, nominate=HOUR),
)
WINDOWS = [field.name for field in fields(Windows)]


def changed(**changes: Any) -> tuple[object, ...]:
    windows = {name: changes.pop(name) for name in WINDOWS if name in changes}
    terms = replace(GOOD, windows=replace(GOOD.windows, **windows), **changes)
    values = terms.as_tuple()
    assert values[-1] == astuple(terms.windows)
    return values


BOUNDS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"reward": 1}, {"reward": 0, "opening": 0}, "reward is zero"),
    ({"reward": 5, "opening": 5}, {"reward": 5, "opening": 6}, "opening over the reward"),
    ({"reward": 5, "opening": 0}, {"reward": 5, "opening": 2**256 - 1}, "opening over the reward"),
    ({"poster_bond": 1}, {"poster_bond": 0}, "poster bond is zero"),
    ({"trainer_bond": 1}, {"trainer_bond": 0}, "trainer bond is zero"),
    *(
        ({name: 2**128 - 1}, {name: outside}, "amount over 2**128 - 1")
        for name in ("reward", "poster_bond", "trainer_bond", "seal_fee")
        for outside in (2**128, 2**256 - 1)
    ),
    ({"rule": Rule.FIRST}, {"rule": 0}, "rule unknown"),
    ({"rule": Rule.BEST}, {"rule": 3}, "rule unknown"),
    ({}, {"root": bytes(32)}, "root is empty"),
    ({"groups": 2**20}, {"groups": 2**20 + 1}, "too many groups"),
    ({"holdout": 1}, {"holdout": 0}, "hold-out is empty"),
    ({"holdout": 256}, {"holdout": 257}, "hold-out too large"),
    ({"groups": 257, "holdout": 256}, {"groups": 256, "holdout": 256}, "nothing left to train on"),
    ({"groups": 2, "holdout": 1}, {"groups": 1, "holdout": 1}, "nothing left to train on"),
    ({"samples": 1}, {"samples": 0}, "group is empty"),
    ({"samples": 32}, {"samples": 33}, "group too large"),
    ({"threshold": 1}, {"threshold": 0}, "threshold is zero"),
    ({"threshold": 256 * 32}, {"threshold": 256 * 32 + 1}, "threshold impossible"),
    (
        {"holdout": 2, "samples": 3, "threshold": 6},
        {"holdout": 2, "samples": 3, "threshold": 7},
        "threshold impossible",
    ),
    *(({"input_bits": bits}, {"input_bits": bits + 2}, "input bits") for bits in (1, 4, 8)),
    ({"input_bits": 2}, {"input_bits": 0}, "input bits"),
    ({"classes": 2}, {"classes": 1}, "too few classes"),
    ({"classes": 256}, {"classes": 257}, "too many classes"),
    ({"sample_bytes": 1}, {"sample_bytes": 0}, "sample is empty"),
    ({}, {"sample_bytes": 126_977}, "sample too large"),
    ({}, {"sample_bytes": 2**256 - 1}, "sample too large"),
    ({"model_bytes": 1}, {"model_bytes": 0}, "model is empty"),
    ({}, {"model_bytes": 126_977}, "model too large"),
    (
        {"model_bytes": 126_976 - 3200, "holdout": 8},
        {"model_bytes": 126_976 - 3199, "holdout": 8},
        "group and model too large",
    ),
    (
        {"model_bytes": 127 * 1024 - 8192 - 3200},
        {"model_bytes": 127 * 1024 - 8192 - 3199},
        "audit too large",
    ),
    *(({name: HOUR}, {name: HOUR - 1}, "window too short") for name in WINDOWS if name != "reveal"),
    *(({name: YEAR}, {name: YEAR + 1}, "window too long") for name in WINDOWS),
    *(({name: YEAR}, {name: 2**256 - 1}, "window too long") for name in WINDOWS),
    ({"reveal": HOUR + HOUR * 256 // 60}, {"reveal": HOUR + HOUR * 256 // 60 - 1}, "reveal window too short"),
    ({"holdout": 59, "reveal": HOUR + 59 * 60}, {"holdout": 60, "reveal": 2 * HOUR - 1}, "reveal window too short"),
    ({}, {"token": "0x" + "11" * 20}, "token has no code"),
]


@pytest.mark.parametrize(("inside", "outside", "reason"), BOUNDS)
def test_bound(module: Any, inside: dict[str, Any], outside: dict[str, Any], reason: str) -> None:
    module.internal._check(changed(**inside), HOUR)
    with boa.reverts(f"terms: {reason}"):
        module.internal._check(changed(**outside), HOUR)


@pytest.mark.parametrize(
    ("holdout", "seconds"), [(1, 8), (8, 8), (9, 9), (17, 9), (18, 10), (60, 14), (61, 15), (256, 37)]
)
def test_a_part_of_a_second_counts_as_one_in_the_reveal_window(module: Any, holdout: int, seconds: int) -> None:
    """With a minimal window of 7 seconds, whose sixtieths are no whole seconds."""
    module.internal._check(changed(holdout=holdout, reveal=seconds), 7)
    with boa.reverts("terms: reveal window too short"):
        module.internal._check(changed(holdout=holdout, reveal=seconds - 1), 7)
