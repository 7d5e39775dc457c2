"""The demonstration's picture: what the candidates reach and cost, and the phases on a time line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

BLUE, GREEN, RED = "#4c72b0", "#55a868", "#c44e52"
PHASES = (BLUE, "#dd8452", GREEN, RED, "#8172b3", "#937860", "#da8bc3", "#8c8c8c", "#ccb974")


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One trained network: part of the hold-out it gets right, part it claimed, gas of one sample on chain."""

    name: str
    accuracy: float
    claimed: float | None
    gas: int


@dataclass(frozen=True, kw_only=True)
class Span:
    """One phase, in seconds since the post."""

    name: str
    start: int
    end: int


def draw(path: Path, *, bars: Sequence[Bar], threshold: float, spans: Sequence[Span]) -> None:
    """Write a PNG to `path`: accuracy and gas of the networks above, the phases below."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplot_mosaic([["accuracy", "gas"], ["line", "line"]])
    _accuracy(axes["accuracy"], bars, threshold)
    _gas(axes["gas"], bars)
    _phases(axes["line"], spans)
    path.parent.mkdir(parents=True, exist_ok=True)
    # without a date or a version in it, the same run gives the same bytes
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _accuracy(axes: Axes, bars: Sequence[Bar], threshold: float) -> None:
    places = range(len(bars))
    axes.bar(places, [100 * bar.accuracy for bar in bars], width=0.6, color=BLUE, label="right, as executed")
    claims = [(place, 100 * bar.claimed) for place, bar in zip(places, bars, strict=True) if bar.claimed is not None]
    axes.hlines(
        [score for _, score in claims],
        [place - 0.4 for place, _ in claims],
        [place + 0.4 for place, _ in claims],
        color=RED,
        linewidth=2.5,
        label="claimed",
    )
    axes.axhline(100 * threshold, color="black", linestyle=":", label="threshold")
    axes.set_ylim(max(0, min(100 * threshold, *(100 * bar.accuracy for bar in bars)) - 10), 102)
    axes.set_xticks(places, [bar.name for bar in bars])
    axes.set_ylabel("hold-out, %")
    axes.set_title("Accuracy on the hold-out")
    axes.legend(loc="lower right", fontsize=8, framealpha=0.95)


def _gas(axes: Axes, bars: Sequence[Bar]) -> None:
    places = range(len(bars))
    drawn = axes.bar(places, [bar.gas / 1000 for bar in bars], width=0.6, color=GREEN)
    axes.bar_label(drawn, fmt="%.1f", fontsize=8)
    axes.set_xticks(places, [bar.name for bar in bars])
    axes.set_ylabel("thousand gas")
    axes.set_title("Execution of one sample, in a group")


def _phases(axes: Axes, spans: Sequence[Span]) -> None:
    whole = max(span.end for span in spans)
    for number, span in enumerate(spans):
        # the shortest phases stay visible: half a percent of the line at least
        width = max(span.end - span.start, whole / 200)
        axes.barh(-number, width / 3600, left=span.start / 3600, color=PHASES[number % len(PHASES)])
        axes.text((span.start + width) / 3600 + whole / 3600 / 200, -number, _length(span), va="center", fontsize=8)
    axes.set_yticks([-number for number in range(len(spans))], [span.name for span in spans])
    axes.set_xlim(0, whole / 3600 * 1.08)
    axes.set_xlabel("hours since the post")
    axes.set_title("Phases")
    axes.grid(axis="x", alpha=0.3)


def _length(span: Span) -> str:
    minutes = round((span.end - span.start) / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"
