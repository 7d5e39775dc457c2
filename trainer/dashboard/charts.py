"""Pictures of audits, money and prices: places only, which templates turn into SVG."""

import math
from dataclasses import dataclass

from trainer.dashboard import words
from trainer.dashboard.money import BURNED, HELD, Flow
from trainer.dashboard.reading import Story
from trainer.prices.facts import Payment

# ── audits ──

CELL, SMALL = 18, 10
"""Side of a sample's cell with the space around it; the smaller where groups stand beside each other."""
TALL = 32
"""Groups under each other; more stand beside."""


@dataclass(frozen=True)
class Audit:
    """One candidate's samples: SVG paths of the cells of each state, and how many there are.

    right, wrong, unseen: the paths.
    score:                right answers that the market counted when the model was shown.
    """

    seal: int
    trainer: str
    score: int
    fell: str
    samples: int
    executed: int
    disproven: int
    width: int
    height: int
    right: str
    wrong: str
    unseen: str


def audits(story: Story) -> list[Audit]:
    """A grid for each candidate that showed a model: a row for each group, a cell for each sample."""
    life, terms = story.life, story.life.terms
    found = []
    blocks = -(-terms.holdout // TALL)
    cell = CELL if blocks == 1 else SMALL
    size = cell - 2
    for shown in [event for event in story.events if event.name == "Unsealed"]:
        seal = shown.values["seal"]
        executed = life.executed(seal)
        disproven = {
            event.values["slot"]: event.values["wrong"]
            for event in story.events
            if event.name == "Fraud" and event.values["seal"] == seal
        }
        paths: dict[str, list[str]] = {"right": [], "wrong": [], "unseen": []}
        for slot in range(terms.holdout):
            block, row = divmod(slot, TALL)
            x, y = block * (terms.samples + 1) * cell, row * cell
            wrong, right = disproven.get(slot, 0), executed.get(slot, 0)
            for sample in range(terms.samples):
                state = "wrong" if wrong >> sample & 1 else "right" if right >> sample & 1 else "unseen"
                paths[state].append(f"M{x + sample * cell + 1} {y + 1}h{size}v{size}h-{size}z")
        found.append(
            Audit(
                seal=seal,
                trainer=life.seals[seal].trainer,
                score=shown.values["score"],
                fell=life.seals[seal].fell,
                samples=terms.holdout * terms.samples,
                executed=sum(mask.bit_count() for mask in executed.values()),
                disproven=sum(mask.bit_count() for mask in disproven.values()),
                width=(blocks * (terms.samples + 1) - 1) * cell,
                height=min(terms.holdout, TALL) * cell,
                right="".join(paths["right"]),
                wrong="".join(paths["wrong"]),
                unseen="".join(paths["unseen"]),
            )
        )
    return found


# ── money ──

FEW = 7
"""Accounts that are drawn each; the others are one."""
GAP, TALLEST = 12.0, 200.0
LEAST_BAR = 2.0
LEFT, RIGHT = 250.0, 700.0


@dataclass(frozen=True)
class Stream:
    """One sum: a bar, and a ribbon between it and the middle."""

    name: str
    amount: int
    y: float
    height: float
    ribbon: str
    kind: str


@dataclass(frozen=True)
class Streams:
    """The picture of a flow; `top` and `tall` are those of the bar in the middle."""

    left: list[Stream]
    right: list[Stream]
    height: float
    top: float
    tall: float


def streams(flow: Flow) -> Streams:
    """Places of a flow of money."""
    left, right = _largest(flow.paid_in), _largest(flow.paid_out)
    sides = []
    heights = []
    for part in (left, right):
        bars = [max(LEAST_BAR, TALLEST * amount / flow.total) for _, amount in part]
        # room for two lines of text beside each bar
        rooms = [max(bar, 30.0) for bar in bars]
        heights.append(sum(rooms) + GAP * (len(rooms) - 1))
        sides.append((part, bars, rooms))
    height = max(*heights, TALLEST)
    top = (height - TALLEST) / 2
    drawn = []
    for (part, bars, rooms), tall, outward in zip(sides, heights, (False, True), strict=True):
        y, middle = (height - tall) / 2, top
        streams_here = []
        for (name, amount), bar, room in zip(part, bars, rooms, strict=True):
            at, inner = y + (room - bar) / 2, TALLEST * amount / flow.total
            ends = (LEFT, at, bar, 470.0, middle, inner) if not outward else (490.0, middle, inner, RIGHT, at, bar)
            streams_here.append(Stream(name, amount, at, bar, _ribbon(*ends), _kind(name, outward)))
            y, middle = y + room + GAP, middle + inner
        drawn.append(streams_here)
    return Streams(drawn[0], drawn[1], height, top, TALLEST)


def _kind(name: str, outward: bool) -> str:
    if name in (BURNED, HELD):
        return name
    return "out" if outward else "in"


def _largest(sums: dict[str, int]) -> list[tuple[str, int]]:
    order = sorted(sums.items(), key=lambda entry: (entry[0] in (BURNED, HELD), -entry[1], entry[0]))
    if len(order) <= FEW + 2:
        return order
    special = [entry for entry in order if entry[0] in (BURNED, HELD)]
    people = [entry for entry in order if entry[0] not in (BURNED, HELD)]
    rest = people[FEW - 1 :]
    return [*people[: FEW - 1], (f"{len(rest)} others", sum(amount for _, amount in rest)), *special]


def _ribbon(x: float, y: float, height: float, to: float, at: float, tall: float) -> str:
    half = (x + to) / 2
    return (
        f"M{x:.1f} {y:.1f}C{half:.1f} {y:.1f} {half:.1f} {at:.1f} {to:.1f} {at:.1f}V{at + tall:.1f}"
        f"C{half:.1f} {at + tall:.1f} {half:.1f} {y + height:.1f} {x:.1f} {y + height:.1f}Z"
    )


# ── prices ──

MOST = 400
"""Payments that are drawn: the latest."""
WIDE, UPPER, LOWER = 860.0, 190.0, 130.0
"""Width of the chart, height of the panel of accuracies, and of those of rewards and of exaFLOPs."""
DECADES = 8
"""Powers of ten below the highest price of an exaFLOP that are drawn; what is cheaper stands at the bottom."""


@dataclass(frozen=True)
class Dot:
    """One payment: accuracy and the threshold above, the reward below, and what it paid for an exaFLOP below that.

    exaflop: None where the winner declared nothing that counts.
    """

    challenge: int
    x: float
    y: float
    asked: float
    reward: float
    exaflop: float | None
    title: str


@dataclass(frozen=True)
class Chart:
    """Payments over time, of one token; `exaflops`, on a scale of powers of ten, is empty where nobody declared any."""

    dots: list[Dot]
    accuracies: list[tuple[float, str]]
    rewards: list[tuple[float, str]]
    exaflops: list[tuple[float, str]]
    days: list[tuple[float, str]]


def prices(paid: list[Payment]) -> Chart | None:
    """Places of the latest payments; None where there are none."""
    paid = paid[-MOST:]
    if not paid:
        return None
    first, last = paid[0].timestamp, max(price.timestamp for price in paid)
    lowest = min(min(price.threshold, price.score) / price.samples for price in paid)
    # whole steps of ten per cent, the highest of which is 100 %
    floor = min(int(lowest * 10), 9) / 10
    most = _round_up(max(price.reward for price in paid))

    def x(time: int) -> float:
        return WIDE / 2 if last == first else WIDE * (time - first) / (last - first)

    def y(part: float) -> float:
        return UPPER * (1 - (part - floor) / (1 - floor))

    declared = [price.per_exaflop for price in paid if price.per_exaflop]
    high = math.ceil(math.log10(max(declared))) if declared else 0
    low = max(min(math.floor(math.log10(min(declared))), high - 1), high - DECADES) if declared else 0

    def height(price: float | None) -> float | None:
        if not price:
            return None
        return LOWER * (1 - max(0.0, (math.log10(price) - low) / (high - low)))

    dots = [
        Dot(
            price.challenge,
            x(price.timestamp),
            y(price.accuracy),
            y(price.threshold / price.samples),
            LOWER * (1 - price.reward / most),
            height(price.per_exaflop),
            f"challenge {price.challenge}: {words.amount(price.reward, price.token)} for "
            f"{words.percent(price.score, price.samples)} ({price.score} of {price.samples}), "
            + (f"{words.per(price.per_exaflop, price.token)} an exaFLOP, " if price.per_exaflop else "")
            + words.when(price.timestamp),
        )
        for price in paid
    ]
    steps = [floor + i * (1 - floor) / 4 for i in range(5)]
    times = [first + (last - first) * i // 5 for i in range(6)] if last > first else [first]
    token = paid[0].token
    # within a few days the hour says more than the day
    write = words.day if last - first > 6 * 86_400 else words.clock_time
    return Chart(
        dots,
        [(y(step), f"{100 * step:g} %") for step in steps],
        [(LOWER * (1 - i / 2), words.amount(most * i // 2, token)) for i in range(3)],
        [
            (LOWER * (high - power) / (high - low), words.per(10.0**power, token))
            # four lines at most
            for power in range(high, low - 1, -max(1, (high - low) // 3))
        ]
        if declared
        else [],
        [(x(time), write(time)) for time in times],
    )


def _round_up(value: int) -> int:
    """The next number of one digit and zeros, even where that is easy to halve."""
    power: int = 10 ** (len(str(value)) - 1)
    return min(digit * power for digit in (1, 2, 4, 6, 8, 10) if digit * power >= value)
