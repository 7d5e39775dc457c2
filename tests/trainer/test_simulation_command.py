"""`trainer simulate`, its settings, and what it prints."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from trainer.cli import app
from trainer.errors import DataError
from trainer.simulation import report
from trainer.simulation.settings import Settings, read

SMALL = ("--miners", "12", "--challenges", "25", "--hours", "400", "--window", "60", "--seed", "3")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["simulate", *arguments])


@pytest.fixture(scope="module")
def printed() -> dict[str, Any]:
    found = call(*SMALL, "--json")
    assert found.exit_code == 0, found.stderr
    assert found.stderr == ""
    return json.loads(found.stdout)


def test_the_object_says_what_was_simulated(printed: dict[str, Any]) -> None:
    assert Settings(**printed["settings"]) == Settings(miners=12, challenges=25, hours=400, window=60, seed=3)
    assert printed["version"] == 1
    assert printed["balance"] == 0
    assert sum(printed["hours"].values()) == pytest.approx(1)
    asked, ledger, trainers = printed["challenges"], printed["ledger"], printed["trainers"]
    assert 0 < asked["won"] <= asked["number"] == 25
    assert trainers["paid"] == ledger["posters"] > 0
    assert trainers["of_that_for_nothing"] <= trainers["opportunity_cost"]
    assert printed["price"]["quarter"] <= printed["price"]["median"] <= printed["price"]["three_quarters"]
    assert printed["least_expected_of_any_hour_of_training"] >= 0
    assert [month["from"] for month in printed["months"]] == [0]


def test_what_is_printed_is_read_back(printed: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "year.json"
    path.write_text(json.dumps(printed))
    assert report.read(path) == printed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "version 2 is not 1"),
        ({"version": None}, "version None is not 1"),
        ({"more": 1}, "more is unknown"),
        ({"digest": ...}, "digest is missing"),
        ({"balance": 1}, "balance is 1, not 0"),
        ({"settings": []}, "settings are no object"),
        ({"settings": {"rule": "last"}}, "rule: 'last' is none"),
        ({"settings": {"weather": 1}}, "settings: .*weather"),
    ],
)
def test_what_was_not_printed_is_refused(
    printed: dict[str, Any], tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path = tmp_path / "year.json"
    path.write_text(json.dumps({name: value for name, value in (printed | change).items() if value is not ...}))
    with pytest.raises(DataError, match=said):
        report.read(path)


def test_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "year.json"
    for content in (b"{", b"[]", b"\xff"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"^{path}: "):
            report.read(path)
    with pytest.raises(DataError, match="no JSON"):
        report.read(tmp_path / "nothing.json")


def test_a_picture_is_drawn_and_a_table_printed(tmp_path: Path) -> None:
    path = tmp_path / "year.png"
    found = call(*SMALL, "--picture", str(path))
    assert found.exit_code == 0, found.stderr
    assert path.read_bytes().startswith(b"\x89PNG")
    assert "USD paid for 1e18 FLOPs" in found.stdout
    assert "of 25 won" in found.stdout
    assert f"picture: {path}" in found.stdout


def test_a_picture_of_nothing_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "year.png"
    found = call(*SMALL, "--challenges", "0", "--picture", str(path))
    assert found.exit_code == 0, found.stderr
    assert path.exists()
    assert "0 of 0 won" in found.stdout


def test_settings_come_from_a_file_and_options_go_before_it(tmp_path: Path) -> None:
    path = tmp_path / "sim.toml"
    path.write_text("miners = 7\nopening = 1\nrule = 'both'\n")
    assert read(path) == Settings(miners=7, opening=1, rule="both")
    assert read(path, miners=9).miners == 9
    found = call("--config", str(path), "--miners", "9", "--settings")
    assert found.exit_code == 0, found.stderr
    # what is printed is such a file
    again = tmp_path / "again.toml"
    again.write_text(found.stdout)
    assert read(again) == Settings(miners=9, opening=1, rule="both")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("miner = 7", "sim.toml: no setting is named 'miner'; there are miners, challenges"),
        ("miners = 0", "miners: 0 is out of range; use 1 to 1e+06"),
        ("miners = 1.5", "miners: 1.5 is no whole number; use such as 1000"),
        ("miners = true", "miners: True is no whole number"),
        ("reach = nan", "reach: nan is out of range; use 0 to 1"),
        ("bond = inf", "bond: inf is out of range"),
        ("fee = 'x'", "fee: 'x' is no number; use such as 0.005"),
        ("rule = 1", "rule: 1 is none; use one of first, best, both"),
        ("window = 500\nhours = 100", "window: 500 hours do not fit 100 hours; use at most 98"),
        ("=", "sim.toml: cannot be read as TOML"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "sim.toml"
    path.write_text(text)
    found = call("--config", str(path), "--json")
    assert found.exit_code == 1
    assert found.stdout == ""
    assert found.stderr.startswith("error: ")
    assert said in found.stderr
    assert found.stderr.count("\n") == 1


def test_a_picture_that_cannot_be_drawn_is_refused_before_the_work(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "no" / "year.png", "no such directory"), (tmp_path / "year.txt", "is no PNG file")):
        found = call("--picture", str(path))
        assert found.exit_code == 1
        assert said in found.stderr
    missing = call("--config", str(tmp_path / "none.toml"))
    assert "cannot be read as TOML (No such file or directory)" in missing.stderr


def test_every_setting_is_explained_and_bounded() -> None:
    explained = Settings.__doc__ or ""
    for field in fields(Settings):
        assert field.name in explained, field.name
        if field.name != "rule":
            with pytest.raises(DataError, match=f"^{field.name}: "):
                Settings(**asdict(Settings()) | {field.name: -1})


def test_ranks_share_the_places_of_equals() -> None:
    assert report.ranks([10, 30, 20, 30]).tolist() == [1, 3.5, 2, 3.5]
    assert report.rank_correlation([1, 2, 3], [5, 6, 9]) == pytest.approx(1)
    assert report.rank_correlation([1, 2, 3], [9, 6, 5]) == pytest.approx(-1)
    assert report.rank_correlation([1, 2, 3], [4, 4, 4]) == 0
    # 1 - 6 * (4 + 0 + 4 + 0) / (4 * 15)
    assert report.rank_correlation(np.array([1, 2, 3, 4]), np.array([3, 2, 1, 4]) ** 3) == pytest.approx(0.2)
