"""`profile.json`: what is written comes back, and whatever else is in it is refused by its place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.calibration import profile
from trainer.calibration.profile import Curve, Device, Power, PresetProfile, Profile, Target
from trainer.errors import DataError

REACHED = Target(accuracy=0.85, seconds=40.0, low=30.0, high=60.5, chance=0.75)
NEVER = Target(accuracy=0.99, seconds=None, low=None, high=None, chance=0.0)
CURVE = Curve(family="power law", parameters={"a": 0.9, "b": 0.1, "c": 0.5}, asymptote=(0.88, 0.9, 0.91))
KNOWN = PresetProfile(
    samples_per_second=1e5,
    samples_per_second_sd=0.0,
    flops_per_sample=79104.0,
    runs=6,
    targets=(REACHED, NEVER),
    curve=CURVE,
)
UNKNOWN = PresetProfile(
    samples_per_second=1e5,
    samples_per_second_sd=12.5,
    flops_per_sample=79104.0,
    runs=2,
    targets=(Target(accuracy=0.85, seconds=None, low=None, high=None, chance=None),),
    curve=None,
)
CPU = Device(
    name="cpu:0",
    kind="cpu",
    model="some processor, 2 cores",
    power=Power(train_watts=95.0, idle_watts=40.0, source="stated"),
    presets={"fashion-196-64": KNOWN, "fashion-lenet": UNKNOWN},
)
PROFILE = Profile(made=1_764_000_000, machine="a box", devices=(CPU,))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    profile.write(path, PROFILE)
    assert profile.load(path) == PROFILE
    assert json.loads(path.read_text())["version"] == 1
    assert PROFILE.device("cpu:0").presets["fashion-196-64"].target(0.85) is REACHED
    assert KNOWN.target(0.86) is None


def test_a_device_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(DataError, match=r"no device 'cuda:0' in the profile; it has cpu:0"):
        PROFILE.device("cuda:0")


def _device(entries: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = entries["devices"][0]
    return found


def _preset(entries: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _device(entries)["presets"]["fashion-196-64"]
    return found


def _set(table: dict[str, Any], **values: Any) -> None:
    table.update(values)


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "version": (lambda found: _set(found, version=2), r"version is 2; this version of Assay reads 1"),
    "version of another kind": (lambda found: _set(found, version=True), r"version is True; use a whole number"),
    "missing": (lambda found: found.pop("made"), r"made is missing; it has version, made"),
    "unknown": (lambda found: _set(_preset(found), more=1), r"presets: fashion-196-64: no such entry: 'more'"),
    "no devices": (lambda found: _set(found, devices=[]), r"devices is \[\]; a profile has a device at least"),
    "devices of another kind": (lambda found: _set(found, devices={}), r"devices is \{\}; use a list"),
    "twice": (lambda found: found["devices"].append(_device(found)), r"devices 1: name is 'cpu:0' once more"),
    "kind": (lambda found: _set(_device(found), kind="fpga"), r"devices 0: kind is 'fpga'; use one of cpu, gpu"),
    "name": (lambda found: _set(_device(found), name=""), r"devices 0: name is ''; use a text"),
    "source": (lambda found: _set(_device(found)["power"], source="guess"), r"power: source is 'guess'; use one of"),
    "watts": (lambda found: _set(_device(found)["power"], train_watts=0), r"train_watts is 0; use a number above 0"),
    "idle": (lambda found: _set(_device(found)["power"], idle_watts=-1.0), r"idle_watts is -1.0; use a number of 0 or"),
    "text": (lambda found: _set(_device(found)["power"], idle_watts="40"), r"idle_watts is '40'; use a number"),
    "bool": (lambda found: _set(_device(found)["power"], idle_watts=True), r"idle_watts is True; use a number"),
    "endless": (lambda found: _set(_preset(found), flops_per_sample=10**400), r"flops_per_sample is 1000000"),
    "runs": (lambda found: _set(_preset(found), runs=0), r"runs is 0; use a whole number of 1 or more"),
    "half a run": (lambda found: _set(_preset(found), runs=1.5), r"runs is 1.5; use a whole number"),
    "chance": (lambda found: _set(_preset(found)["targets"][0], chance=1.1), r"targets 0: chance is 1.1; use a"),
    "time of nothing": (lambda found: _set(_preset(found)["targets"][0], chance=None), r"low is 30.0; use null where"),
    "time of never": (lambda found: _set(_preset(found)["targets"][1], high=3.0), r"targets 1: high is 3.0; use nul"),
    "no time": (lambda found: _set(_preset(found)["targets"][0], seconds=None), r"seconds is None; use a number"),
    "times": (lambda found: _set(_preset(found)["targets"][0], seconds=20.0), r"seconds is 20.0; use low <= seconds"),
    "order": (lambda found: _preset(found)["targets"].reverse(), r"targets 1: accuracy is 0.85; sort targets"),
    "accuracy": (lambda found: _set(_preset(found)["targets"][0], accuracy=88), r"accuracy is 88; use a number above"),
    "asymptote": (lambda found: _set(_preset(found)["curve"], asymptote=[0.9, 0.8, 0.95]), r"asymptote is \[0.9, 0.8"),
    "parameter": (
        lambda found: _set(_preset(found)["curve"]["parameters"], a=None),
        r"parameters: a is None; use a",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_named(name: str, tmp_path: Path) -> None:
    change, message = WRONG[name]
    entries = PROFILE.as_json()
    change(entries)
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(DataError, match=message) as caught:
        profile.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"no JSON"),
        ("[]", r"profile is \[\]; use a table"),
        ('{"version": 1, "version": 1}', r"'version' stands there twice"),
        ("[" * 200_000, r"no JSON \(more than 32 lists and tables within one another\)"),
        ('{"version": 1, "made": NaN, "machine": "a", "devices": []}', r"a profile has a device"),
        ('{"version": 1, "made": 1, "machine": "a", "devices": [NaN]}', r"devices 0 is nan; use a table"),
    ],
)
def test_what_is_no_profile_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        profile.loads(text)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.json: cannot be read .*; `trainer calibrate` writes one"):
        profile.load(tmp_path / "none.json")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"bytes: no JSON"):
        profile.load(tmp_path / "bytes")


@pytest.mark.parametrize("wrong", [float("nan"), -1.0])
def test_nothing_is_written_that_could_not_be_read(wrong: float, tmp_path: Path) -> None:
    broken = Device(name="cpu:0", kind="cpu", model="x", power=Power(train_watts=wrong, idle_watts=1, source="rapl"))
    path = tmp_path / "profile.json"
    path.write_text("before")
    with pytest.raises(DataError, match=r"profile.json: "):
        profile.write(path, Profile(made=1, machine="a", devices=(broken,)))
    assert path.read_text() == "before"
