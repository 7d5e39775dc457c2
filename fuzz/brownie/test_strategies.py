"""Strategies by ABI type: what they yield is of the type and within its bounds, simplest first; nonsense is refused."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from fuzz.brownie import accounts, strategy, wei

SIMPLEST: dict[str, Any] = {
    "uint256": 0,
    "int8": 0,
    "bool": False,
    "address": accounts[0],
    "bytes": b"\0",
    "bytes4": bytes(4),
    "string": "",
    "decimal": Decimal(0),
    "uint8[3]": [0, 0, 0],
    "uint8[]": [0],
    "int128[2][]": [[0, 0]],
    "(uint256,address)": (0, accounts[0]),
    "(uint8,(bool,bytes2))[2]": [(0, (False, b"\0\0"))] * 2,
}


@pytest.mark.parametrize("kind", SIMPLEST)
def test_shrinks_to_the_simplest(kind: str) -> None:
    assert find(strategy(kind), lambda value: True) == SIMPLEST[kind]


@settings(max_examples=10)
@given(st.data(), st.integers(1, 32), st.booleans())
def test_integers_of_every_size_stay_inside(data: st.DataObject, size: int, signed: bool) -> None:
    bits = 8 * size
    value = data.draw(strategy(f"{'int' if signed else 'uint'}{bits}"))
    assert (-(2 ** (bits - 1)) if signed else 0) <= value < 2 ** (bits - signed)


@settings(max_examples=20)
@given(st.data())
def test_keywords_bound_what_is_drawn(data: st.DataObject) -> None:
    assert wei("1 ether") <= data.draw(strategy("uint256", min_value="1 ether", max_value="2 ether")) <= 2 * 10**18
    assert data.draw(strategy("address", length=2, exclude=accounts[0])) is accounts[1]
    assert data.draw(strategy("uint8", max_value=3, exclude=[0, 1, 2])) == 3
    assert data.draw(strategy("uint8", filter=lambda value: value % 2)) % 2
    assert len(data.draw(strategy("bytes", size=7))) == 7
    assert len(data.draw(strategy("string", min_size=2, max_size=3)).encode()) >= 2
    assert Decimal("0.5") <= data.draw(strategy("decimal", min_value="0.5", max_value=1, places=2)) <= 1
    rows = data.draw(strategy("uint8[][2][]", min_length=[0, 2], max_length=[1, 3], unique=True, max_value=9))
    assert 2 <= len(rows) <= 3
    assert all(len(row) == 2 and row[0] != row[1] and max(map(len, row)) <= 1 for row in rows)


@pytest.mark.parametrize(
    ("kind", "bounds", "says"),
    [
        ("uint7", {}, "no ABI type 'uint7'.*there are uint8"),
        ("unit256", {}, "no ABI type 'unit256'|no strategy for 'unit256'"),
        ("bytes33", {}, "no ABI type 'bytes33'"),
        ("function", {}, "no ABI type|no strategy"),
        ("uint8", {"max_value": 256}, "upper bound 256 is above 255.*lower it"),
        ("uint8", {"min_value": -1}, "lower bound -1 is below 0.*raise it"),
        ("int8", {"min_value": 5, "max_value": 4}, "lower bound 5 is above the upper bound 4; swap them"),
        ("uint256", {"max_value": "1 eth"}, "no such unit as 'eth'.*ether"),
        ("uint256", {"max_value": "much"}, "not an amount: 'much'"),
        ("uint256", {"max_value": 0.5}, "0.5 is no whole number of wei"),
        ("address", {"length": 11}, "length 11; there are 10 accounts"),
        ("decimal", {"places": 11}, "11 places; Vyper's has up to 10"),
        ("decimal", {"min_value": "0.1", "max_value": "0.2", "places": 0}, "no number of 0 places from 0.1 to 0.2"),
        ("bytes", {"min_size": 3, "max_size": 2}, "lower bound 3 is above the upper bound 2"),
        ("uint8[]", {"min_length": 3, "max_length": 2}, "lower bound 3 is above the upper bound 2"),
        ("uint8[][]", {"min_length": [1]}, "2 dynamic dimensions; give one number for each"),
    ],
)
def test_nonsense_is_refused(kind: str, bounds: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        strategy(kind, **bounds)


@pytest.mark.parametrize(
    ("kind", "bounds", "says"),
    [
        ("uint8", {"max": 3}, "strategy\\('uint8'\\) does not take max"),
        ("bytes4", {"max_size": 3}, "strategy\\('bytes4'\\) does not take max_size"),
        ("bytes", {"size": 3, "max_size": 4}, "size is both bounds"),
        ("(uint8,bool)", {"max_value": 3}, "a tuple has no max_value"),
    ],
)
def test_keywords_of_other_types_are_refused(kind: str, bounds: dict[str, Any], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        strategy(kind, **bounds)
