"""What the market's own calls cost: no more than recorded, and no more in a crowd."""

import json

import pytest

from bench.market import GOLDEN, measure


@pytest.fixture(scope="module")
def measured() -> dict[str, int]:
    return measure()


@pytest.mark.parametrize("call", json.loads(GOLDEN.read_text()))
def test_no_call_costs_one_percent_more_than_recorded(measured: dict[str, int], call: str) -> None:
    recorded = json.loads(GOLDEN.read_text())[call]
    assert measured[call] <= recorded * 1.01, f"{call}: {measured[call]} gas, recorded {recorded}"


def test_every_call_is_recorded(measured: dict[str, int]) -> None:
    assert set(measured) == set(json.loads(GOLDEN.read_text())), "record anew: python -m bench.market"


def test_no_call_costs_more_in_a_crowd(measured: dict[str, int]) -> None:
    crowd = measure(trainers=40)
    for call, gas in measured.items():
        # calldata differs in zero bytes, proofs in hashes
        assert abs(crowd[call] - gas) <= 0.02 * gas, f"{call}: {gas} gas among 4, {crowd[call]} among 40"
