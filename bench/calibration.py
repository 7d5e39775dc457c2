"""Is calibration honest? Predictions from short runs beside long runs that were really made.

    python -m bench.calibration                   # every preset below: prints, and writes results/calibration.json
    python -m bench.calibration digits-64-32      # the same for these presets only; the others stay as they were
    python -m bench.calibration --short           # digits alone, half a minute: prints and writes nothing

Each case draws rows anew: some to train on, some that short runs are judged by, and some that nothing but the long runs
is judged by. From two short runs of every length up to a part of the preset's epochs the accuracy of longer runs is
predicted; then runs of other seeds are made in these lengths. Of honest intervals from the 10 % to the 90 % quantile
80 % hold what came. A prediction is of the accuracy on all rows there could be; the interval here has the chance of the
rows that happened to be left for judging added to it. Times are those of this machine and of whatever else it did.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trainer.calibration import curves, estimate
from trainer.calibration.data import JUDGED, Rows, load, prepare
from trainer.calibration.machine import processor
from trainer.calibration.runs import Run, measure
from trainer.calibration.schedule import lengths
from trainer.presets import PRESETS

RESULTS = Path(__file__).parent / "results" / "calibration.json"
CASES = {"digits-64-32": 8, "fashion-196-16": 4, "fashion-196-64": 2, "fashion-784-128-binary": 2}
"""How often rows are drawn, by preset. The first draw, of seed 0, is left out: `curves.DRIFT` was chosen by it."""
PARTS = (0.125, 0.25)
"""Short runs are those up to such a part of the preset's own epochs."""
SHORT_SEEDS, LONG_SEEDS = (0, 1), (100, 101)
LONG_LENGTHS = 2
"""The preset's own epochs, and half of them."""
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One draw of the rows of a preset.

    short: by seed, runs of every length that predictions are made from, judged on rows of their own.
    long:  runs of other seeds, judged on `fresh` rows that nothing else saw.
    """

    preset: str
    number: int
    rows: Rows
    fresh: int
    short: tuple[Run, ...]
    long: tuple[Run, ...]


def make(preset: str, number: int, *, warm: bool) -> Case:
    """Draw rows and make all runs; warm: whether JAX has compiled for this preset's lengths before."""
    dataset, invented = load(PRESETS[preset])
    if invented:
        sys.exit(f"{dataset.name} is not there; `make data` fetches Fashion-MNIST")
    rows = prepare(PRESETS[preset], dataset, seed=number)
    recipe = PRESETS[preset].recipe
    # shuffled already: any rows will do
    fresh = int(len(rows.y) * JUDGED / (1 - JUDGED))
    seen = replace(rows, x=rows.x[fresh:], y=rows.y[fresh:], fine=None if rows.fine is None else rows.fine[fresh:])
    apart = replace(seen, judged_x=rows.x[:fresh], judged_y=rows.y[:fresh])
    cuts = lengths(recipe)
    brief = [cut for cut in cuts if cut.all_epochs <= max(PARTS) * recipe.all_epochs * 1.01]

    def first(seed: int, seeds: Sequence[int]) -> bool:
        return not warm and seed == seeds[0]

    return Case(
        preset=preset,
        number=number,
        rows=seen,
        fresh=fresh,
        short=tuple(measure(seen, cut, s, first=first(s, SHORT_SEEDS)) for cut in brief for s in SHORT_SEEDS),
        long=tuple(
            measure(apart, cut, s, first=first(s, LONG_SEEDS)) for cut in cuts[-LONG_LENGTHS:] for s in LONG_SEEDS
        ),
    )


