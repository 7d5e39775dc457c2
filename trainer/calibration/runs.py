"""Training runs of rising length, as many as a budget of seconds holds, each timed and judged."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from trainer import networks
from trainer.calibration.curves import LENGTHS
from trainer.calibration.data import Rows
from trainer.calibration.power import Watch
from trainer.calibration.schedule import AnyRecipe, lengths, phases
from trainer.training import Epoch, train

SEEDS = 4
"""Runs of one length at most."""
CLIMB = 0.6
"""Part of the seconds left that the first run of a length may take, once there are lengths enough for a curve: the rest
repeats lengths with other seeds."""
LEAST = 2
"""Runs that are made however small the budget: the second has no phase of a single epoch that compiles, too."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run.

    recipe:   what was trained.
    accuracy: of the integer network on the rows held back, in [0, 1].
    seconds:  wall time, from the rows to the network.
    first:    whether it was the first of its length, which JAX compiles for.
    epochs:   seconds of the epochs of each phase, in their order, without those in which something was compiled.
    """

    recipe: AnyRecipe
    accuracy: float
    seconds: float
    first: bool
    epochs: dict[str, list[float]]

    @property
    def total(self) -> int:
        """Total epochs."""
        return self.recipe.all_epochs


Told = Callable[[AnyRecipe, int, Epoch], None]
"""Called after every epoch with the recipe of the run and its seed."""


def measure(
    rows: Rows,
    recipe: AnyRecipe,
    seed: int,
    *,
    first: bool,
    watch: Watch | None = None,
    told: Told | None = None,
) -> Run:
    """Train one network, timed by epochs, and judge it.

    first: whether nothing of this length was trained in this process yet.
    watch: is told which epochs count for the power of training: those in which nothing was compiled.
    """
    start = last = time.perf_counter()
    spent: dict[str, list[float]] = {name: [] for name in phases(recipe)}
    judged = False
    if watch is not None:
        watch.mark(False)

    def progress(epoch: Epoch) -> None:
        nonlocal last, judged
        now = time.perf_counter()
        # a phase begins with compiling and with moving its data, and so does the first judgement on validation rows
        judges = epoch.accuracy is not None and not judged
        judged = judged or judges
        steady = epoch.number > 1 and not (first and judges)
        if steady:
            spent[epoch.phase].append(now - last)
        if watch is not None:
            watch.mark(steady)
        if told is not None:
            told(recipe, seed, epoch)
        last = time.perf_counter()

    result = train(rows.x, rows.y, recipe=recipe, seed=seed, classes=rows.classes, fine=rows.fine, progress=progress)
    seconds = time.perf_counter() - start
    right = networks.predict_jax(result.network, rows.judged_x) == rows.judged_y
    return Run(recipe=recipe, accuracy=float(right.mean()), seconds=seconds, first=first, epochs=spent)


@dataclass(kw_only=True)
class Pace:
    """What runs have taken so far, and hence what others will."""

    runs: list[Run] = field(default_factory=list)

    def epochs(self) -> dict[str, float]:
        """Mean seconds of an epoch of each phase that was timed."""
        spent: dict[str, list[float]] = {}
        for run in self.runs:
            for name, seconds in run.epochs.items():
                spent.setdefault(name, []).extend(seconds)
        return {name: statistics.fmean(seconds) for name, seconds in spent.items() if seconds}

    def rest(self, run: Run) -> float:
        """Seconds of a run beside epochs of phases that were timed: of the first of its length, mostly compilation."""
        epochs = self.epochs()
        return max(0.0, run.seconds - sum(epochs.get(name, 0.0) * n for name, n in phases(run.recipe).items()))

    def expected(self, recipe: AnyRecipe, *, first: bool) -> float:
        """Seconds that a run will take; of a repetition, while none was made, those of its epochs."""
        epochs = self.epochs()
        # a phase that was never timed has the pace of the slowest
        unknown = max(epochs.values(), default=0.0)
        rest = [self.rest(run) for run in self.runs if run.first == first] or [0.0]
        # the latest: the very first one prepared JAX, too
        return rest[-1] + sum(epochs.get(name, unknown) * count for name, count in phases(recipe).items())


def explore(
    rows: Rows,
    recipe: AnyRecipe,
    seconds: float,
    *,
    longest: float = 1.0,
    watch: Watch | None = None,
    told: Told | None = None,
    clock: Callable[[], float] = time.monotonic,
    run: Callable[..., Run] = measure,
) -> list[Run]:
    """Runs of a recipe within a budget: rising lengths, then the same lengths with other seeds, the longest first.

    seconds: the budget; `LEAST` runs are made in any case, and one that was begun is ended.
    longest: part of the recipe's own epochs that no run is longer than, in (0, 1].
    run:     `measure`, unless a test brings its own.
    """
    end = clock() + seconds
    pace = Pace()
    ladder = [cut for cut in lengths(recipe) if cut.all_epochs <= longest * recipe.all_epochs] or [lengths(recipe)[0]]
    made: dict[int, int] = {}

    def make(cut: AnyRecipe) -> None:
        seed = made.get(cut.all_epochs, 0)
        pace.runs.append(run(rows, cut, seed, first=seed == 0, watch=watch, told=told))
        made[cut.all_epochs] = seed + 1

    for number, cut in enumerate(ladder):
        # without so many lengths there is no curve at all, and nothing to repeat for
        share = CLIMB if number >= LENGTHS else 1.0
        if number >= LEAST and pace.expected(cut, first=True) > share * (end - clock()):
            break
        make(cut)
    climbed: Sequence[AnyRecipe] = ladder[: len(made)]
    while len(pace.runs) < LEAST:
        make(climbed[-1])
    for _ in range(SEEDS - 1):
        for cut in reversed(climbed):
            if made[cut.all_epochs] < SEEDS and pace.expected(cut, first=False) <= end - clock():
                make(cut)
    return pace.runs
