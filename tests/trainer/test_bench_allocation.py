"""The replay of a year, over days: rules are kept, hindsight is not beaten, and series are what they are said to be."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import allocation
from bench.allocation_series import HOUR, START, Posted, challenges, drawn, load
from trainer.allocation.baselines import BASELINES
from trainer.errors import DataError

DAYS = 6


def world() -> allocation.World:
    """Some days, with a challenge that is worth entering and a rival who comes on the second of them."""
    series = drawn(3, DAYS * 24)
    base = Posted(
        id=0,
        first=True,
        opening=0.005,
        reward=0.01,
        bond=0.001,
        opens=START + 6 * HOUR,
        closes=START + 70 * HOUR,
        threshold=216,
        rivals=(START + 60 * HOUR,),
    )
    return allocation.World(
        series, [base, replace(base, id=1, first=False, opens=START + 80 * HOUR, closes=START + 120 * HOUR)]
    )


def test_no_policy_beats_hindsight() -> None:
    here = world()
    rig = allocation.rig(0.02)
    instance = allocation.hindsight(here, rig)
    best = allocation.in_hindsight(here, instance, 30.0)
    assert best["profit"] <= best["bound"] + 0.01
    found = {
        name: allocation.account(here, instance, allocation.play(here, rig, policy))
        for name, policy in {
            "plan": allocation.by_program,
            "hourly": allocation.by_hand(BASELINES["hourly"]),
            "all mining": allocation.by_hand(BASELINES["all mining"]),
        }.items()
    }
    for report in found.values():
        assert report["profit"] <= best["bound"] + 0.01
        assert report["profit"] == pytest.approx(report["mined"] - report["energy"] + report["gained"], abs=0.02)
        assert sum(report["hours"].values()) == 2 * DAYS * 24
    assert found["plan"]["seals"] == 2
    assert found["plan"]["profit"] > found["all mining"]["profit"]
    assert found["all mining"]["seals"] == 0


def test_a_seal_pays_for_the_rivals_that_really_come() -> None:
    here = world()
    first, other = here.posted
    ether = here.series.ether
    early, late = START + 20 * HOUR, START + 65 * HOUR
    standing = here.offer(first, float(ether[here.hour(late)]), late)
    assert (standing.seals, here.offer(first, 1.0, early).seals) == (1, 0)
    costs = 0.00002 + 0.5 * 0.01 * 0.001
    # alone, the chance is that of reaching; behind a rival as good as that, half of it
    for moment, chance in ((early, 0.5), (late, 0.25)):
        price = float(ether[here.hour(moment)])
        reward = here.offer(first, price, moment).reward_at(moment)
        gas = (200_000 + 50_000 + chance * 2_000_000 + (1 - chance) * 125_000) * allocation.GAS_GWEI * 1e-9
        assert here.paid(first, 0.5, moment) == pytest.approx(chance * reward - (costs + gas) * price)
    assert here.paid(other, 1.0, START + 110 * HOUR) == pytest.approx(
        here.paid(other, 1.0, START + 110 * HOUR + 1), rel=1e-3
    )


def test_series_are_repeatable_and_have_their_statistics() -> None:
    one, again = drawn(1, 8760), drawn(1, 8760)
    assert np.array_equal(one.price["ALPHA"], again.price["ALPHA"])
    assert not np.array_equal(one.electricity, drawn(2, 8760).electricity)
    facts = one.statistics()
    assert facts["hours"] == 8760
    # volatility with its jumps: 12 a year of 12 % add 0.42**2 to the variance, more or less
    for name, plain in (("ether", 0.7), ("ALPHA", 0.9), ("BETA", 0.8)):
        assert 0.9 * plain < facts[name]["volatility_a_year"] < 1.5 * plain  # type: ignore[index]
    for found in challenges(1, 8760):
        assert found.opens < found.closes <= START + 8760 * HOUR
        assert 0 <= found.opening <= found.reward
        assert all(found.opens <= rival < found.closes for rival in found.rivals)
    # the hash rate follows the price with a lag: it is nearer to the mean price of the week before than to that of now
    price, rate = np.log(one.price["ALPHA"]), np.log(one.hash_rate["ALPHA"])
    week = np.convolve(price, np.ones(168) / 168, mode="valid")[:-1]
    assert np.corrcoef(week, rate[168:])[0, 1] > np.corrcoef(price[168:], rate[168:])[0, 1]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def a_row(hour: int, **changes: object) -> dict[str, object]:
    return {
        "time": START + hour * HOUR,
        "ether": 3000,
        "electricity": -0.1,
        "ALPHA.price": 0.1,
        "ALPHA.network_hash_rate": 1e15,
    } | changes


def test_prices_come_from_a_file(tmp_path: Path) -> None:
    found = load(write(tmp_path / "prices.csv", [a_row(hour) for hour in range(48)]))
    assert (found.hours, list(found.price), found.electricity[0]) == (48, ["ALPHA"], -0.1)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([a_row(hour) for hour in range(47)], "47 rows"),
        ([a_row(hour + (hour > 9)) for hour in range(48)], "line 12: time is"),
        ([a_row(hour, **{"ALPHA.price": 0 if hour == 3 else 1}) for hour in range(48)], "line 5: ALPHA.price is '0'"),
        ([a_row(hour, ether="x" if hour == 3 else 1) for hour in range(48)], "line 5: ether is 'x'"),
        ([a_row(hour, more=1) for hour in range(48)], "columns time, ether"),
    ],
)
def test_wrong_prices_are_refused_by_their_line(tmp_path: Path, rows: list[dict[str, object]], said: str) -> None:
    with pytest.raises(DataError) as refused:
        load(write(tmp_path / "prices.csv", rows))
    assert said in str(refused.value)
