"""What of a budget is used, and which terms are not accepted, from logs and receipts alone."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from tests.agent_terms import ETH, ME, OTHER, challenge, seal, terms
from trainer.agent.barriers import MOST_BYTES, TRAINED, audit_seconds, barrier
from trainer.agent.budget import used
from trainer.node.outbox import DONE, FAILED, OPEN, Record
from trainer.protocol import ETHER, Phase, Windows

MARKET = "0x" + "9" * 40
RATES = {ETHER: Fraction(1)}
HERE: dict[str, Any] = {"kinds": set(TRAINED), "rates": RATES, "most_bytes": MOST_BYTES}
BOND, FEE = ETH // 5, 10**15


def record(key: str, state: str = DONE, **changes: Any) -> Record:
    """A transaction that took 100 gas at 7 wei, if it was mined."""
    receipt = {"gasUsed": "0x64", "effectiveGasPrice": "0x7"} if state != OPEN else None
    base = Record(
        sender=ME,
        key=f"{MARKET}/{key}",
        nonce=0,
        target=MARKET,
        data=b"",
        value=0,
        gas=200,
        state=state,
        block=1,
        receipt=receipt,
    )
    return replace(base, **changes)


def test_bonds_at_risk_bonds_that_fell_and_fees_count() -> None:
    at_risk = challenge(Phase.CLAIM, seals=(seal(0, OTHER), seal(1)))
    fell = challenge(Phase.CLOSED, seals=(seal(bond=0, fell="late"),))
    back = challenge(Phase.CLOSED, seals=(seal(bond=0, released=True),))
    assert used([at_risk], [], ME, RATES) == BOND + FEE
    assert used([fell], [], ME, RATES) == BOND + FEE
    assert used([back], [], ME, RATES) == FEE
    assert used([at_risk, fell, back], [], ME, RATES) == 2 * BOND + 3 * FEE


def test_gas_of_the_market_counts_and_that_of_posts_and_deployments_does_not() -> None:
    records = [
        record("commit/7"),
        record("audit/7/0/1/f", FAILED),
        record("post/a"),
        replace(record("x"), key="deploy/market/1"),
        record("claim/7", OPEN),
    ]
    assert used([], records, ME, RATES) == 1400


def test_a_commit_on_its_way_counts_until_its_seal_is_in_the_logs() -> None:
    pending = record("commit/7", OPEN, value=BOND + FEE)
    assert used([], [pending], ME, RATES) == BOND + FEE
    assert used([challenge(Phase.COMMIT, seals=(seal(),))], [pending], ME, RATES) == BOND + FEE


def test_tokens_count_for_what_they_are_worth_rounded_up() -> None:
    token = "0x" + "8" * 40
    found = challenge(Phase.CLAIM, seals=(seal(bond=10),), terms=terms(token=token, seal_fee=1))
    assert used([found], [], ME, {token: Fraction(1, 2)}) == 6


def test_good_terms_have_no_barrier() -> None:
    assert barrier(terms(), "DenseEngine", **HERE) == ""


@pytest.mark.parametrize(
    ("changes", "engine", "words"),
    [
        ({}, None, "none of this version"),
        ({}, "SegmentedEngine", "no recipe for SegmentedEngine"),
        ({"token": "0x" + "8" * 40}, "DenseEngine", "not listed"),
        ({"holdout": 256}, "DenseEngine", "full audit"),
    ],
)
def test_bad_terms_are_named(changes: dict[str, Any], engine: str | None, words: str) -> None:
    windows = Windows(commit=600, reveal=600, claim=600, unseal=600, audit=600, nominate=600)
    found = terms(windows=windows, **changes)
    assert words in barrier(found, engine, **HERE)


def test_a_window_that_is_too_short_to_unseal_is_a_barrier() -> None:
    found = terms(windows=replace(terms().windows, unseal=119))
    assert "to unseal" in barrier(found, "DenseEngine", **HERE)


def test_an_optimistic_challenge_needs_no_time_for_an_audit() -> None:
    windows = replace(terms().windows, audit=audit_seconds(1) - 1)
    assert barrier(terms(windows=windows), "DenseEngine", **HERE)
    assert not barrier(terms(windows=windows, full_audit=False), "DenseEngine", **HERE)


def test_a_data_set_above_the_cap_is_a_barrier() -> None:
    found = terms()
    size = 40 * 16 * 32
    assert not barrier(found, "DenseEngine", **{**HERE, "most_bytes": size})
    told = barrier(found, "DenseEngine", **{**HERE, "most_bytes": size - 1})
    assert told == "its data set has 20,480 bytes, and 20,479 are the most; allow more with --most-bytes"
