"""The demonstration's picture: what the candidates reach and cost, and the phases on a time line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLOURS = ("#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#8c8c8c", "#ccb974")


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
    accuracy, gas, line = (
        figure.add_subplot(2, 2, 1),
        figure.add_subplot(2, 2, 2),
        figure.add_subplot(2, 1, 2),
    )

    places = range(len(bars))
    accuracy.bar(places, [100 * bar.accuracy for bar in bars], color=COLOURS[0], label="right, as executed")
    claims = [(place, 100 * bar.claimed) for place, bar in zip(places, bars, strict=True) if bar.claimed is not None]
    accuracy.scatter(
        [place for place, _ in claims],
        [score for _, score in claims],
        marker="_",
        s=1500,
        color=COLOURS[3],
        label="claimed",
        zorder=3,
    )
    accuracy.axhline(100 * threshold, color="black", linestyle=":", label="threshold")
    lowest = min(100 * threshold, *(100 * bar.accuracy for bar in bars))
    accuracy.set_ylim(max(0, lowest - 8), 100)
    accuracy.set_xticks(places, [bar.name for bar in bars])
    accuracy.set_ylabel("hold-out, %")
    accuracy.set_title("Accuracy on the hold-out")
    accuracy.legend(loc="upper left", fontsize=8)

    gas.bar(places, [bar.gas / 1000 for bar in bars], color=COLOURS[2])
    gas.set_xticks(places, [bar.name for bar in bars])
    gas.set_ylabel("thousand gas")
    gas.set_title("Execution of one sample in a full group")

    for number, span in enumerate(spans):
        line.barh(-number, (span.end - span.start) / 3600, left=span.start / 3600, color=COLOURS[number % len(COLOURS)])
    line.set_yticks([-number for number in range(len(spans))], [span.name for span in spans])
    line.set_xlabel("hours since the post")
    line.set_title("Phases")
    line.grid(axis="x", alpha=0.3)

    path.parent.mkdir(parents=True, exist_ok=True)
    # without a date or a version in it, the same run gives the same bytes
    figure.savefig(path, dpi=110, metadata={"Software": None})
