"""Rigs, plans and feeds: read as written, and every wrong value refused by its name."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from trainer.allocation import feed, plan, rig
from trainer.allocation.feed import Feed
from trainer.allocation.plan import Do, Plan
from trainer.allocation.rig import Rig
from trainer.errors import DataError
from trainer.strict import Value

RIG = """
currency = "USD"
[risk]
most_at_risk = 500.0
least_chance = 0.2
[switch]
least_gain = 0.05
hold_hours = 2
[[device]]
name = "gpu0"
profile = "cuda:0"
visible = "0"
idle_watts = 15.0
train_watts = 220.0
switch_seconds = 60
most_watts = 250.0
most_celsius = 83.0
[[device.mining]]
algorithm = "kheavyhash"
hash_rate = 1.1e9
watts = 180.0
command = ["miner", "--device", "0", "--coin", "{coin}"]
[[device.mining]]
algorithm = "etchash"
coins = ["ETC"]
hash_rate = 6e7
watts = 120
command = ["other-miner", ""]
grace_seconds = 5
[[device]]
name = "cpu"
cores = "0-2,5"
idle_watts = 40
[training]
command = ["trainer", "agent", "--config", "assay.toml", "--for", "{challenge}"]
"""

PLAN: dict[str, Any] = {
    "version": 1,
    "made": 1_000,
    "start": 3_600,
    "step": 3_600,
    "currency": "USD",
    "expected": 1.25,
    "devices": [
        {
            "name": "gpu0",
            "slots": [
                {
                    "from": 3_600,
                    "to": 7_200,
                    "do": "mine",
                    "coin": "KAS",
                    "algorithm": "kheavyhash",
                    "challenge": None,
                    "preset": None,
                    "why": "It pays.",
                },
                {
                    "from": 10_800,
                    "to": 14_400,
                    "do": "train",
                    "coin": None,
                    "algorithm": None,
                    "challenge": 7,
                    "preset": "digits-64-32",
                    "why": "It pays more.",
                },
            ],
        },
        {"name": "cpu", "slots": []},
    ],
    "entries": [
        {
            "challenge": 7,
            "preset": "digits-64-32",
            "hours": 1.0,
            "chance": 0.5,
            "reward": 10.0,
            "commit_by": 14_400,
            "expected": 4.0,
        }
    ],
}

FEED: dict[str, Any] = {
    "version": 1,
    "time": 3_000,
    "currency": "USD",
    "ether": 3100.0,
    "electricity": [{"from": 0, "price": 0.12}, {"from": 7_200, "price": -0.02}],
    "coins": {
        "KAS": {
            "algorithm": "kheavyhash",
            "price": 0.11,
            "network_hash_rate": 1e15,
            "block_reward": 77.0,
            "blocks_per_day": 86_400,
            "pool_fee": 0.01,
            "forecast": [{"from": 7_200, "price": 0.1, "network_hash_rate": 1.1e15}],
        }
    },
}


def read_rig(text: str, tmp_path: Path) -> Rig:
    path = tmp_path / "rig.toml"
    path.write_text(text)
    return rig.load(path)


def read_plan(value: Any) -> Plan:
    return plan.loads(json.dumps(value), "plan.json")


def read_feed(value: Any) -> Feed:
    return feed.loads(json.dumps(value), "feed.json")


def changed(value: Any, place: tuple[str | int, ...], new: Any) -> Any:
    """A copy with another value at a place; `...` takes the place away."""
    found = copy.deepcopy(value)
    at = found
    for step in place[:-1]:
        at = at[step]
    if new is ...:
        del at[place[-1]]
    else:
        at[place[-1]] = new
    return found


def test_a_rig_is_read_as_it_stands_there(tmp_path: Path) -> None:
    found = read_rig(RIG, tmp_path)
    gpu, cpu = found.devices
    assert (found.currency, found.risk.most_at_risk, found.risk.least_chance, found.risk.aversion) == (
        "USD",
        500,
        0.2,
        0,
    )
    assert (found.switch.least_gain, found.switch.hold_hours) == (0.05, 2)
    assert (gpu.profile, gpu.visible, gpu.cores, gpu.train_watts, gpu.switch_seconds) == ("cuda:0", "0", None, 220, 60)
    assert (gpu.most_watts, gpu.most_celsius, cpu.cores, cpu.train_watts, cpu.mining) == (
        250,
        83,
        (0, 1, 2, 5),
        None,
        (),
    )
    kas, etc = gpu.mining
    assert (kas.algorithm, kas.hash_rate, kas.watts, kas.grace_seconds, kas.coins) == (
        "kheavyhash",
        1.1e9,
        180,
        20,
        None,
    )
    assert gpu.miner("KAS", "kheavyhash") is kas
    assert gpu.miner("ETC", "etchash") is etc
    assert gpu.miner("other", "etchash") is None
    assert cpu.miner("KAS", "kheavyhash") is None
    assert found.training is not None
    assert rig.fill(found.training.command, {"challenge": 7, "device": "gpu0"})[-1] == "7"
    assert found.device("cpu") is cpu
    with pytest.raises(DataError, match="no device 'x'; the rig has gpu0, cpu"):
        found.device("x")


def test_a_rig_may_have_no_devices(tmp_path: Path) -> None:
    found = read_rig('currency = "EUR"', tmp_path)
    assert (found.devices, found.training, found.risk.most_at_risk) == ((), None, 0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('currency = "USD"', "", "currency is missing"),
        ('currency = "USD"', "currency = 3", "currency is 3; use a text"),
        ('currency = "USD"', 'currency = "USD"\nspeed = 1', "no such entry: 'speed'"),
        ("most_at_risk = 500.0", "most_at_risk = -1", "risk: most_at_risk is -1; use a number of 0 or more"),
        ("most_at_risk = 500.0", "most_at_risk = nan", "risk: most_at_risk is nan; use a finite number"),
        ("most_at_risk = 500.0", "most_at_risk = true", "risk: most_at_risk is True; use a number"),
        ("least_chance = 0.2", "least_chance = 1.5", "least_chance is 1.5; use a number of 0 or more and of 1 or less"),
        ("hold_hours = 2", "hold_hours = 0", "hold_hours is 0; use a whole number of 1 or more"),
        ("hold_hours = 2", "hold_hours = 1.5", "hold_hours is 1.5; use a whole number"),
        ('name = "cpu"', 'name = "gpu0"', "device 1: name is 'gpu0', as another's"),
        ('name = "cpu"', "", "device 1: name is missing"),
        ("idle_watts = 40", "", "device 1: idle_watts is missing"),
        ("idle_watts = 40", "idle_watts = inf", "device 1: idle_watts is inf; use a finite number"),
        ('visible = "0"', "visible = 0", "visible is 0; use what CUDA_VISIBLE_DEVICES takes"),
        ('visible = "0"', 'visible = "0; rm"', "visible is '0; rm'"),
        ('cores = "0-2,5"', 'cores = "3-1"', "cores is '3-1'; use numbers of cores"),
        ('cores = "0-2,5"', 'cores = "a"', "cores is 'a'; use numbers of cores"),
        ("hash_rate = 1.1e9", "hash_rate = 0", "mining 0: hash_rate is 0; use a number above 0"),
        ('algorithm = "etchash"', 'algorithm = "kheavyhash"', "mining 1: algorithm 'kheavyhash' stands there twice"),
        ("{coin}", "{pool}", "command 4 is '{pool}'; {pool} is nothing that is filled in; there are {coin}, {device}"),
        ("{challenge}", "{coin}", "{coin} is nothing that is filled in; there are {challenge}, {deadline}"),
        ('command = ["other-miner", ""]', "command = []", "mining 1: command is []; name 1 or more"),
        ('command = ["other-miner", ""]', 'command = [""]', "command 0 is ''; use the name of a program"),
        ('command = ["other-miner", ""]', 'command = "other-miner"', "command is 'other-miner'; use a list"),
        ("[training]", "[training]\ngrace_seconds = -1", "training: grace_seconds is -1"),
        ("[training]", "[training", "no TOML"),
    ],
)
def test_a_wrong_rig_is_refused_by_the_value(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in RIG
    with pytest.raises(DataError) as refused:
        read_rig(RIG.replace(old, new), tmp_path)
    text = str(refused.value)
    assert said in text
    assert "rig.toml" in text
    assert "\n" not in text


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for load in (rig.load, plan.load, feed.load):
        with pytest.raises(DataError, match="nowhere: cannot be read"):
            load(tmp_path / "nowhere")


def test_a_plan_comes_back_from_its_file(tmp_path: Path) -> None:
    found = read_plan(PLAN)
    assert plan.as_dict(found) == PLAN
    plan.save(tmp_path / "plan.json", found)
    assert plan.load(tmp_path / "plan.json") == found
    gpu = found.device("gpu0")
    assert gpu is not None
    assert [(slot.do, slot.coin, slot.challenge) for slot in gpu.slots] == [
        (Do.MINE, "KAS", None),
        (Do.TRAIN, None, 7),
    ]
    assert [gpu.at(now) for now in (3_599, 3_600, 7_199, 7_200, 10_800, 14_400)] == [
        None,
        gpu.slots[0],
        gpu.slots[0],
        None,
        gpu.slots[1],
        None,
    ]
    assert (found.end, found.entry(7), found.entry(8), found.device("x")) == (14_400, found.entries[0], None, None)


SLOT = ("devices", 0, "slots")


@pytest.mark.parametrize(
    ("place", "new", "said"),
    [
        (("version",), 2, "version is 2; only version 1 is known"),
        (("made",), 1.5, "made is 1.5; use a whole number"),
        (("made",), 10**15, "made is 1000000000000000; use a whole number of 0 or more"),
        (("step",), 0, "step is 0"),
        (("currency",), None, "currency is None"),
        (("expected",), float("nan"), "expected is nan; use a finite number"),
        (("expected",), "1", "expected is '1'; use a number"),
        (("entries",), ..., "entries is missing"),
        (("more",), 1, "no such entry: 'more'"),
        (("devices",), {}, "devices is {}; use a list"),
        (("devices", 1, "name"), "gpu0", "devices 1: 'gpu0' stands there twice"),
        ((*SLOT, 0, "to"), 3_600, "slots 0: to is 3600; use a time after 3600"),
        ((*SLOT, 1, "from"), 7_199, "slots 1: from is 7199, before the end of the one before, 7200"),
        ((*SLOT, 0, "do"), "dig", "slots 0: do is 'dig'; use one of mine, train, off"),
        ((*SLOT, 0, "do"), [], "do is []; use one of"),
        ((*SLOT, 0, "coin"), None, "slots 0: coin is None; a slot to mine needs it"),
        ((*SLOT, 0, "challenge"), 7, "slots 0: challenge is 7; a slot to mine has none"),
        ((*SLOT, 0, "do"), "off", "slots 0: coin is 'KAS'; a slot to off has none"),
        ((*SLOT, 1, "challenge"), None, "slots 1: challenge is None; a slot to train needs it"),
        ((*SLOT, 1, "challenge"), 8, "slots 1: challenge is 8, which has no entry"),
        ((*SLOT, 1, "challenge"), -1, "challenge is -1"),
        ((*SLOT, 1, "why"), " ", "slots 1: why is ' '; use a text that is not empty"),
        ((*SLOT, 1, "preset"), 4, "preset is 4"),
        ((*SLOT, 1, "preset"), "$(reboot)", "preset is '$(reboot)'; use letters, digits"),
        ((*SLOT, 0, "coin"), "--config", "coin is '--config'; use letters, digits"),
        (("entries", 0, "preset"), "a b", "entries 0: preset is 'a b'; use letters, digits"),
        (("entries", 0, "chance"), 1.01, "entries 0: chance is 1.01"),
        (("entries", 0, "hours"), -1, "entries 0: hours is -1"),
        (("entries",), [PLAN["entries"][0]] * 2, "entries 1: 7 stands there twice"),
    ],
)
def test_a_wrong_plan_is_refused_by_the_value(place: tuple[str | int, ...], new: Any, said: str) -> None:
    with pytest.raises(DataError) as refused:
        read_plan(changed(PLAN, place, new))
    assert said in str(refused.value)
    assert str(refused.value).startswith("plan.json")


def test_a_feed_is_a_step_function_of_time() -> None:
    found = read_feed(FEED)
    assert [found.kwh(now) for now in (0, 7_199, 7_200, 10**9)] == [0.12, 0.12, -0.02, -0.02]
    kas = found.coins["KAS"]
    assert [kas.at(now).price for now in (0, 7_199, 7_200)] == [0.11, 0.11, 0.1]
    # the part of the network that is one's own, of all blocks of an hour, less the pool's
    by_hand = 1e12 / (1e15 + 1e12) * 77 * 86_400 / 24 * 0.11 * 0.99
    assert kas.income(1e12, 0) == pytest.approx(by_hand, rel=1e-12)
    assert kas.income(1e12, 7_200) == pytest.approx(1e12 / (1.1e15 + 1e12) * 77 * 86_400 / 24 * 0.1 * 0.99, rel=1e-12)
    # with all of a network one earns its blocks, and two devices share what they have together
    assert kas.income(1e25, 0) == pytest.approx(77 * 3_600 * 0.11 * 0.99, rel=1e-9)
    assert kas.income(1e12, 0, beside=3e12) == pytest.approx(kas.income(4e12, 0) / 4, rel=1e-12)


KAS = ("coins", "KAS")


@pytest.mark.parametrize(
    ("place", "new", "said"),
    [
        (("version",), 0, "version is 0; only version 1 is known"),
        (("time",), "now", "time is 'now'; use a whole number"),
        (("time",), 1_700_000_000_000, "time is 1700000000000; use a whole number of 0 or more, at most"),
        (("ether",), 0, "ether is 0; use a number above 0"),
        (("ether",), float("inf"), "ether is inf; use a finite number"),
        (("electricity",), [], "electricity is []; name 1 or more"),
        (("electricity", 1, "from"), 0, "electricity 1: from is 0, not after 0"),
        (("electricity", 0, "price"), float("nan"), "electricity 0: price is nan; use a finite number"),
        (("coins",), [], "coins is []; use a table"),
        (("coins",), {"KAS; reboot": FEED["coins"]["KAS"]}, "coins: name is 'KAS; reboot'; use letters, digits"),
        (("coins",), {"-o": FEED["coins"]["KAS"]}, "coins: name is '-o'; use letters, digits"),
        (("coins",), {"KAS\n": FEED["coins"]["KAS"]}, "coins: name is 'KAS\\n'; use letters, digits"),
        ((*KAS, "price"), float("nan"), "coins: KAS: price is nan; use a finite number"),
        ((*KAS, "price"), 0, "coins: KAS: price is 0; use a number above 0"),
        ((*KAS, "price"), "0.11", "coins: KAS: price is '0.11'; use a number"),
        ((*KAS, "price"), 10**400, "coins: KAS: price is 1000"),
        ((*KAS, "network_hash_rate"), -1e15, "network_hash_rate is -1000000000000000.0; use a number above 0"),
        ((*KAS, "network_hash_rate"), ..., "KAS: network_hash_rate is missing"),
        ((*KAS, "pool_fee"), 2, "pool_fee is 2; use a number of 0 or more and of 1 or less"),
        ((*KAS, "volume"), 2, "KAS: no such entry: 'volume'"),
        ((*KAS, "forecast", 0, "price"), None, "forecast 0: price is None"),
        ((*KAS, "forecast"), FEED["coins"]["KAS"]["forecast"] * 2, "forecast 1: from is 7200, not after 7200"),
        (("tokens",), {"0xAB": -1}, "tokens: 0xAB is -1; use a number of 0 or more"),
    ],
)
def test_a_wrong_feed_is_refused_by_the_value(place: tuple[str | int, ...], new: Any, said: str) -> None:
    with pytest.raises(DataError) as refused:
        read_feed(changed(FEED, place, new))
    assert said in str(refused.value)
    assert str(refused.value).startswith("feed.json")
    assert len(str(refused.value)) < 250


def test_no_price_is_made_up_for_what_was_before_the_feed() -> None:
    late = read_feed(changed(FEED, ("electricity",), [{"from": 5_000, "price": 0.1}]))
    assert late.kwh(5_000) == 0.1
    with pytest.raises(DataError, match="electricity begins at 5000, after 4999"):
        late.kwh(4_999)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ('{"version": 1, "version": 1}', "'version' stands there twice"),
        ("[" * 100_000, "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        ("null", "is None; use a table"),
    ],
)
def test_what_is_no_json_is_refused(text: str | bytes, said: str) -> None:
    for read in (feed.loads, plan.loads):
        with pytest.raises(DataError, match=said):
            read(text)


def test_a_long_wrong_value_is_cut() -> None:
    with pytest.raises(DataError) as refused:
        Value("x" * 1_000, "here").number()
    assert len(str(refused.value)) < 120
