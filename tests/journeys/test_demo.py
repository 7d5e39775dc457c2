"""The demonstration: its story, its sums, and that it repeats itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from trainer import demo
from trainer.amounts import ether
from trainer.errors import DataError


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    out = tmp_path_factory.mktemp("demo")
    assert demo.run("digits", 0, True, out) == 0
    return json.loads((out / "summary.json").read_text()), out


def test_the_best_honest_trainer_wins_and_the_liar_is_caught_by_one_sample(played: Any) -> None:
    facts, _ = played
    by_name = {entry["name"]: entry for entry in facts["candidates"]}
    assert facts["outcome"] == "WON"
    assert facts["winner"] == max(("ada", "ben"), key=lambda name: by_name[name]["score"])
    assert by_name["mallory"]["claimed"] > max(by_name["ada"]["score"], by_name["ben"]["score"])
    assert by_name["gus"]["claimed"] is None
    steps = facts["steps"]
    first_audit = next(step for step in steps if step["name"] == "audit")
    assert first_audit["actor"] == "auditor"
    assert facts["full_audit"]["transactions"] == -(-len(facts["holdout_groups"]) // demo.GROUPS_AN_AUDIT)


def test_every_wei_is_accounted_for(played: Any) -> None:
    facts, _ = played
    changes = {name: int(wei) for name, wei in facts["money"].items()}
    winner = facts["winner"]
    other = "ben" if winner == "ada" else "ada"
    fee, eth = 10**16, 10**18
    assert changes == {
        "poster": -10 * eth,
        "auditor": eth // 2,
        winner: 10 * eth - fee,
        other: -fee,
        "mallory": -eth - fee,
        "gus": -fee,
    }
    books = {name: int(wei) for name, wei in facts["books"].items()}
    assert books["held"] == books["burned"] == eth // 2 + 4 * fee
    assert books["escrowed"] == books["credited"] == 0


def test_models_and_salts_are_kept_and_a_picture_is_drawn(played: Any) -> None:
    facts, out = played
    for entry in facts["candidates"]:
        assert (out / "seals" / entry["name"] / "model.bin").stat().st_size == entry["model_bytes"]
        assert len(json.loads((out / "seals" / entry["name"] / "seal.json").read_text())["salt"]) == 66
    assert (out / "demo.png").read_bytes().startswith(b"\x89PNG")


def test_every_transaction_fits_the_cap_and_pays_more_than_it_executes(played: Any) -> None:
    facts, _ = played
    for step in facts["steps"]:
        assert 21_000 <= step["transaction_gas"] < 2**24
        # refunds give back at most a fifth
        assert step["transaction_gas"] > step["execution_gas"] * 4 // 5


def test_a_second_run_finds_the_same(played: Any, tmp_path: Path) -> None:
    facts, _ = played
    assert demo.run("digits", 0, True, tmp_path) == 0
    again = json.loads((tmp_path / "summary.json").read_text())
    assert {**again, "picture": ""} == {**facts, "picture": ""}


def test_another_data_set_is_refused() -> None:
    with pytest.raises(DataError, match=r"the demonstration plays with .*, not with 'mnist'"):
        demo.run("mnist", 0, True, Path())


@pytest.mark.parametrize(
    ("wei", "text"), [(0, "0"), (1, "0.000000000000000001"), (-(10**18), "-1"), (15 * 10**17, "1.5")]
)
def test_ether_is_exact(wei: int, text: str) -> None:
    assert ether(wei) == text
