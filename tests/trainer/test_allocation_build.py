"""From files to a plan and on to the next: what is left out, what is kept, and what gives way."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.allocation_rig import HOUR, NOW, PRESET, RIG, a_feed, a_profile, a_rig, challenge_of, challenges_file
from trainer.allocation import offers, running
from trainer.allocation.build import Planning, build
from trainer.allocation.instance import OFF, Activity
from trainer.allocation.offers import Market
from trainer.allocation.plan import DevicePlan, Do, Entry, Plan, Slot
from trainer.allocation.replan import Choice, choose
from trainer.allocation.value import violations
from trainer.allocation.words import clock, plan_of, span
from trainer.errors import DataError

MINE = Activity(Do.MINE, 0)
NOTHING = Market()
ONE_TRAINS = [RIG["device"][0], {name: value for name, value in RIG["device"][1].items() if name != "profile"}]


def market(tmp_path: Path, *challenges: dict[str, Any], income: float = 0.1) -> Market:
    return offers.load(challenges_file(tmp_path, *challenges), a_feed(income), 0.0)


def planning(
    found: Market = NOTHING,
    *,
    now: int = NOW,
    hours: int = 12,
    old: Plan | None = None,
    step: int = HOUR,
    income: float = 0.1,
    kwh: float = 0.1,
    electricity: list[dict[str, float]] | None = None,
    profile: tuple[float, ...] = (),
    **rig: Any,
) -> Planning:
    more = {"electricity": electricity} if electricity else {}
    return build(
        a_rig(**rig),
        a_profile(*profile),
        a_feed(income, kwh, **more),
        found,
        now=now,
        hours=hours,
        step=step,
        old=old,
    )


def planned(known: Planning, old: Plan | None = None) -> tuple[Plan, Choice]:
    choice = choose(known, old)
    assert violations(known.instance, choice.schedule) == []
    return plan_of(known, choice, old), choice


def does(plan: Plan, device: str) -> list[tuple[str, int, int]]:
    """What a device does, with hours from the first moment."""
    found = plan.device(device)
    assert found is not None
    return [
        (slot.coin or str(slot.challenge or slot.do), (slot.start - NOW) // HOUR, (slot.end - NOW) // HOUR)
        for slot in found.slots
    ]


def test_the_numbers_of_an_instance_are_those_of_the_files(tmp_path: Path) -> None:
    known = planning(
        market(tmp_path, challenge_of()), electricity=[{"from": 0, "price": 0.1}, {"from": NOW + 5_400, "price": 0.3}]
    )
    instance = known.instance
    assert (instance.slots, instance.hold, instance.most_at_risk) == (12, 1, 500)
    # the price changes in the middle of the second hour
    assert instance.kwh[:4] == pytest.approx([0.1, 0.2, 0.3, 0.3])
    fast, slow = instance.machines
    assert fast.lost == 180 / 3_600
    assert instance.networks[0].income(0, fast.ways[MINE].rate) == pytest.approx(0.1, rel=1e-5)
    job = Activity(Do.TRAIN, 0)
    assert (fast.ways[job].rate, slow.ways[job].rate) == (pytest.approx(1 / 4), pytest.approx(1 / 8))
    assert (fast.ways[job].watts, fast.doing) == (250, {OFF})
    # 0.05 ether of bond and 0.001 of fee
    assert instance.jobs[0].at_risk == pytest.approx(51)
    assert np.all(np.diff(instance.jobs[0].gains) <= 0)


def test_training_that_pays_is_planned_and_said(tmp_path: Path) -> None:
    plan, choice = planned(planning(market(tmp_path, challenge_of()), device=ONE_TRAINS))
    # four hours and what the change takes make five
    assert does(plan, "gpu0") == [("7", 0, 5), ("C", 5, 12)]
    assert does(plan, "gpu1") == [("C", 0, 12)]
    (entry,) = plan.entries
    assert (entry.challenge, entry.preset, entry.hours) == (7, PRESET, 5)
    # rivals may be as good: the chance is below that of reaching the threshold
    assert 0.3 < entry.chance < 0.9
    assert entry.expected == pytest.approx(entry.chance * 100 - 1 - 0.5, abs=0.02)
    assert NOW + 5 * HOUR <= entry.commit_by < NOW + 20 * HOUR
    assert plan.expected == pytest.approx(choice.profit, abs=0.1)
    assert plan.expected > max(choice.baselines.values()) - 1e-9
    gpu0 = plan.device("gpu0")
    assert gpu0 is not None
    train, mine = gpu0.slots
    assert train.why.startswith(f"gpu0 trains {PRESET} for challenge 7 {clock(NOW)}-")
    assert train.why.endswith(" USD) against 0.08 for C.")
    assert (
        mine.why == f"gpu0 mines C {span(NOW + 5 * HOUR, NOW + 12 * HOUR)}: 0.08 USD/h against -0.0015 for being off."
    )


def test_what_looks_better_and_is_not_done_has_a_reason(tmp_path: Path) -> None:
    plan, _ = planned(planning(market(tmp_path, challenge_of()), risk={"most_at_risk": 50.0}))
    assert plan.entries == ()
    gpu0 = plan.device("gpu0")
    assert gpu0 is not None
    assert "; challenge 7 would pay" in gpu0.slots[0].why
    assert gpu0.slots[0].why.endswith("but its bond and fee of 51 would exceed what may be at risk.")


@pytest.mark.parametrize(
    ("challenge", "rig", "profile", "why"),
    [
        ({"closes": NOW + 30 * 60}, {}, (), "its commits end too soon"),
        ({"closes": NOW + 3 * HOUR}, {}, (), "takes 4.0 h, and 2 h are left"),
        ({"presets": ["digits-64-32"]}, {}, (), "no device has a profile of its presets"),
        ({"seals": 9}, {"risk": {"most_at_risk": 500.0, "least_chance": 0.2}}, (), "a chance of"),
        ({"reward": 0.0001}, {}, (), f"a seal of {PRESET} is worth -"),
        ({}, {}, (4.0, 0.01), f"a seal of {PRESET} is worth -"),
        ({}, {"risk": {"most_at_risk": 500.0, "aversion": 5.0}}, (), f"a seal of {PRESET} is worth"),
    ],
)
def test_a_challenge_that_is_left_out_has_a_reason(
    tmp_path: Path, challenge: dict[str, Any], rig: dict[str, Any], profile: tuple[float, ...], why: str
) -> None:
    known = planning(market(tmp_path, challenge_of(**challenge)), profile=profile, **rig)
    assert known.works == ()
    (note,) = known.notes
    assert note.startswith("challenge 7 is left out: ")
    assert why in note


def test_without_training_or_a_profile_it_mines(tmp_path: Path) -> None:
    found = market(tmp_path, challenge_of())
    rig = {name: value for name, value in RIG.items() if name != "training"}
    from trainer.allocation.rig import parse
    from trainer.strict import Value

    known = build(parse(Value(rig, "rig")), a_profile(), a_feed(), found, now=NOW, hours=3)
    assert "no [training] command" in known.notes[0]
    known = build(a_rig(), None, a_feed(), found, now=NOW, hours=3)
    assert "there is no profile" in known.notes[0]
    assert does(planned(known)[0], "gpu0") == [("C", 0, 3)]


def test_a_rig_without_devices_has_an_empty_plan(tmp_path: Path) -> None:
    plan, choice = planned(planning(market(tmp_path, challenge_of()), device=[]))
    assert (plan.devices, plan.entries, choice.profit) == ((), (), 0)


def test_what_draws_too_much_is_not_planned() -> None:
    devices = [RIG["device"][0] | {"most_watts": 190.0}, RIG["device"][1]]
    known = planning(device=devices)
    assert any("draw more than its 190 W" in note for note in known.notes)
    assert does(planned(known)[0], "gpu0") == [("off", 0, 12)]
    together, _ = planned(planning(most_watts=220.0))
    assert does(together, "gpu0") == [("C", 0, 12)]
    assert does(together, "gpu1") == [("off", 0, 12)]


def test_paid_for_electricity_is_worth_a_loss_of_income() -> None:
    # being off draws 15 W, mining 200: at -1 a kWh mining a coin that is worth nothing brings 0.2
    plan, _ = planned(planning(income=1e-6, kwh=-1.0))
    assert does(plan, "gpu0") == [("C", 0, 12)]
    assert plan.expected == pytest.approx(12 * 2 * 0.2, rel=1e-3)


def test_files_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the feed is in USD, the rig in EUR"):
        planning(currency="EUR")
    with pytest.raises(DataError, match="switch_seconds is 180; use up to a step, 60 s"):
        planning(hours=1, step=60)
    plan, _ = planned(planning())
    with pytest.raises(DataError, match="the running plan is in EUR"):
        planning(old=replace(plan, currency="EUR"))
    with pytest.raises(DataError, match="electricity begins at"):
        planning(electricity=[{"from": NOW + 1, "price": 0.1}])
    devices = [RIG["device"][0] | {"profile": "cuda:9"}]
    with pytest.raises(DataError, match="no device 'cuda:9' in the profile"):
        planning(market(tmp_path, challenge_of()), device=devices)


# ── on to the next plan ──


def slot(do: Do, first: float, last: float, **more: Any) -> Slot:
    named = {Do.MINE: {"coin": "C", "algorithm": "a"}, Do.TRAIN: {"challenge": 7, "preset": PRESET}, Do.OFF: {}}[do]
    return Slot(start=NOW + round(first * HOUR), end=NOW + round(last * HOUR), do=do, why="so", **(named | more))


def a_plan(*slots: Slot, other: tuple[Slot, ...] = (), entered: bool = True) -> Plan:
    entry = Entry(challenge=7, preset=PRESET, hours=5, chance=0.5, reward=100, commit_by=NOW + 5 * HOUR, expected=40)
    return Plan(
        made=NOW,
        start=NOW,
        step=HOUR,
        currency="USD",
        expected=0.0,
        devices=(DevicePlan(name="gpu0", slots=slots), DevicePlan(name="gpu1", slots=other)),
        entries=(entry,) if entered else (),
    )


def test_the_next_plan_begins_where_a_slot_of_the_running_one_ends() -> None:
    old = a_plan(slot(Do.MINE, 0, 6))
    starts = [running.next_start(old, NOW + seconds, HOUR) - NOW for seconds in (0, 1, HOUR, HOUR + 1, 6 * HOUR + 7)]
    assert starts == [0, HOUR, HOUR, 2 * HOUR, 6 * HOUR + 7]
    assert running.next_start(None, 5, HOUR) == 5
    assert running.next_start(old, NOW + 100, 600) == NOW + 100
    assert running.next_start(old, NOW - 1, HOUR) == NOW - 1


def test_plans_that_are_made_within_one_slot_all_begin_at_its_end() -> None:
    old = replace(a_plan(slot(Do.MINE, 0, 6)), made=NOW + 600, start=NOW + HOUR)
    starts = [running.next_start(old, NOW + seconds, HOUR) - NOW for seconds in (600, 1_200, HOUR, HOUR + 1)]
    assert starts == [HOUR, HOUR, HOUR, 2 * HOUR]


def test_what_a_device_does_and_since_when() -> None:
    old = a_plan(slot(Do.OFF, 0, 1), slot(Do.MINE, 1, 2), slot(Do.MINE, 2, 4), slot(Do.TRAIN, 4, 6))
    found = [running.at(old, "gpu0", NOW + hour * HOUR) for hour in (1, 3, 4, 5, 9)]
    assert [(None if now.slot is None else now.slot.do, now.held / HOUR) for now in found] == [
        (None, 1),
        (Do.MINE, 2),
        (Do.MINE, 3),
        (Do.TRAIN, 1),
        (None, 3),
    ]
    assert running.at(old, "gpu1", NOW + HOUR).held == float("inf")
    assert running.at(None, "gpu0", NOW).slot is None


def test_what_is_trained_counts_and_stays_in_the_plan(tmp_path: Path) -> None:
    found = market(tmp_path, challenge_of())
    old = a_plan(slot(Do.TRAIN, 0, 2), slot(Do.MINE, 2, 3), slot(Do.TRAIN, 3, 6))
    known = planning(found, old=old, now=NOW + 4 * HOUR, device=ONE_TRAINS)
    # three hours of four, less 180 s at either beginning
    assert known.instance.jobs[0].done == pytest.approx((3 - 0.1) / 4)
    assert known.instance.machines[0].doing == {Activity(Do.TRAIN, 0)}
    plan, _ = planned(known, old)
    # a little more than an hour is left
    assert does(plan, "gpu0")[:4] == [("7", 0, 2), ("7", 3, 4), ("7", 4, 6), ("C", 6, 16)]
    again = planning(found, old=plan, now=NOW + 5 * HOUR, device=ONE_TRAINS)
    assert again.instance.jobs[0].done == pytest.approx((4 - 0.1) / 4)


def test_a_slot_that_is_under_way_stays_until_the_next_boundary() -> None:
    old = a_plan(slot(Do.MINE, 0, 3), other=(slot(Do.OFF, 0, 3),), entered=False)
    plan, _ = planned(planning(old=old, now=NOW + 1_800, kwh=10.0), old)
    assert plan.start == NOW + HOUR
    assert does(plan, "gpu0") == [("C", 0, 1), ("off", 1, 13)]


def test_what_is_better_by_little_replaces_nothing() -> None:
    old, _ = planned(planning())
    # for an hour electricity costs the second device a little more than mining brings it
    then = [{"from": NOW + 5 * HOUR, "price": 0.35}, {"from": NOW + 6 * HOUR, "price": 0.1}]
    prices = [{"from": 0, "price": 0.1}, *then]
    kept, choice = planned(planning(old=old, electricity=prices), old)
    assert choice.kept
    assert 0 < choice.gain < 0.05
    assert does(kept, "gpu1") == does(old, "gpu1")
    gone, choice = planned(planning(old=old, electricity=prices, switch={"least_gain": 0.0}), old)
    assert not choice.kept
    assert does(gone, "gpu1") == [("C", 0, 5), ("off", 5, 6), ("C", 6, 12)]
    # and what is better by much replaces all
    dear = [prices[0], then[0] | {"price": 5.0}, then[1]]
    plan, choice = planned(planning(old=old, electricity=dear), old)
    assert not choice.kept
    assert ("off", 5, 6) in does(plan, "gpu0")


def test_a_reward_that_both_plans_expect_does_not_hide_what_mining_loses(tmp_path: Path) -> None:
    found = market(tmp_path, challenge_of())
    old, _ = planned(planning(found, device=ONE_TRAINS))
    # mining is a loss of some cents an hour now, which is little beside the reward
    plan, choice = planned(planning(found, device=ONE_TRAINS, old=old, now=NOW + HOUR, kwh=0.6), old)
    assert not choice.kept
    assert choice.profit > 40
    assert does(plan, "gpu1") == [("off", 1, 13)]
    # and what is little even beside what mining brings, changes nothing
    plan, choice = planned(planning(found, device=ONE_TRAINS, old=old, now=NOW + HOUR, income=0.101), old)
    assert choice.kept


def test_a_kept_plan_goes_on_behind_its_end() -> None:
    old, _ = planned(planning(hours=6))
    plan, choice = planned(planning(old=old, now=NOW + 2 * HOUR), old)
    assert choice.kept
    assert does(plan, "gpu0") == [("C", 2, 14)]


def test_a_challenge_that_is_gone_ends_its_slots() -> None:
    old = a_plan(slot(Do.TRAIN, 0, 5), slot(Do.MINE, 5, 12))
    plan, choice = planned(planning(old=old, now=NOW + HOUR), old)
    assert choice.kept
    assert does(plan, "gpu0") == [("C", 1, 13)]
    assert plan.entries == ()


def test_a_coin_that_is_gone_ends_its_slots() -> None:
    old = a_plan(slot(Do.MINE, 0, 12, coin="GONE"), entered=False)
    known = planning(old=old, now=NOW + HOUR, switch={"hold_hours": 6})
    assert known.instance.machines[0].doing == {OFF}
    assert does(planned(known, old)[0], "gpu0") == [("C", 1, 13)]


def test_what_was_begun_is_held_into_the_next_plan() -> None:
    old, _ = planned(planning())
    # mining is dear now, and 1 of 4 hours were held
    plan, choice = planned(planning(old=old, now=NOW + HOUR, kwh=5.0, switch={"hold_hours": 4}), old)
    assert not choice.kept
    assert does(plan, "gpu0") == [("C", 1, 4), ("off", 4, 13)]
    device = plan.device("gpu0")
    assert device is not None
    assert [slot.why for slot in device.slots if slot.start == NOW + HOUR] == [
        why for slot in device.slots if (why := slot.why).endswith("but what is begun is held for 4 h.")
    ]


def test_times_are_said_in_utc() -> None:
    # 24 November 2025 was a Monday
    assert (clock(NOW), time.gmtime(NOW).tm_hour) == ("Mon 16:00", 16)
    assert span(NOW, NOW + HOUR) == "Mon 16:00-17:00"
    assert span(NOW, NOW + 10 * HOUR) == "Mon 16:00-Tue 02:00"
    assert span(NOW, NOW + 7 * 24 * HOUR) == "Mon 16:00-Mon 16:00"
