"""Prices as a picture: one row for each kind of price, over time, with quartiles."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from trainer.picture import PHASES
from trainer.protocol import ETHER

TITLES = {
    "exaflop": "Price of an exaFLOP, as winners declare",
    "device-hour": "Price of an hour of one device, as winners declare",
    "accuracy": "Reward paid, by accuracy reached",
}
HEIGHT = 3.2
"""Inches of a row."""


def draw(path: Path, report: dict[str, Any]) -> None:
    """Write a PNG of what `trainer.prices.report.entries` made."""
    rows = [
        (token, measure, series)
        for token in report["tokens"]
        for measure in TITLES
        if (series := [one for one in token["series"] if one["measure"] == measure])
    ]
    figure = Figure(figsize=(11, HEIGHT * max(1, len(rows))), layout="constrained")
    FigureCanvasAgg(figure)
    if not rows:
        figure.text(0.5, 0.5, "Nobody has won a reward that counts yet.", ha="center", va="center")
    for number, (token, measure, series) in enumerate(rows):
        axes = figure.add_subplot(len(rows), 1, number + 1)
        unit = "ether" if token["token"] == ETHER else f"{token['token'][:8]}…"
        _row(axes, series)
        axes.set_title(TITLES[measure])
        axes.set_ylabel(unit)
    if rows:
        figure.supxlabel("medians; bars: quartiles; shaded: where the median lies nine times of ten", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    # without a date or a version in it, the same prices give the same bytes
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _row(axes: Axes, series: Sequence[dict[str, Any]]) -> None:
    for number, one in enumerate(series):
        points, colour = one["points"], PHASES[number % len(PHASES)]
        times = [datetime.fromtimestamp((point["from"] + point["to"]) / 2, UTC) for point in points]
        prices = [point["price"] for point in points]
        spread = [
            [max(0.0, point["price"] - point["low"]) for point in points],
            [max(0.0, point["high"] - point["price"]) for point in points],
        ]
        band = one["band"]
        label = None if band is None else f"{100 * band[0]:.0f} to {100 * band[1]:.0f} %"
        axes.plot(times, prices, marker="o", markersize=4, color=colour, label=label)  # type: ignore[arg-type]
        axes.errorbar(times, prices, yerr=spread, fmt="none", ecolor=colour, capsize=3, alpha=0.6)  # type: ignore[arg-type]
        sure = [(time, point["interval"]) for time, point in zip(times, points, strict=True) if point["interval"]]
        if sure:
            axes.fill_between(
                [time for time, _ in sure],  # type: ignore[arg-type]
                [low for _, (low, _) in sure],
                [high for _, (_, high) in sure],
                color=colour,
                alpha=0.15,
                linewidth=0,
            )
    ends = [one["points"][place][side] for one in series for place, side in ((0, "from"), (-1, "to"))]
    # a single window would have an axis of years around it
    axes.set_xlim(datetime.fromtimestamp(min(ends), UTC), datetime.fromtimestamp(max(ends), UTC))  # type: ignore[arg-type]
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", alpha=0.3)
    if any(one["band"] for one in series):
        axes.legend(fontsize=8, framealpha=0.95)
