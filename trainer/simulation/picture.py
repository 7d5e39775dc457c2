"""A simulated year in four panels."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from trainer.picture import BLUE, GREEN, RED
from trainer.simulation.population import USD
from trainer.simulation.report import EXA, Run

DAY = 24


def draw(path: Path, run: Run) -> None:
    """Write a PNG to `path`: prices, hash rate, who trains, and what is paid above costs."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2)
    prices(axes[0, 0], run)
    hashes(axes[0, 1], run)
    sorting(axes[1, 0], run)
    costs(axes[1, 1], run)
    path.parent.mkdir(parents=True, exist_ok=True)
    # without a date or a version in it, the same run gives the same bytes
    figure.savefig(path, dpi=110, metadata={"Software": None})


def prices(axes: Axes, run: Run) -> None:
    """Prices paid, and the lowest opportunity cost, by day."""
    sealed, paid = run.state.outcomes.sealed[run.won], run.prices()[run.won]
    axes.scatter(sealed / DAY, paid, s=6, color=BLUE, label="paid")
    cheapest = run.hours.cheapest * EXA / 1000 / USD
    axes.plot(np.arange(len(cheapest)) / DAY, cheapest, color=RED, linewidth=1, label="cheapest opportunity cost")
    if len(paid):
        axes.set_yscale("log")
    axes.set_xlabel("day")
    axes.set_ylabel("USD for 1e18 FLOPs")
    axes.set_title("The price of training")
    axes.legend(loc="upper right", fontsize=8)


def hashes(axes: Axes, run: Run) -> None:
    """Hash rate and difficulty, over all that there is, and what the coin pays."""
    whole, days = run.world.rigs.hash.sum(), np.arange(len(run.hours.hash)) / DAY
    axes.plot(days, run.hours.hash / whole, color=GREEN, linewidth=0.6, label="hash rate, of all")
    axes.plot(days, run.hours.difficulty / whole, color="black", linewidth=1, label="difficulty")
    axes.plot(days, run.world.subsidy / run.world.subsidy[0], color=BLUE, linewidth=0.8, label="the coin's price")
    axes.set_xlabel("day")
    axes.set_title("Who mines")
    axes.legend(loc="upper right", fontsize=8)


def sorting(axes: Axes, run: Run) -> None:
    """Who trains: rigs that are relatively better at it."""
    watches = run.world.rigs.watches > 0
    axes.scatter(run.advantage()[watches], 100 * run.training_share()[watches], s=8, color=BLUE)
    axes.set_xscale("log")
    axes.set_xlabel("speed in training over speed in mining, of the median rig's")
    axes.set_ylabel("% of hours trained")
    axes.set_title("Comparative advantage")


def costs(axes: Axes, run: Run) -> None:
    """What was paid against what the cheapest rig would have needed."""
    least, paid = run.least()[run.won], run.prices()[run.won]
    if len(paid):
        line = [float(np.nanmin(least)), float(np.nanmax(least))]
        axes.plot(line, line, color="black", linestyle=":", label="equal")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.legend(loc="upper left", fontsize=8)
    axes.scatter(least, paid, s=6, color=GREEN)
    axes.set_xlabel("lowest cost of a model at the opening, USD for 1e18 FLOPs")
    axes.set_ylabel("paid")
    axes.set_title("What competition leaves")
