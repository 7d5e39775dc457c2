"""Prices: weights by hand, quantiles by definition, and attacks that get no further than is said of them."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.invented import TERMS
from tests.payments import MILLI, declared, payment
from trainer.errors import DataError
from trainer.index import Block
from trainer.prices import report
from trainer.prices.declarations import Declared
from trainer.prices.facts import GAS, Payment, counting, least_gas
from trainer.prices.robust import FEW, Push, around, interval, one_liar, push, quantile
from trainer.prices.series import DAY, Point, Series, band_of, point, prices, window_of
from trainer.prices.weight import Rules, capped, numbered
from trainer.protocol import ETHER

ETH = 10**18
FREE = Rules(share=1.0, gas_price=0)
"""No caps, and a weight that is the seal fee."""
WEEK = (0, 7 * DAY)
TOKEN = "0x" + "70" * 20

positive = st.floats(1e-6, 1e6)
weight = st.integers(1, 1000).map(float)


def array(values: Any) -> Any:
    return np.array(values, np.float64)


def of_reward(paid: Payment) -> float:
    return float(paid.reward)


@st.composite
def samples(draw: st.DrawFn, least: int = 1) -> tuple[Any, Any, Any, Any]:
    """Values, weights, posters and winners of some payments."""
    count = draw(st.integers(least, 25))

    def some(one: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(one, min_size=count, max_size=count))

    accounts = st.integers(0, 8)
    return array(some(positive)), array(some(weight)), numbered(some(accounts)), numbered(some(accounts))


# ── quantiles ──


@pytest.mark.parametrize(
    ("values", "weights", "part", "expected"),
    [
        ([3], [1], 0.5, 3),
        ([4, 10], [1, 1], 0.5, 7),
        ([4, 10], [1, 1], 0.25, 4),
        ([4, 10], [1, 2], 0.5, 10),
        ([1, 2, 3], [1, 1, 1], 0.5, 2),
        ([3, 1, 2], [1, 1, 1], 0.5, 2),
        ([1, 2, 3, 4], [1, 1, 1, 1], 0.25, 1.5),
        ([1, 2, 3, 4], [1, 1, 1, 5], 0.5, 4),
        ([1, 1, 9], [1, 1, 2], 0.5, 5),
        ([5, 6], [1, 1], 0.0, 5),
        ([5, 6], [1, 1], 1.0, 6),
    ],
)
def test_quantiles_by_hand(values: list[float], weights: list[float], part: float, expected: float) -> None:
    assert quantile(array(values), array(weights), part) == expected


@given(samples(), st.floats(0.01, 0.99))
def test_no_more_than_its_part_lies_below_a_quantile(found: Any, part: float) -> None:
    values, weights, *_ = found
    value, whole = quantile(values, weights, part), weights.sum()
    assert weights[values < value].sum() <= whole * part * (1 + 1e-9)
    assert weights[values > value].sum() <= whole * (1 - part) * (1 + 1e-9)


@given(samples(), st.sampled_from([0.5, 4.0, 1024.0]), st.sampled_from([0.25, 2.0, 64.0]))
def test_prices_scale_with_rewards_and_not_with_weights(found: Any, price: float, cost: float) -> None:
    """Factors are powers of two, so that floats scale exactly."""
    values, weights, posters, winners = found
    kept = capped(weights, posters, winners, 0.25)
    for part in (0.25, 0.5, 0.75):
        assert quantile(price * values, kept, part) == price * quantile(values, kept, part)
    again = capped(cost * weights, posters, winners, 0.25)
    assert np.array_equal(again, cost * kept)
    assert quantile(values, again, 0.5) == quantile(values, kept, 0.5)
    assert push(price * values, cost * weights, posters, winners, 1.0, up=True).cost == pytest.approx(
        cost * push(values, weights, posters, winners, 1.0, up=True).cost, rel=1e-9
    )


def test_an_interval_is_the_same_each_time_and_none_of_a_few() -> None:
    values, weights = array(range(1, 41)), array([1.0] * 40)
    low, high = interval(values, weights, seed=5) or (0.0, 0.0)
    assert (low, high) == interval(values, weights, seed=5)
    assert low < quantile(values, weights, 0.5) < high
    # that of a median of 40 even steps: about 20.5 and 8 to each side at most
    assert 12 < low < 20.5 < high < 29
    assert interval(values[: FEW - 1], weights[: FEW - 1], seed=5) is None
    assert interval(array([2.0] * FEW), array([1.0] * FEW), seed=5) == (2.0, 2.0)
    # the dearest is in two samples of three, and then outweighs all others
    assert interval(array([1, 2, 3, 4, 5, 6]), array([1, 1, 1, 1, 1, 100]), seed=5) == (2.0, 6.0)


# ── caps ──


def test_caps_by_hand() -> None:
    lost, own = array([70, 10, 10, 10]), numbered(["a", "b", "c", "d"])
    assert list(capped(lost, own, own, 0.25)) == [25, 10, 10, 10]
    assert list(capped(lost, own, own, 0.05)) == [5, 5, 5, 5]
    assert list(capped(lost, own, own, 0.7)) == [70, 10, 10, 10]
    assert list(capped(lost, own, own, 1.0)) == [70, 10, 10, 10]
    # two payments of one account share its limit as they shared its weight, be it a poster's or a winner's
    lost = array([60, 20, 10, 10])
    assert list(capped(lost, numbered("aabc"), numbered("wxyz"), 0.4)) == [30, 10, 10, 10]
    assert list(capped(lost, numbered("wxyz"), numbered("aabc"), 0.4)) == [30, 10, 10, 10]
    # where both are above, the lower of the two limits holds
    assert list(capped(lost, numbered("aabc"), numbered("wxxx"), 0.4)) == [30, 10, 10, 10]
    assert list(capped(array([50]), numbered("a"), numbered("w"), 0.25)) == [12.5]


@given(samples(), st.sampled_from([0.05, 0.25, 0.5, 1.0]))
def test_nobody_weighs_more_than_the_share_and_nobody_below_it_is_touched(found: Any, share: float) -> None:
    _, lost, posters, winners = found
    kept, limit = capped(lost, posters, winners, share), share * lost.sum() * (1 + 1e-9)
    assert (kept > 0).all()
    assert (kept <= lost).all()
    for accounts in (posters, winners):
        assert np.bincount(accounts, kept).max() <= limit
    both = (np.bincount(accounts, lost)[accounts] <= limit for accounts in (posters, winners))
    free = np.logical_and(*both)
    assert np.array_equal(kept[free], lost[free])


@given(samples(), st.integers(1, 50), st.floats(1e-6, 1.0), st.sampled_from([0.1, 0.25]))
def test_many_accounts_that_lose_little_weigh_little(found: Any, count: int, each: float, share: float) -> None:
    """Accounts are free: that there are many must not take weight from those who lost more."""
    _, lost, posters, winners = found
    many = np.arange(count)
    weights = capped(
        np.append(lost, np.full(count, each)),
        np.append(posters, posters.max() + 1 + many),
        np.append(winners, winners.max() + 1 + many),
        share,
    )
    assert (weights[: len(lost)] >= capped(lost, posters, winners, share) * (1 - 1e-9)).all()
    assert weights[len(lost) :].sum() <= count * each * (1 + 1e-9)


# ── attacks ──


@given(
    samples(), st.lists(st.tuples(st.floats(1e-9, 1e12), weight), min_size=1, max_size=12), st.sampled_from([1.0, 0.25])
)
def test_fakes_move_the_median_no_further_than_their_weight(
    found: Any, fakes: list[tuple[float, float]], share: float
) -> None:
    """Whatever their prices, between the honest quantiles at half of the weight less, and more, than half of theirs."""
    values, lost, posters, winners = found
    fake_values, fake_lost = array([value for value, _ in fakes]), array([cost for _, cost in fakes])
    many = np.arange(len(fakes))
    weights = capped(
        np.append(lost, fake_lost),
        np.append(posters, posters.max() + 1 + many),
        np.append(winners, winners.max() + 1 + many),
        share,
    )
    honest, fake = weights[: len(values)], weights[len(values) :]
    assume(fake.sum() < honest.sum() * 0.999)
    median = quantile(np.append(values, fake_values), weights, 0.5)
    low = around(values, honest, (honest.sum() - fake.sum()) / 2)[0]
    high = around(values, honest, (honest.sum() + fake.sum()) / 2)[1]
    assert low <= median <= high


@pytest.mark.parametrize("fakes", [1, 10, 300])
@pytest.mark.parametrize("who", ["poster", "winner"])
def test_one_account_must_lose_several_times_what_all_others_did(fakes: int, who: str) -> None:
    """With a fifth for each account four times as much, in however many payments, is half of the weight."""
    honest = [payment(challenge=i, reward=(100 + i) * MILLI) for i in range(40)]
    rules = replace(FREE, share=0.2)
    assert point(honest, of_reward, rules, WEEK).price == 119.5 * MILLI

    def after(times: float, rules: Rules = rules) -> float:
        """The price once an account has lost so many times what the honest did."""
        fee = round(times * 40 * MILLI / fakes)
        changes: dict[str, Any] = {who: "attacker"}
        attack = [payment(challenge=100 + i, reward=ETH, seal_fee=fee, **changes) for i in range(fakes)]
        return point([*honest, *attack], of_reward, rules, WEEK).price / MILLI

    # of 1.25 times as much a fifth is 10 to the others' 40: half of that lies after the 25th price
    assert after(0.25) == 124.5
    # he has lost as much as all others, and weighs two fifths of them
    assert after(1.0) == 127.5
    assert after(3.9) < 140
    assert after(4.1) == 1000
    # without the cap as much as all others is enough
    assert after(1.01, FREE) == 1000


@given(samples(), st.booleans(), st.sampled_from([1.0, 0.4, 0.25]))
def test_what_a_move_costs_moves_it_and_less_does_not(found: Any, up: bool, share: float) -> None:
    values, lost, posters, winners = found
    told = push(values, lost, posters, winners, share, up=up)
    wanted = quantile(values, capped(lost, posters, winners, share), 0.5) * (1.1 if up else 0.9)
    assert told.cost >= 0
    assert told.accounts >= 1

    def after(cost: float) -> float:
        count = 60
        weights = capped(
            np.append(lost, np.full(count, cost / count)),
            np.append(posters, posters.max() + 1 + np.arange(count)),
            np.append(winners, winners.max() + 1 + np.arange(count)),
            share,
        )
        return quantile(np.append(values, np.full(count, wanted)), weights, 0.5)

    enough = after(told.cost * (1 + 1e-6) + 1e-6)
    assert enough >= wanted * (1 - 1e-9) if up else enough <= wanted * (1 + 1e-9)
    if told.cost > 1e-3:
        short = after(told.cost * (1 - 1e-3))
        assert short < wanted if up else short > wanted


@given(samples(least=3), st.data())
def test_one_liar_stays_within_what_is_said(found: Any, data: st.DataObject) -> None:
    values, weights, _, winners = found
    low, high = one_liar(values, weights, winners)
    liar = data.draw(st.integers(0, int(winners.max())))
    lies = np.where(winners == liar, data.draw(st.floats(1e-12, 1e12)), values)
    if low is None or high is None:
        assert np.bincount(winners, weights).max() >= weights.sum() / 2 * (1 - 1e-9)
        return
    assert low <= quantile(values, weights, 0.5) <= high
    assert low <= quantile(lies, weights, 0.5) <= high
    others = winners != liar
    assert low <= quantile(values[others], weights[others], 0.5) <= high, "or he says nothing"


def test_a_move_by_hand() -> None:
    """Prices 1 to 4 and weights 1, 2, 4, 1: the median is 3."""
    values, lost, own = array([1, 2, 3, 4]), array([1, 2, 4, 1]), numbered("abcd")
    # 3.3 has 7 of 8 below it, so 6 more must be above; of 14 a fifth is 2.8
    up = push(values, lost, own, own, 1.0, up=True)
    assert (up.cost, up.accounts) == (6.0, 1)
    # 2.7 has 5 of 8 above it, so 2 more must be below
    down = push(values, lost, own, own, 1.0, up=False)
    assert (down.cost, down.accounts) == (2.0, 1)
    # the largest weighs 0.4 of 44 and of what is added, A; above 2.7 are that and 1, below 3 and A: 26 makes them equal
    many = push(values, array([1, 2, 40, 1]), own, own, 0.4, up=False)
    assert (many.cost, many.accounts) == (pytest.approx(26), 1)
    # eight that weigh the same and have one price: as much again, of which one account may be half
    same = array([1.0] * 8), array([1.0] * 8), numbered(range(8)), numbered(range(8))
    assert push(*same, 0.25, up=True) == push(*same, 0.25, up=False) == Push(cost=8.0, accounts=2)
    assert push(*same, 0.2, up=True).accounts == 3
    # each account needs a payment, which takes its gas
    tiny = [payment(challenge=i, seal_fee=0, gas=1000) for i in range(8)]
    rules = Rules(share=0.25, gas_price=1)
    assert point(tiny, of_reward, rules, WEEK).up == 2 * rules.least
    # 4 more of 12 are cheaper than 8 more of 16, and of 12 a fifth is 2.4: two accounts, not three
    paid = [payment(challenge=i, reward=1 + i // 6) for i in range(8)]
    found = point(paid, of_reward, replace(FREE, share=0.2), WEEK)
    assert (found.up, found.down, found.accounts) == (4 * MILLI, 8 * MILLI, 2)
    # of two ways the point tells the accounts of the cheaper one
    paid = [payment(challenge=i, reward=i + 1, seal_fee=fee * MILLI) for i, fee in enumerate((1, 2, 4, 1))]
    found = point(paid, of_reward, replace(FREE, share=0.5), WEEK)
    assert (found.up, found.down, found.accounts) == (6 * MILLI, 2 * MILLI, 1)
    paid = [replace(one, seal_fee=fee * MILLI) for one, fee in zip(paid, (1, 4, 5, 12), strict=True)]
    found = point(paid, of_reward, replace(FREE, share=0.6), WEEK)
    assert (found.price, found.up, found.down) == (4.0, 22 * MILLI, 2 * MILLI)


def test_a_liar_by_hand() -> None:
    """Of five winners that weigh the same one may lie: the median stays between the second and the fourth."""
    values, own = array([1, 2, 3, 4, 5]), numbered("abcde")
    assert one_liar(values, array([1] * 5), own) == (2.0, 4.0)
    assert one_liar(values, array([1, 1, 4, 1, 1]), own) == (None, None)


# ── what counts ──


def test_a_payment_weighs_what_poster_and_winner_lost() -> None:
    rules = Rules(gas_price=3)
    assert rules.lost(payment(seal_fee=7, gas=100)) == 307
    assert rules.lost(payment(seal_fee=7, gas=100, token=TOKEN)) == 300
    assert rules.least == 3 * (GAS["post"] + GAS["commit"] + GAS["reveal"] + GAS["claim"] + GAS["unseal"])
    assert rules.refusal(payment(gas=1)) == ""
    assert rules.refusal(payment(gas=1, poster="x", winner="x")) == "own"
    assert replace(rules, rivals=2).refusal(payment(gas=1, rivals=1)) == "rivals"
    assert replace(rules, rivals=2).refusal(payment(gas=1, rivals=2)) == ""
    assert FREE.refusal(payment(seal_fee=0, gas=5)) == "free"
    assert FREE.refusal(payment(seal_fee=5, token=TOKEN)) == "free"


def test_which_declaration_counts() -> None:
    """The last of the winner's from the post until a week after the settlement."""
    life: Any = SimpleNamespace(posted=Block(10, b"", 1000))

    def said(flops: int, block: int, timestamp: int, trainer: str = "ada") -> Declared:
        return declared(flops, trainer=trainer, block=block, timestamp=timestamp)

    def counts(*all: Declared, settled: int = 5000) -> Any:
        found, why = counting(all, life, "ada", settled)
        return why if found is None else found.flops

    late = 5000 + 7 * DAY
    assert counts() == ""
    assert counts(said(1, 9, 999)) == "", "nobody has won what is not posted"
    assert counts(said(1, 10, 1000)) == 1
    assert counts(said(1, 10, 1000), said(2, 11, 1012)) == 2
    assert counts(said(1, 10, 1000), said(2, 11, 1012, "ben")) == 1
    assert counts(said(1, 10, 1000), said(2, 99, late)) == 2
    assert counts(said(1, 10, 1000), said(2, 99, late + 1)) == 1
    assert "more than 7 days after" in counts(said(2, 99, late + 1))
    # the last one counts, or none: it took the place of those before it
    assert "2e+16 is believed" in counts(said(1, 10, 1000), said(2 * 10**16 * 3600 + 1, 11, 1012))
    assert counts(said(2 * 10**16 * 3600, 11, 1012)) == 2 * 10**16 * 3600


