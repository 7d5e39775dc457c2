"""What the tables of the README rest on: complete rows, recorded figures within the limits, floors that are right."""

from typing import Any

import numpy as np
import pytest

from bench.floor import floor
from bench.sparse import words
from bench.tables import HERE, load, pareto_table

NEEDED = {
    *("net", "bits", "macs", "gas_per_sample", "gas_per_mac", "all_in_gas_per_sample", "samples_per_tx", "accuracy"),
    "ether_per_1024_samples",
}


@pytest.mark.parametrize(
    "row", load(HERE / "results" / "gas.json")["rows"], ids=lambda row: f"{row['net']} {row['bits']}"
)
def test_every_row_has_what_readers_look_for_and_is_above_its_floor(row: dict[str, Any]) -> None:
    assert set(row) >= NEEDED
    assert row["gas_per_mac"] > floor(row)


@pytest.mark.parametrize(
    ("row", "gas"),
    [
        ({"net": "784-32-10", "bits": "4/4/4"}, 20 / 16),
        ({"net": "784-256-10", "bits": "1/1/1"}, 27 / 128),
        ({"net": "784-256-10", "bits": "1/1/1", "floor_gas_per_mac": 0.5}, 0.5),
    ],
)
def test_floors(row: dict[str, Any], gas: float) -> None:
    assert floor(row) == pytest.approx(gas)


def test_eight_bits_have_ten_or_eleven_lanes() -> None:
    assert 20 / 11 < floor({"net": "784-128-10", "bits": "8/8/8"}) < 20 / 9


def test_the_recorded_evaluation_keeps_what_was_promised() -> None:
    report = load(HERE / "results" / "evaluation.json")
    assert (report["net"], report["bits"], report["holdout_samples"]) == ("784-32-10", "4/4/4", 1024)
    assert len(report["audits"]) <= 4
    for step in [*report["audits"], report["audit_of_one_group"], report["audit_that_finds_the_last_lie"]]:
        assert step["floor_gas"] <= step["transaction_gas"] <= 2**24
        assert step["calldata_bytes"] < step["signed_bytes"] <= 128 * 1024
    assert sum(line["sum_transaction_gas"] for line in report["life"]) == report["life_transaction_gas"]


def test_the_words_counted_for_zeros_are_those_of_the_wire_format() -> None:
    filled = words(np.eye(784, dtype=np.uint8))
    # four words a chunk of 64 inputs, the last input in the first; then a tail of one word
    terms = [i // 64 * 4 + 3 - i % 4 for i in range(768)] + [48] * 16
    assert (filled == (np.arange(49) == np.array(terms)[:, None])).all()


def test_every_row_of_the_front_has_as_many_columns_as_the_head() -> None:
    head, _, *rows = pareto_table().strip().splitlines()
    assert len(rows) == len(load(HERE / "results" / "pareto.json")["presets"])
    assert {row.count("|") for row in rows} == {head.count("|")}
