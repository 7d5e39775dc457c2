"""What the market's own calls cost: no more than recorded, and no more in a crowd."""

import json
from typing import Any

import pytest

from bench.market import CROWDS, GOLDEN, crowded

RECORDED = json.loads(GOLDEN.read_text())


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, Any]]:
    return crowded()


@pytest.mark.parametrize("call", RECORDED)
@pytest.mark.parametrize("kind", ["execution_gas", "transaction_gas"])
def test_no_call_costs_one_percent_more_than_recorded(
    measured: dict[str, dict[str, Any]], call: str, kind: str
) -> None:
    gas, recorded = measured[call][kind], RECORDED[call][kind]
    assert gas <= recorded * 1.01, f"{call}: {gas} gas, recorded {recorded}"


def test_every_call_is_recorded(measured: dict[str, dict[str, Any]]) -> None:
    assert set(measured) == set(RECORDED), "record anew: python -m bench.market"


@pytest.mark.parametrize("call", RECORDED)
def test_no_call_costs_more_in_a_crowd(measured: dict[str, dict[str, Any]], call: str) -> None:
    among = measured[call]["execution_gas_among"]
    # two trainers leave no bond to release
    assert set(among) == {str(n) for n in CROWDS if n > 2 or call != "release"}
    assert max(among.values()) - min(among.values()) < 0.01 * min(among.values()), among
