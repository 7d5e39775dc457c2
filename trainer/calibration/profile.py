"""`profile.json`: what each device of a machine can do, as `trainer calibrate` measured it.

    {"version": 1, "made": 1764000000, "machine": "…",
     "devices": [{"name": "cpu:0", "kind": "cpu", "model": "…",
                  "power": {"train_watts": 95.0, "idle_watts": 40.0, "source": "stated"},
                  "presets": {"fashion-196-64": {"samples_per_second": …, "samples_per_second_sd": …,
                      "flops_per_sample": …, "runs": …,
                      "targets": [{"accuracy": 0.88, "seconds": …, "low": …, "high": …, "chance": 0.9}],
                      "curve": {"family": "power law", "parameters": {…}, "asymptote": [low, middle, high]}}}}]}

Times of a target are of a run that reaches it, so they say nothing about whether it does: that is `chance`. They are
null where it never does (chance 0), or where nothing could be learnt about accuracies (chance null).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trainer.errors import DataError
from trainer.files import write_file
from trainer.strict import Value, from_json, read_json

VERSION = 1
KINDS = ("cpu", "gpu", "tpu")
SOURCES = ("nvml", "rapl", "stated")
REMEDY = "`trainer calibrate` writes one"


@dataclass(frozen=True, kw_only=True)
class Power:
    """What a device draws from the wall or, measured, from its supply, in watts.

    train_watts: while it trains.
    idle_watts:  while it does nothing.
    source:      nvml, rapl: measured by the driver of NVIDIA or the counters of the processor; stated: by the user.
    """

    train_watts: float
    idle_watts: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Target:
    """When a preset reaches an accuracy.

    accuracy: of the integer network on rows that it was not trained on, in (0, 1].
    seconds:  median, over runs that reach it, of the wall time of the shortest run that does; compilation included.
    low:      its 10 % quantile, in seconds.
    high:     its 90 % quantile, in seconds.
    chance:   probability that a run no longer than the preset's own reaches it, in [0, 1]; None: not known.
    """

    accuracy: float
    seconds: float | None
    low: float | None
    high: float | None
    chance: float | None


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The learning curve that fits best: accuracy by total epochs of a run.

    family:     its name in `trainer.calibration.curves`.
    parameters: of that family, by name.
    asymptote:  10 %, 50 % and 90 % quantile, over all families, of the accuracy that more epochs come near.
    """

    family: str
    parameters: Mapping[str, float]
    asymptote: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class PresetProfile:
    """One preset on one device.

    samples_per_second:    sustained speed of training: rows seen, over all epochs in their preset's proportion.
    samples_per_second_sd: standard deviation of that speed between runs.
    flops_per_sample:      floating-point operations of training on one row once, forward and back, mean of all epochs.
    runs:                  training runs that were measured.
    targets:               by rising accuracy.
    curve:                 None where nothing could be learnt about accuracies.
    """

    samples_per_second: float
    samples_per_second_sd: float
    flops_per_sample: float
    runs: int
    targets: tuple[Target, ...]
    curve: Curve | None

    def target(self, accuracy: float) -> Target | None:
        """The target of that accuracy, if there is one."""
        return next((target for target in self.targets if target.accuracy == accuracy), None)


