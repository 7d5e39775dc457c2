"""From runs to what `profile.json` says of a preset: its speed, its learning curve, and when it reaches an accuracy.

A target is reached by the shortest run that comes to it, among all lengths that `trainer.calibration.schedule` gives,
up to the preset's own. Each of the curves that the runs leave possible, with the scatter of one run, the rows that
happened to be judged on and the spread of the machine's speed, gives one time, or none.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.calibration import curves, flops
from trainer.calibration.data import Rows
from trainer.calibration.profile import Curve, PresetProfile, Target
from trainer.calibration.runs import Pace, Run
from trainer.calibration.schedule import AnyRecipe, every_length, phases
from trainer.errors import DataError

QUANTILES = (0.1, 0.5, 0.9)
CENT = 0.01
MOST_TARGETS = 8
"""Whole per cents that are targets where none are named."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast a preset trains.

    samples_per_second: rows a second, over all epochs in the preset's proportion of phases.
    deviation:          standard deviation between runs, in samples a second.
    epochs:             seconds of an epoch, by phase.
    rest:               seconds of a run beside its epochs: compilation, mostly.
    """

    samples_per_second: float
    deviation: float
    epochs: dict[str, float]
    rest: float

    def seconds(self, recipe: AnyRecipe) -> float:
        """Expected wall time of a run in a process of its own, data and imports not counted."""
        return self.rest + sum(self.epochs[name] * count for name, count in phases(recipe).items())


def speed(runs: Sequence[Run], recipe: AnyRecipe, rows: int) -> Speed:
    """The speed of a preset.

    recipe: the preset's own.
    rows:   that runs were trained on, from which the recipe still holds some back.
    """
    known = Pace(runs=list(runs))
    epochs = known.epochs()
    untimed = [name for name in phases(recipe) if name not in epochs]
    # of a phase of one epoch in every run what it took with compilation is all that is known
    left = known.rest(runs[-1]) / max(1, sum(phases(runs[-1].recipe)[name] for name in untimed))
    epochs |= dict.fromkeys(untimed, left)
    kept = rows - int(rows * recipe.validation)
    batch = min(recipe.batch, kept)
    seen = kept // batch * batch
    own = phases(recipe)
    pace = sum(own.values()) * seen / sum(epochs[name] * count for name, count in own.items())
    # of each run, how much faster it was than all of them in the phases that it was timed in, and how long that was
    factors, weights = [], []
    for run in runs:
        spent = {name: seconds for name, seconds in run.epochs.items() if seconds}
        if spent:
            weights.append(sum(map(sum, spent.values())))
            factors.append(sum(epochs[name] * len(seconds) for name, seconds in spent.items()) / weights[-1])
    deviation = pace * _deviation(factors, weights)
    rests = [known.rest(run) for run in runs if run.first]
    return Speed(samples_per_second=pace, deviation=deviation, epochs=epochs, rest=statistics.median(rests))


def _deviation(values: Sequence[float], weights: Sequence[float]) -> float:
    """Standard deviation of weighed values; 0 of fewer than two."""
    if len(values) < 2:
        return 0.0
    mean = np.average(values, weights=weights)
    variance = np.average((np.asarray(values) - mean) ** 2, weights=weights)
    return math.sqrt(float(variance) * len(values) / (len(values) - 1))


def fit(runs: Sequence[Run], rows: int) -> curves.Fit:
    """The learning curve of runs that were judged on so many rows; raises `DataError` for too few runs."""
    return curves.fit([run.total for run in runs], [run.accuracy for run in runs], rows=rows)


def reach(
    known: curves.Fit, pace: Speed, recipe: AnyRecipe, accuracies: Sequence[float], *, seed: int = 0
) -> tuple[Target, ...]:
    """When runs of a recipe reach accuracies, by rising accuracy; the seed is that of the machine's spread."""
    ways = every_length(recipe)
    expected = np.array([pace.seconds(way) for way in ways])
    predicted = known.predict([way.all_epochs for way in ways])
    spread = pace.deviation / pace.samples_per_second
    slower = np.exp(spread * np.random.default_rng(seed).standard_normal(len(predicted)))
    found = []
    for accuracy in sorted(set(accuracies)):
        there = predicted >= accuracy
        reached = there.any(axis=1)
        chance = float(reached.mean())
        times = expected[there.argmax(axis=1)] * slower
        found.append(_target(accuracy, chance, times[reached]))
    return tuple(found)


def _target(accuracy: float, chance: float, times: npt.NDArray[np.float64]) -> Target:
    low, middle, high = np.quantile(times, QUANTILES).tolist() if len(times) else (None, None, None)
    return Target(accuracy=accuracy, seconds=middle, low=low, high=high, chance=chance)


def choose(known: curves.Fit, recipe: AnyRecipe) -> list[float]:
    """Targets where none are named: whole per cents from the shortest run to what the preset's own run may reach."""
    at = np.quantile(known.predict([known.shortest, recipe.all_epochs]), (0.5, 0.95), axis=0)
    first, last = math.ceil(at[0, 0] / CENT), max(math.floor(at[1, 1] / CENT), math.ceil(at[0, 0] / CENT))
    return [round(number * CENT, 2) for number in range(first, min(last, 99) + 1)][-MOST_TARGETS:]


def summarise(
    runs: Sequence[Run], recipe: AnyRecipe, rows: Rows, accuracies: Sequence[float] | None
) -> tuple[PresetProfile, str | None]:
    """What the profile says of a preset, and a note on what could not be known.

    accuracies: targets; by default `choose`'s.
    """
    pace = speed(runs, recipe, len(rows.y))
    targets: tuple[Target, ...]
    curve = note = None
    try:
        if rows.invented:
            raise DataError("its data set is not there, and on invented rows accuracies mean nothing")
        known = fit(runs, len(rows.judged_y))
    except DataError as error:
        note = str(error)
        targets = tuple(
            Target(accuracy=accuracy, seconds=None, low=None, high=None, chance=None)
            for accuracy in sorted(set(accuracies or ()))
        )
    else:
        targets = reach(known, pace, recipe, choose(known, recipe) if accuracies is None else accuracies)
        low, middle, high = np.quantile(known.asymptotes, QUANTILES).tolist()
        curve = Curve(family=known.best.family.name, parameters=known.parameters, asymptote=(low, middle, high))
    profile = PresetProfile(
        samples_per_second=pace.samples_per_second,
        samples_per_second_sd=pace.deviation,
        flops_per_sample=flops.per_sample(recipe, inputs=rows.x.shape[1], classes=rows.classes),
        runs=len(runs),
        targets=targets,
        curve=curve,
    )
    return profile, note