def test_the_least_gas_of_a_challenge() -> None:
    base = GAS["post"] + GAS["commit"] + GAS["claim"] + GAS["unseal"]
    whole = replace(TERMS, holdout=17, full_audit=True)
    assert least_gas(whole) == base + 17 * GAS["reveal"] + 3 * GAS["audit"]
    assert least_gas(replace(whole, full_audit=False)) == base + 17 * GAS["reveal"]
    one = replace(whole, holdout=1, full_audit=False)
    assert Rules(gas_price=1).least == least_gas(one), "nothing cheaper can be invented"


def test_gas_is_a_little_below_what_the_smallest_challenge_pays() -> None:
    golden = json.loads((Path(__file__).parents[1] / "golden" / "market_gas.json").read_text())
    for call, gas in GAS.items():
        assert 0.9 * golden[call]["transaction_gas"] < gas <= golden[call]["transaction_gas"], call


@pytest.mark.parametrize("change", [{"share": 0.0}, {"share": 1.1}, {"rivals": -1}, {"gas_price": -1}])
def test_rules_that_mean_nothing_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=str(next(iter(change.values())))):
        Rules(**change)


def test_windows_are_days_and_weeks_from_monday_in_utc() -> None:
    # 2026-09-21 was a Monday
    monday = 1_789_948_800
    assert window_of(monday, "week") == (monday, monday + 7 * DAY)
    assert window_of(monday - 1, "week") == (monday - 7 * DAY, monday)
    assert window_of(monday + DAY - 1, "day") == (monday, monday + DAY)
    assert window_of(monday + DAY, "day") == (monday + DAY, monday + 2 * DAY)