def judge(case: Case, part: float) -> list[dict[str, Any]]:
    """Each long run beside what short runs up to a part of the epochs predict; empty where these are too few."""
    recipe = PRESETS[case.preset].recipe
    # the shortest lengths are rounded up, so a little more than the part
    runs = [run for run in case.short if run.total <= part * recipe.all_epochs * 1.01]
    if len({run.total for run in runs}) < curves.LENGTHS:
        return []
    known = estimate.fit(runs, len(case.rows.judged_y))
    rng = np.random.default_rng(case.number)
    found = []
    for run in case.long:
        predicted = known.predict([run.total])[:, 0]
        measured = predicted + np.sqrt(predicted * (1 - predicted) / case.fresh) * rng.standard_normal(len(predicted))
        quantiles = np.quantile(measured, QUANTILES)
        found.append(
            {
                "preset": case.preset,
                "draw": case.number,
                "from_epochs": max(known.longest, 1),
                "runs": len(runs),
                "to_epochs": run.total,
                "predicted": [round(float(quantile), 4) for quantile in quantiles],
                "family": known.best.family.name,
                "accuracy": round(run.accuracy, 4),
                "place": round(float((measured < run.accuracy).mean()), 4),
            }
        )
    return found


def times(case: Case) -> list[dict[str, Any]]:
    """Seconds of each long run beside those that the short ones predict; the first of a length compiles in both."""
    if not any(run.first for run in case.short):
        return []
    pace = estimate.speed(case.short, PRESETS[case.preset].recipe, len(case.rows.y))
    return [
        {
            "preset": case.preset,
            "epochs": run.total,
            "predicted": round(pace.seconds(run.recipe), 2),
            "seconds": round(run.seconds, 2),
        }
        for run in case.long
        if run.first
    ]


def coverage(predictions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How many of the long runs lie where they should."""
    places = [one["place"] for one in predictions]
    return {
        "predictions": len(places),
        "within_10_90": round(statistics.fmean(0.1 <= place <= 0.9 for place in places), 3),
        "within_25_75": round(statistics.fmean(0.25 <= place <= 0.75 for place in places), 3),
        "below_10": round(statistics.fmean(place < 0.1 for place in places), 3),
        "above_90": round(statistics.fmean(place > 0.9 for place in places), 3),
        "median_error": round(statistics.median(one["accuracy"] - one["predicted"][2] for one in predictions), 4),
        "median_width_10_90": round(
            statistics.median(one["predicted"][-1] - one["predicted"][0] for one in predictions), 4
        ),
    }


def measured(cases: dict[str, int]) -> list[dict[str, Any]]:
    """By preset, what was predicted and what came."""
    rows = []
    for preset, count in cases.items():
        start, predictions, seconds, short = time.perf_counter(), [], [], []
        for number in range(1, count + 1):
            case = make(preset, number, warm=number > 1)
            for part in PARTS:
                predictions += [{"part": part, **one} for one in judge(case, part)]
            seconds += times(case)
            short.append([[run.total, round(run.accuracy, 4)] for run in case.short])
            print(f"{preset}, draw {number}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        rows.append(
            {
                "preset": preset,
                "device": processor(),
                "seconds": round(time.perf_counter() - start),
                "times": seconds,
                "short_runs": short,
                "predictions": predictions,
            }
        )
    return rows


def recorded(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is written: these rows, and of other presets those that were there, in the order of `CASES`."""
    before = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    known = {row["preset"]: row for row in [*before, *rows]}
    return report([known[name] for name in CASES if name in known])


def report(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Those rows under their coverage: of all, by how much was known, and by preset."""
    predictions = [one for row in rows for one in row["predictions"]]
    groups = {"all": predictions}
    groups |= {f"up to {part:g} of the epochs": [p for p in predictions if p["part"] == part] for part in PARTS}
    groups |= {row["preset"]: row["predictions"] for row in rows}
    return {"coverage": {name: coverage(group) for name, group in groups.items() if group}, "rows": list(rows)}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", metavar="PRESET", help=f"by default {', '.join(CASES)}")
    parser.add_argument("--short", action="store_true", help="digits alone; writes nothing")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.presets) - set(CASES))
    if unknown:
        sys.exit(f"no case of {', '.join(unknown)}; use {', '.join(CASES)}")
    if arguments.short:
        print(json.dumps(report(measured({"digits-64-32": 2}))["coverage"], indent=1))
        return
    found = recorded(measured({name: CASES[name] for name in arguments.presets or CASES}))
    print(json.dumps(found["coverage"], indent=1))
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
