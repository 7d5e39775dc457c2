"""A challenge's phases and events as a picture: places only, which a template turns into SVG.

Phases last from seconds to months, so each gets a least width, and the rest of the width goes by time.
"""

from bisect import bisect_right
from dataclasses import dataclass

from trainer.amounts import show_duration
from trainer.dashboard import words
from trainer.dashboard.life import Span
from trainer.index import Event
from trainer.protocol import Phase

WIDTH, LEAST = 960.0, 66.0
OPEN = 0.12
"""Part of the time shown that a phase gets which no second ends."""
LANES = {
    "seals": ("Committed",),
    "reveals": ("Revealed",),
    "claims": ("Claimed", "Nominated"),
    "models": ("Unsealed",),
    "audits": ("Audited",),
    "falls": ("Fraud", "Defaulted"),
    "payouts": ("Credited", "Released", "Settled"),
}
"""By lane the events in it."""


@dataclass(frozen=True)
class Bar:
    """A phase: its place, in the units of the picture."""

    x: float
    width: float
    name: str
    state: str
    title: str
    duration: str


@dataclass(frozen=True)
class Mark:
    """Events that fall on one place."""

    x: float
    count: int
    title: str


@dataclass(frozen=True)
class Line:
    """The whole picture; `now` is None once the challenge is closed, `ticks` are places with their times."""

    bars: list[Bar]
    ticks: list[tuple[float, str]]
    now: float | None
    lanes: list[tuple[str, list[Mark]]]
    closed: float | None


def draw(spans: list[Span], events: list[Event], now: int) -> Line:
    """Places of all phases and events."""
    over = spans[-1].phase == Phase.CLOSED
    shown = spans[:-1] if over else spans
    ends = _ends(shown, now)
    scale = _Scale([span.start for span in shown], ends)
    bars = [
        Bar(
            scale.edges[i],
            scale.edges[i + 1] - scale.edges[i],
            words.phase(span.phase),
            span.state,
            _title(span, end),
            show_duration(end - span.start) if span.end is not None else "open",
        )
        for i, (span, end) in enumerate(zip(shown, ends, strict=True))
    ]
    # the end of a phase that nothing ends is no moment
    known = [(scale.edges[i], words.clock_time(span.start)) for i, span in enumerate(shown)]
    if shown[-1].end is not None:
        known.append((scale.edges[-1], words.clock_time(ends[-1])))
    return Line(
        bars,
        known,
        None if over else scale.place(now),
        [(lane, marks) for lane, names in LANES.items() if (marks := _marks(events, names, scale))],
        scale.edges[-1] if over else None,
    )


def _ends(spans: list[Span], now: int) -> list[int]:
    """When each bar ends; that of a phase without an end is somewhat after now."""
    first = spans[0].start
    return [max(now, span.start) + 1 + int(OPEN * (now - first)) if span.end is None else span.end for span in spans]


class _Scale:
    """Seconds to places, a straight line within each phase."""

    def __init__(self, starts: list[int], ends: list[int]) -> None:
        self.times = [*starts, max(ends[-1], starts[-1])]
        lengths = [max(0, end - start) for start, end in zip(starts, ends, strict=True)]
        least = min(LEAST, WIDTH / len(lengths))
        # a square root, so that a long phase leaves room for the others
        roots = [length**0.5 for length in lengths]
        spare, whole = WIDTH - least * len(lengths), sum(roots) or 1.0
        self.edges = [0.0]
        for root in roots:
            self.edges.append(self.edges[-1] + least + spare * root / whole)

    def place(self, time: int) -> float:
        """Where a moment lies."""
        i = min(max(bisect_right(self.times, time) - 1, 0), len(self.edges) - 2)
        start, end = self.times[i], self.times[i + 1]
        part = (time - start) / (end - start) if end > start else 0.0
        return self.edges[i] + min(max(part, 0.0), 1.0) * (self.edges[i + 1] - self.edges[i])


def _title(span: Span, end: int) -> str:
    name = words.phase(span.phase)
    if span.state == "later":
        return f"{name}: may last until {words.when(end)}"
    if span.end is None:
        return f"{name}: since {words.when(span.start)}"
    return f"{name}: {words.when(span.start)} to {words.when(end)}"


def _marks(events: list[Event], names: tuple[str, ...], scale: _Scale) -> list[Mark]:
    """Marks of a lane; events closer than a mark's width are one."""
    found: list[tuple[float, list[Event]]] = []
    for event in events:
        if event.name in names:
            x = scale.place(event.timestamp)
            if found and x - found[-1][0] < 7:
                found[-1][1].append(event)
            else:
                found.append((x, [event]))
    return [Mark(x, len(those), _said(those)) for x, those in found]


def _said(those: list[Event]) -> str:
    names = " and ".join(dict.fromkeys(event.name for event in those))
    return f"{len(those)} × {names}, {words.when(those[0].timestamp)}"