def test_bands_have_their_lower_end_and_the_highest_has_both() -> None:
    found = {score: band_of(payment(score=score, samples=100)) for score in (0, 84, 85, 94, 95, 100)}
    assert found == {
        0: (0.0, 0.05),
        84: (0.8, 0.85),
        85: (0.85, 0.9),
        94: (0.9, 0.95),
        95: (0.95, 1.0),
        100: (0.95, 1.0),
    }


def test_tokens_are_apart_and_so_are_devices_and_windows() -> None:
    paid = [
        payment(challenge=0, reward=6 * ETH, declared=declared(2 * 10**18, 7200, device="NVIDIA H200"), gas=5),
        payment(challenge=1, reward=2 * ETH, declared=declared(10**18, 3600, device="Radeon"), gas=5),
        payment(challenge=2, reward=500, token=TOKEN, declared=declared(10**18), gas=5),
        payment(challenge=3, reward=700, token=TOKEN, gas=5, timestamp=1_790_000_000 + 8 * DAY),
        payment(challenge=4, reward=1, poster="p", winner="p"),
    ]
    ether, token = prices(paid, Rules(), "week")
    assert (ether.token, ether.counted, ether.declared, ether.uncounted) == (ETHER, 2, 2, {"own": 1})
    assert (token.token, token.counted, token.declared, token.uncounted) == (TOKEN, 2, 1, {})

    def told(all: tuple[Series, ...]) -> dict[str, list[float]]:
        return {series.measure: [one.price for one in series.points] for series in all}

    assert told(ether.series) == {"exaflop": [2.5 * ETH], "device-hour": [2.5 * ETH], "accuracy": [4 * ETH]}
    assert told(token.series) == {"exaflop": [500.0], "device-hour": [500.0], "accuracy": [500.0, 700.0]}
    chosen, _ = prices(paid, Rules(), "week", device="nvidia")
    assert told(chosen.series) == {"exaflop": [3 * ETH], "device-hour": [3 * ETH], "accuracy": [4 * ETH]}
    assert prices([], Rules(), "day") == []


