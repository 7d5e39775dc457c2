"""The picture of accuracy against gas, drawn from `results/pareto.json`: `bench/front.svg`."""

import io
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

PICTURE = Path(__file__).parent / "front.svg"
BLUE, GREY = "#4c72b0", "#8c8c8c"
# text stays text, and names of clips do not change from run to run
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "assay", "font.family": "sans-serif"}


def frontier(rows: dict[str, Any]) -> list[str]:
    """The presets that no cheaper one equals in accuracy, from the cheapest on."""
    found: list[str] = []
    for name in sorted(rows, key=lambda name: (rows[name]["gas_per_sample"], -rows[name]["mean"])):
        if not found or rows[name]["mean"] > rows[found[-1]]["mean"]:
            found.append(name)
    return found


def svg(rows: dict[str, Any], rungs: tuple[tuple[int | None, float], ...]) -> str:
    """The picture: every preset with the spread of its seeds, the front, and what was asked below each price."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 5.5), layout="constrained")
        canvas = FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        for name, row in rows.items():
            place = row["gas_per_sample"], 100 * row["mean"]
            axes.errorbar(*place, yerr=100 * row["std"], fmt="o", color=BLUE, capsize=2, markersize=4)
            axes.annotate(name.removeprefix("fashion-"), place, (5, -9), textcoords="offset points", fontsize=7)
        line = [rows[name] for name in frontier(rows)]
        axes.step(
            [row["gas_per_sample"] for row in line], [100 * row["mean"] for row in line], where="post", color=BLUE
        )
        bounded = [(most, wanted) for most, wanted in rungs if most is not None]
        axes.scatter(
            [most for most, _ in bounded], [100 * wanted for _, wanted in bounded], marker="_", s=200, color=GREY
        )
        axes.set_xscale("log")
        axes.set_xlabel("execution gas of one sample")
        axes.set_ylabel("integer test accuracy, %")
        axes.set_title("Fashion-MNIST: mean of 3 seeds; grey: what was asked for at that price")
        axes.grid(alpha=0.3)
        file = io.StringIO()
        canvas.print_svg(file, metadata={"Date": None, "Creator": None})
    # matplotlib ends lines with spaces
    return "".join(f"{part.rstrip()}\n" for part in file.getvalue().splitlines())
