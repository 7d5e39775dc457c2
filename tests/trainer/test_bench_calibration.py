"""`bench.calibration`: what it counts of predictions, on runs that were invented."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import calibration
from trainer.calibration.runs import Run
from trainer.calibration.schedule import lengths
from trainer.presets import PRESETS

RECIPE = PRESETS["fashion-196-16"].recipe


def run(part: int, seed: int, accuracy: float, *, first: bool = False) -> Run:
    cut = lengths(RECIPE)[part]
    epochs = {"float": [1.0] * (cut.epochs - 1), "quantised": [2.0] * (cut.quantised_epochs - 1)}
    seconds = cut.epochs + 2.0 * cut.quantised_epochs + (30.0 if first else 0.0)
    return Run(recipe=cut, accuracy=accuracy + 0.0005 * seed, seconds=seconds, first=first, epochs=epochs)


@pytest.fixture
def case() -> Any:
    short = [
        run(part, seed, at, first=seed == 0) for part, at in enumerate((0.82, 0.83, 0.845, 0.855)) for seed in (0, 1)
    ]
    long = [run(5, 0, 0.862, first=True), run(5, 1, 0.70)]
    rows: Any = SimpleNamespace(y=range(40_000), judged_y=range(9000))
    return calibration.Case(
        preset="fashion-196-16", number=3, rows=rows, fresh=9000, short=tuple(short), long=tuple(long)
    )


def test_long_runs_are_placed_among_predictions_of_short_ones(case: Any) -> None:
    good, bad = calibration.judge(case, 0.25)
    assert 0.1 < good["place"] < 0.9
    assert bad["place"] == 0
    assert good["predicted"] == sorted(good["predicted"])
    assert (good["from_epochs"], good["to_epochs"], good["runs"], good["draw"]) == (30, 120, 8, 3)
    # an eighth of the epochs leaves out the longest of the short runs, and with less too few are left
    less, _ = calibration.judge(case, 0.125)
    assert (less["from_epochs"], less["runs"]) == (14, 6)
    assert less["predicted"][-1] - less["predicted"][0] > good["predicted"][-1] - good["predicted"][0]
    assert calibration.judge(case, 0.06) == []


def test_few_rows_to_judge_by_leave_more_to_chance(case: Any) -> None:
    widths = []
    for fresh in (100, 10**7):
        quantiles = calibration.judge(replace(case, fresh=fresh), 0.25)[0]["predicted"]
        widths.append(quantiles[-1] - quantiles[0])
    # 1.28 deviations of a share of 0.86 in 100, on either side
    assert widths[0] > 2 * 1.28 * 0.0347 * 0.95 > 1.5 * widths[1]


def test_only_what_compiled_is_timed_beside_what_did(case: Any) -> None:
    (found,) = calibration.times(case)
    assert found == {"preset": "fashion-196-16", "epochs": 120, "predicted": 250.0, "seconds": 250.0}
    warm = replace(case, short=tuple(replace(one, first=False) for one in case.short))
    assert calibration.times(warm) == []


def test_coverage_counts_places() -> None:
    predictions = [
        {"place": place, "accuracy": 0.85, "predicted": [0.8, 0.82, 0.84, 0.86, 0.9]}
        for place in (0.05, 0.2, 0.5, 0.6, 0.95)
    ]
    assert calibration.coverage(predictions) == {
        "predictions": 5,
        "within_10_90": 0.6,
        "within_25_75": 0.4,
        "below_10": 0.2,
        "above_90": 0.2,
        "median_error": 0.01,
        "median_width_10_90": 0.1,
    }


def test_presets_that_were_not_measured_again_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Any) -> None:
    monkeypatch.setattr(calibration, "RESULTS", tmp_path / "calibration.json")
    predictions = [{"part": 0.25, **one} for one in calibration.judge(case, 0.25)]
    first = {"preset": "fashion-196-16", "predictions": predictions}
    calibration.RESULTS.write_text(json.dumps(calibration.recorded([first])))
    second = {"preset": "digits-64-32", "predictions": [one | {"preset": "digits-64-32"} for one in predictions]}
    found = calibration.recorded([second])
    assert [row["preset"] for row in found["rows"]] == ["digits-64-32", "fashion-196-16"]
    assert found["coverage"]["all"]["predictions"] == 4
    assert found["coverage"]["digits-64-32"]["within_10_90"] == 0.5
    assert "up to 0.125 of the epochs" not in found["coverage"]


def test_what_is_recorded_is_the_coverage_of_its_predictions() -> None:
    found = json.loads(calibration.RESULTS.read_text())
    assert found["coverage"] == calibration.report(found["rows"])["coverage"]
    assert [row["preset"] for row in found["rows"]] == list(calibration.CASES)
    for row in found["rows"]:
        assert {one["draw"] for one in row["predictions"]} == set(range(1, calibration.CASES[row["preset"]] + 1))