def test_thousands_of_payments_take_no_account_of_their_order() -> None:
    rng = np.random.default_rng(4)
    paid = [
        payment(
            challenge=i,
            reward=int(rng.integers(1, 9 * ETH)),
            poster=f"p{rng.integers(90)}",
            winner=f"w{rng.integers(40)}",
            gas=1000,
            timestamp=1_790_000_000 + int(rng.integers(40 * DAY)),
            declared=declared(int(rng.integers(1, 9 * 10**18))),
        )
        for i in range(3000)
    ]
    found = prices(paid, Rules(), "week")
    assert found == prices(paid[::-1], Rules(), "week")
    (ether,) = found
    assert ether.counted == ether.declared == 3000
    assert sum(one.payments for one in ether.series[0].points) == 3000


# ── as JSON ──


def written(tmp_path: Path, change: Callable[[Any], object] = lambda found: None) -> Path:
    """A file of prices, changed."""
    paid = [payment(challenge=i, declared=declared((i + 1) * 10**18), gas=5) for i in range(7)]
    tokens = tuple(prices(paid, Rules(), "week"))
    made = report.entries(
        report.Report(
            market="0x" + "5e" * 20,
            chain_id=1,
            block=9,
            made=1_790_000_000,
            window="week",
            rules=Rules(),
            ceiling=2e16,
            device="",
            tokens=tokens,
            decimals={ETHER: 18},
            ignored={3: "why"},
        )
    )
    change(made)
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(made))
    return path