@dataclass(frozen=True, kw_only=True)
class Device:
    """One device.

    name:    as JAX calls it: cpu:0, cuda:1, tpu:0.
    kind:    cpu, gpu or tpu.
    model:   as the maker calls it.
    presets: by name.
    """

    name: str
    kind: str
    model: str
    power: Power
    presets: Mapping[str, PresetProfile] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One machine.

    made:    when it was measured, in unix seconds.
    machine: what it calls itself.
    """

    made: int
    machine: str
    devices: tuple[Device, ...]

    def device(self, name: str) -> Device:
        """The device of that name; raises `DataError` where there is none."""
        for device in self.devices:
            if device.name == name:
                return device
        raise DataError(
            f"no device {name!r} in the profile; it has {', '.join(device.name for device in self.devices)}"
        )

    def as_json(self) -> dict[str, Any]:
        """What `write` writes."""
        found: dict[str, Any] = json.loads(json.dumps({"version": VERSION, **asdict(self)}, allow_nan=False))
        return found


def load(path: Path) -> Profile:
    """Read a profile; raises `DataError` that names the file, the wrong value, and what it should be."""
    return _profile(read_json(path, REMEDY))


def loads(text: str, name: str = "profile") -> Profile:
    """The same from a text, called `name` in errors."""
    return _profile(from_json(text, name, REMEDY))


def write(path: Path, profile: Profile) -> None:
    """Write a profile, whole or not at all; raises `DataError` for one that `load` would refuse."""
    try:
        text = json.dumps(profile.as_json(), indent=1) + "\n"
    except ValueError as error:
        raise DataError(f"{path}: a number of this profile is not finite ({error}); measure again") from error
    loads(text, str(path))
    write_file(path, text.encode())


def _profile(value: Value) -> Profile:
    entries = value.table(("version", "made", "machine", "devices"))
    if entries["version"].whole(0) != VERSION:
        raise entries["version"].wrong(f"this version of Assay reads {VERSION}; {REMEDY}")
    devices = tuple(_device(device) for device in entries["devices"].items())
    if not devices:
        raise entries["devices"].wrong("a profile has a device at least")
    names = [device.name for device in devices]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise DataError(f"{value.where}: devices {number}: name is {name!r} once more; leave one of them out")
    return Profile(made=entries["made"].whole(0), machine=entries["machine"].text(), devices=devices)


def _device(value: Value) -> Device:
    entries = value.table(("name", "kind", "model", "power", "presets"))
    power = entries["power"].table(("train_watts", "idle_watts", "source"))
    return Device(
        name=entries["name"].text(),
        kind=entries["kind"].one_of(KINDS),
        model=entries["model"].text(),
        power=Power(
            train_watts=power["train_watts"].number(above=0),
            idle_watts=power["idle_watts"].number(0),
            source=power["source"].one_of(SOURCES),
        ),
        presets={name: _preset(preset) for name, preset in entries["presets"].entries().items()},
    )


def _preset(value: Value) -> PresetProfile:
    entries = value.table(
        ("samples_per_second", "samples_per_second_sd", "flops_per_sample", "runs", "targets", "curve")
    )
    targets = tuple(_target(target) for target in entries["targets"].items())
    for number in range(1, len(targets)):
        if targets[number].accuracy <= targets[number - 1].accuracy:
            place = f"{entries['targets'].where} {number}: accuracy"
            raise DataError(f"{place} is {targets[number].accuracy}; sort targets by rising accuracy")
    return PresetProfile(
        samples_per_second=entries["samples_per_second"].number(above=0),
        samples_per_second_sd=entries["samples_per_second_sd"].number(0),
        flops_per_sample=entries["flops_per_sample"].number(above=0),
        runs=entries["runs"].whole(1),
        targets=targets,
        curve=None if entries["curve"].value is None else _curve(entries["curve"]),
    )


def _target(value: Value) -> Target:
    entries = value.table(("accuracy", "seconds", "low", "high", "chance"))
    chance = None if entries["chance"].value is None else entries["chance"].number(0, 1)
    times: list[float | None] = []
    for name in ("low", "seconds", "high"):
        if not chance:
            if entries[name].value is not None:
                raise entries[name].wrong("use null where the chance is 0 or null")
            times.append(None)
            continue
        time = entries[name].number(above=0)
        if times and times[-1] is not None and time < times[-1]:
            raise entries[name].wrong("use low <= seconds <= high")
        times.append(time)
    low, seconds, high = times
    return Target(
        accuracy=entries["accuracy"].number(most=1, above=0), seconds=seconds, low=low, high=high, chance=chance
    )


def _curve(value: Value) -> Curve:
    entries = value.table(("family", "parameters", "asymptote"))
    asymptote = [quantile.number(0, 1) for quantile in entries["asymptote"].items()]
    if len(asymptote) != 3 or asymptote != sorted(asymptote):
        raise entries["asymptote"].wrong("use three rising accuracies")
    parameters = {name: number.number() for name, number in entries["parameters"].entries().items()}
    low, middle, high = asymptote
    return Curve(family=entries["family"].text(), parameters=parameters, asymptote=(low, middle, high))
