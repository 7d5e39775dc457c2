"""Prices of each day or week: what was paid for an exaFLOP, for an hour of a device, and for accuracies."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from trainer.prices.facts import Payment
from trainer.prices.robust import interval, one_liar, push, quantile
from trainer.prices.weight import Rules, capped, largest, numbered

DAY = 86_400
WINDOWS = {"day": (DAY, 0), "week": (7 * DAY, 4 * DAY)}
"""Length of a window, and how far from the epoch the first begins, in seconds: weeks begin on Mondays, in UTC."""
MEASURES = ("exaflop", "device-hour", "accuracy")
BANDS = 20
"""Parts of the accuracies, of which the highest includes 100 %."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """The price of one window; prices in the token's smallest unit, weights and costs in wei.

    start, end:   of the window, in seconds; the end is the next one's start.
    payments:     how many count.
    price:        their weighted median; low and high are the weighted quartiles.
    interval:     of the median, nine times of ten, from samples of the payments; None for a few.
    weight:       what was certainly lost in them.
    poster_share: the largest part of the weight that one poster has under the caps; winner_share one winner.
    liar:         between which values the price stays, whatever any one winner says of his payments; None where
                  nothing bounds it.
    up, down:     what it costs to move the price by a tenth with invented payments.
    accounts:     posters, and as many winners, that the cheaper of the two takes at least.
    """

    start: int
    end: int
    payments: int
    price: float
    low: float
    high: float
    interval: tuple[float, float] | None
    weight: float
    poster_share: float
    winner_share: float
    liar: tuple[float | None, float | None]
    up: float
    down: float
    accounts: int


@dataclass(frozen=True, kw_only=True)
class Series:
    """Prices of one kind in one token, in the order of time; windows without a payment are left out.

    measure: `exaflop`, `device-hour` or `accuracy`.
    band:    of an accuracy, the lowest and the first above, in [0, 1]; None for the other measures.
    """

    measure: str
    band: tuple[float, float] | None
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class TokenPrices:
    """All prices in one token.

    counted:   payments that count.
    declared:  those of them whose winner declared what it took.
    uncounted: how many do not count, by why: `own`, `rivals`, `free`.
    """

    token: str
    counted: int
    declared: int
    uncounted: dict[str, int]
    series: tuple[Series, ...]


def window_of(timestamp: int, window: str) -> tuple[int, int]:
    """Start and end of the `day` or `week` that a moment lies in, in seconds."""
    length, first = WINDOWS[window]
    start = (timestamp - first) // length * length + first
    return start, start + length


def band_of(payment: Payment) -> tuple[float, float]:
    """The band of accuracies that a payment lies in."""
    number = min(BANDS * payment.score // payment.samples, BANDS - 1)
    return number / BANDS, (number + 1) / BANDS


def prices(payments: Sequence[Payment], rules: Rules, window: str, *, device: str = "") -> list[TokenPrices]:
    """Prices of every token that was paid in, apart.

    device: declarations count only of devices in whose name this is found, in capitals or not.
    """
    found = []
    for token in sorted({payment.token for payment in payments}):
        refused = [(payment, rules.refusal(payment)) for payment in payments if payment.token == token]
        counted = [payment for payment, why in refused if not why]
        declared = [
            payment
            for payment in counted
            if payment.declared is not None and device.lower() in payment.declared.device.lower()
        ]
        bands: defaultdict[tuple[float, float], list[Payment]] = defaultdict(list)
        for payment in counted:
            bands[band_of(payment)].append(payment)
        series = [
            _series("exaflop", None, declared, lambda payment: payment.per_exaflop or 0.0, rules, window),
            _series("device-hour", None, declared, lambda payment: payment.per_hour or 0.0, rules, window),
            *(
                _series("accuracy", band, bands[band], lambda payment: float(payment.reward), rules, window)
                for band in sorted(bands)
            ),
        ]
        found.append(
            TokenPrices(
                token=token,
                counted=len(counted),
                declared=len(declared),
                uncounted=dict(sorted(Counter(why for _, why in refused if why).items())),
                series=tuple(one for one in series if one.points),
            )
        )
    return found


def _series(
    measure: str,
    band: tuple[float, float] | None,
    payments: Sequence[Payment],
    value: Callable[[Payment], float],
    rules: Rules,
    window: str,
) -> Series:
    ordered = sorted(payments, key=lambda payment: (payment.timestamp, payment.challenge))
    parts = groupby(ordered, key=lambda payment: window_of(payment.timestamp, window))
    return Series(
        measure=measure, band=band, points=tuple(point(list(part), value, rules, place) for place, part in parts)
    )


def point(
    payments: Sequence[Payment], value: Callable[[Payment], float], rules: Rules, place: tuple[int, int]
) -> Point:
    """The price of one window.

    payments: one or more, each of which counts.
    value:    the price that each is, above 0.
    place:    start and end of the window.
    """
    values = np.array([value(payment) for payment in payments], np.float64)
    lost = np.array([rules.lost(payment) for payment in payments], np.float64)
    posters = numbered([payment.poster for payment in payments])
    winners = numbered([payment.winner for payment in payments])
    weights = capped(lost, posters, winners, rules.share)
    up, down = (push(values, lost, posters, winners, rules.share, up=way) for way in (True, False))
    return Point(
        start=place[0],
        end=place[1],
        payments=len(payments),
        price=quantile(values, weights, 0.5),
        low=quantile(values, weights, 0.25),
        high=quantile(values, weights, 0.75),
        interval=interval(values, weights, seed=place[0]),
        weight=math.fsum(lost),
        poster_share=largest(weights, posters),
        winner_share=largest(weights, winners),
        liar=one_liar(values, weights, winners),
        # every account that it takes has at least one payment
        up=max(up.cost, up.accounts * rules.least),
        down=max(down.cost, down.accounts * rules.least),
        accounts=(up if up.cost <= down.cost else down).accounts,
    )
