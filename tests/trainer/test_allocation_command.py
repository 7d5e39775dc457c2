"""`trainer allocate`: what it prints and writes, and that a bad feed leaves the plan that runs."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.allocation_rig import HOUR, NOW, RIG, challenge_of, challenges_file, feed_of, profile_of, toml
from trainer.allocation import plan as plans
from trainer.allocation.plan import Do
from trainer.cli import app


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where everything lies, and where the command runs."""
    monkeypatch.chdir(tmp_path)
    for name in ("NODE", "MARKET", "CONFIG"):
        monkeypatch.delenv(f"ASSAY_{name}", raising=False)
    (tmp_path / "rig.toml").write_text(toml(RIG))
    (tmp_path / "profile.json").write_text(json.dumps(profile_of()))
    challenges_file(tmp_path, challenge_of())
    return tmp_path


def run(*more: object, after: int = 0, feed: Any = None, **changes: Any) -> Result:
    """Run it so many seconds after the first moment."""
    if feed is None:
        feed = feed_of(time=NOW + after, **changes)
    Path("feed.json").write_text(feed if isinstance(feed, str) else json.dumps(feed))
    arguments = ["allocate", "--feed", "feed.json", "--now", NOW + after, "--hours", 12, "--gas-price-gwei", 1, *more]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def good(*more: object, **changes: Any) -> dict[str, Any]:
    result = run("--json", *more, **changes)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


CHALLENGES = ("--challenges", "challenges.json")


def test_it_writes_a_plan_and_says_why(folder: Path) -> None:
    result = run(*CHALLENGES, "--picture", "plan.png")
    assert result.exit_code == 0, result.output
    found = plans.load(folder / "plan.json")
    assert [slot.do for slot in found.devices[0].slots] == [Do.TRAIN, Do.MINE]
    for device in found.devices:
        for slot in device.slots:
            assert slot.why in result.stdout
    for words in (
        "challenge 7",
        "all mining",
        "all training",
        "hourly",
        "Next: trainer run --plan plan.json --rig rig.toml",
    ):
        assert words in result.stdout
    assert (folder / "plan.png").read_bytes().startswith(b"\x89PNG")
    report = good(*CHALLENGES, "--fresh", "--out", "other.json")
    assert report["expected"] == pytest.approx(found.expected)
    assert report["devices"] == plans.as_dict(plans.load(folder / "other.json"))["devices"]
    assert report["gap"] <= 1e-6
    assert max(report["baselines"].values()) <= report["expected"]


def test_without_a_market_it_mines_and_says_so(folder: Path) -> None:
    result = run("--json")
    assert "no market is named: nothing is trained" in result.stderr
    assert [device["slots"][0]["do"] for device in json.loads(result.stdout)["devices"]] == ["mine", "mine"]


def test_no_devices_are_no_error(folder: Path) -> None:
    (folder / "rig.toml").write_text('currency = "USD"')
    result = run(*CHALLENGES, "--picture", "plan.png")
    assert result.exit_code == 0, result.output
    assert "nothing to plan" in result.stdout
    assert "Next:" not in result.stdout
    assert plans.load(folder / "plan.json").devices == ()


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "{}",
        feed_of(time=NOW + 600) | {"ether": float("nan")},
        feed_of(income=float("inf"), time=NOW + 600),
        feed_of(kwh=50.0, time=NOW + 600),
        feed_of(income=1e-5, time=NOW + 600),
        feed_of(income=1e5, time=NOW + 600),
        feed_of(time=NOW - 1),
        feed_of(time=NOW + 10**6),
        feed_of(time=NOW + 600) | {"coins": {}},
    ],
)
def test_a_bad_feed_leaves_the_plan_that_runs(folder: Path, bad: Any) -> None:
    good(*CHALLENGES)
    before = (folder / "plan.json").read_bytes()
    result = run(*CHALLENGES, after=600, feed=bad)
    assert result.exit_code == 0, result.output
    assert "the plan that runs stays" in result.stderr
    assert (folder / "plan.json").read_bytes() == before
    # in the end the last good one is too old; even then nothing happens to the plan
    result = run(*CHALLENGES, after=3 * HOUR, feed=bad)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert (folder / "plan.json").read_bytes() == before


def test_a_jump_replaces_a_plan_at_the_second_reading(folder: Path) -> None:
    good(*CHALLENGES)
    assert good(*CHALLENGES, after=600, income=1e-5)["feed_fresh"] is False
    found = good(*CHALLENGES, after=1_200, income=1e-5)
    assert (found["feed_fresh"], found["kept"]) == (True, False)
    assert found["devices"][1]["slots"][-1]["do"] == "off"


def test_a_plan_that_is_nearly_as_good_goes_on(folder: Path) -> None:
    first = good(*CHALLENGES)
    found = good(*CHALLENGES, after=HOUR, income=0.102)
    assert found["kept"] is True
    assert found["gap"] <= 1e-6
    assert found["entries"][0]["challenge"] == first["entries"][0]["challenge"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rig", "none.toml"), "none.toml: cannot be read"),
        (("--profile", "none.json"), "none.json: cannot be read"),
        (("--challenges", "none.json"), "none.json: cannot be read"),
        (("--out", "no/plan.json"), "no: no such directory"),
        (("--step", "7m"), "--step: 7m of 12 h"),
        (("--step", "1s"), "--step: 1s of 12 h"),
        (("--step", "x"), "--step: 'x' is no duration"),
        (("--time-limit", "0"), "--time-limit: 0 s is no time"),
        (("--step", "2m", *CHALLENGES), "switch_seconds is 180; use up to a step, 120 s"),
    ],
)
def test_what_cannot_be_done_is_one_line(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert said in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert not (folder / "plan.json").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rule": "LAST"}, "challenges 0: rule is 'LAST'; use one of BEST, FIRST"),
        ({"closes": NOW - 11 * HOUR}, "closes is"),
        ({"reward": 0}, "reward is 0; use a number above 0"),
        ({"opening": 0.2}, "opening is 0.2"),
        ({"threshold": 257}, "threshold is 257"),
        ({"presets": ["none"]}, "presets 0 is 'none'; use one of"),
        ({"token": "0x12"}, "token is '0x12'; the feed has no price of that token"),
        ({"gas": {"always": 1}}, "gas: claim is missing"),
    ],
)
def test_a_wrong_challenge_is_named(folder: Path, changes: dict[str, Any], said: str) -> None:
    challenges_file(folder, challenge_of(**changes))
    result = run(*CHALLENGES)
    assert result.exit_code == 1
    assert said in result.stderr


def test_a_challenge_stands_there_once(folder: Path) -> None:
    challenges_file(folder, challenge_of(), challenge_of())
    assert "challenges 1: id is 7, as another's" in run(*CHALLENGES).stderr


def test_a_plan_of_another_kind_is_not_overwritten(folder: Path) -> None:
    (folder / "plan.json").write_text('{"version": 9}')
    result = run(*CHALLENGES)
    assert result.exit_code == 1
    assert (folder / "plan.json").read_text() == '{"version": 9}'
    assert run(*CHALLENGES, "--fresh").exit_code == 0