def test_a_file_of_prices_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = written(tmp_path)
    found = report.read(path)
    assert found == json.loads(path.read_text())
    assert found["tokens"][0]["series"][0]["points"][0]["interval"] is not None


def first(found: Any) -> Any:
    return found["tokens"][0]["series"][0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found.update(version=2), "version is 2, not 1"),
        (lambda found: found.update(version=True), "version is True, not 1"),
        (lambda found: found.pop("block"), "block is missing"),
        (lambda found: found.update(market="0x12"), "market is '0x12', and should be an address"),
        (lambda found: found.update(window="year"), "window is 'year'; there are day, week"),
        (lambda found: found.update(extra=1), "there is no extra in such a file"),
        (lambda found: found["rules"].update(share=2.0), "rules: share 2.0; use a part above 0"),
        (lambda found: found["tokens"][0].update(counted="7"), r"tokens\[0\]: counted is '7'"),
        (lambda found: first(found).update(measure="hour"), r"series\[0\]: measure is 'hour'; there are exaflop"),
        (lambda found: first(found).update(band=[0.5, 0.6]), "band is .0.5, 0.6. for exaflop"),
        (lambda found: first(found)["points"][0].update(price=float("nan")), "price is nan"),
        (lambda found: first(found)["points"][0].update(price=-1), "price is -1, and should be a number of 0 or more"),
        (lambda found: first(found)["points"][0].update(low=1e9), "low, price and high are 1000000000.0"),
        (lambda found: first(found)["points"].append(first(found)["points"][0]), "in the order of time"),
        (lambda found: first(found)["points"][0].update(interval=[1, None]), "interval is None"),
        (lambda found: first(found)["points"][0]["move"].update(accounts=0), "move: accounts is 0"),
        (lambda found: found.update(tokens={}), r"tokens is \{\}, and should be a list"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, change: Callable[[Any], object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        report.read(written(tmp_path, change))


def test_what_is_no_file_of_prices_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        report.read(tmp_path / "absent")
    (tmp_path / "text").write_text("{")
    with pytest.raises(DataError, match="is no JSON"):
        report.read(tmp_path / "text")
    (tmp_path / "text").write_text("[]")
    with pytest.raises(DataError, match="is no object"):
        report.read(tmp_path / "text")


def test_a_point_says_everything_in_the_unit_of_its_token() -> None:
    paid = [payment(challenge=i, reward=(i + 1) * ETH, gas=0, seal_fee=MILLI) for i in range(6)]
    found: Point = point(paid, of_reward, Rules(share=1.0, gas_price=1), WEEK)
    assert (found.price, found.low, found.high, found.payments) == (3.5 * ETH, 2 * ETH, 5 * ETH, 6)
    assert found.weight == 6 * MILLI
    # one of six may lie: a third to two thirds of the weight
    assert found.liar == (2 * ETH, 5 * ETH)
    # 3.85 has three below it and three above, so one payment moves it; that costs its gas
    assert found.up == found.down == Rules(gas_price=1).least


def test_neither_titanoboa_nor_jax_nor_a_compiler_is_needed() -> None:
    names = ("declarations", "facts", "picture", "report", "robust", "series", "strict", "weight", "work")
    code = (
        f"import sys, {', '.join(f'trainer.prices.{name}' for name in names)};"
        "print(sorted({'boa', 'vyper', 'jax'} & {name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
