"""`trainer calibrate`: it measures, writes a profile that can be read, and leaves everything else alone."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import pytest
from typer.testing import CliRunner, Result

from trainer import datasets, presets
from trainer.calibration import calibrate, data, machine, power, profile, runs, schedule
from trainer.calibration.calibrate import Step, Wanted
from trainer.calibration.machine import Found
from trainer.calibration.power import Stated
from trainer.cli import app
from trainer.errors import DataError
from trainer.presets import PRESETS

QUICK = replace(PRESETS["digits-64-32"].recipe, batch=64, epochs=8, quantised_epochs=8)
SIGNS = replace(QUICK, input_bits=1, activation_bits=1, weight_bits=1, epochs=0)
"""One phase alone, so that half as much is compiled."""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A preset of digits that is trained in no time."""
    monkeypatch.setitem(presets.PRESETS, "digits-64-32", replace(PRESETS["digits-64-32"], recipe=SIGNS))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["calibrate", *(str(argument) for argument in arguments)])


@pytest.mark.usefixtures("quick")
def test_a_profile_is_written_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "profile.json"
    arguments = ("digits-64-32", "--watts", "95,40", "--out", out, "--targets", "0.9,0.3", "--budget", 600)
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found = profile.load(out)
    assert json.loads(result.stdout) == json.loads(out.read_text()) == found.as_json()
    (device,) = found.devices
    assert (device.name, device.kind) == ("cpu:0", "cpu")
    assert device.power == profile.Power(train_watts=95, idle_watts=40, source="stated")
    (measured,) = device.presets.values()
    # four lengths, four seeds each
    assert measured.runs == 16
    assert [target.accuracy for target in measured.targets] == [0.3, 0.9]
    assert measured.targets[0].chance == 1
    assert measured.targets[0].seconds is not None
    assert measured.curve is not None
    assert measured.samples_per_second > 1000
    # as text, the same; with too few lengths for a curve, whatever the machine does in so little time, a note says so
    monkeypatch.setattr(runs, "lengths", lambda recipe: schedule.lengths(recipe)[:2])
    result = run(*arguments[:-1], 0.1)
    assert result.exit_code == 0, result.output
    assert "runs of 2 lengths are too few for a learning curve" in result.stderr
    assert f"profile: {out}" in result.stdout
    assert "not known" in result.stdout
    assert profile.load(out).devices[0].presets["digits-64-32"].targets[0].chance is None


@pytest.mark.usefixtures("quick")
def test_rows_are_invented_where_the_data_set_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "INVENTED", 600)
    monkeypatch.setitem(
        presets.PRESETS, "fashion-196-16", replace(PRESETS["fashion-196-16"], recipe=replace(SIGNS, hidden=(8,)))
    )
    result = run("fashion-196-16", "--watts", "95,40", "--budget", 0.1, "--targets", "0.8")
    assert result.exit_code == 0, result.output
    assert "note: fashion-196-16: fashion-mnist is not there, so its rows are invented: speed alone" in result.stderr
    assert "`trainer data fetch` gets it" in result.stderr
    measured = profile.load(tmp_path / "profile.json").devices[0].presets["fashion-196-16"]
    assert measured.targets == (profile.Target(accuracy=0.8, seconds=None, low=None, high=None, chance=None),)
    assert measured.samples_per_second > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-preset"], r"no preset 'no-preset'; use one of fashion-196-16"),
        (["mlp"], r"preset mlp is for any data set; name yours with --dataset"),
        (["digits-64-32", "--devices", "cuda:7"], r"--devices: no device 'cuda:7' here; use one of cpu:0"),
        (["digits-64-32", "--devices", "cpu:0,cpu:0"], r"--devices: cpu:0 is named twice"),
        (["digits-64-32", "--targets", "0.8,88"], r"--targets: '88' is no accuracy; use such as 0.86,0.88"),
        (["digits-64-32", "--targets", "nan"], r"--targets: 'nan' is no accuracy"),
        (["digits-64-32", "--targets", ""], r"--targets: '' is no accuracy"),
        (["digits-64-32", "--budget", "inf"], r"--budget: inf s is no budget; use a number of seconds"),
        (["digits-64-32", "--watts", "much"], r"--watts: 'much'; use watts in training and idle"),
        (["digits-64-32", "--out", "none/profile.json"], r"none: no such directory"),
        (["fashion-196-16", "--data", "none"], r"none: no such directory"),
    ],
)
def test_mistakes_are_one_line_and_change_nothing(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = arguments if "--watts" in arguments else [*arguments, "--watts", "95,40"]
    result = run(*given)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_power_that_nothing_measures_must_be_stated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(power.Rapl.__init__, "__defaults__", (tmp_path / "none",))
    result = run("digits-64-32")
    assert result.exit_code == 1
    assert "error: the power of cpu:0 is not known: " in result.stderr
    assert "--watts 95,40" in result.stderr
    assert list(tmp_path.iterdir()) == []


class Meter:
    """A counter of a device that draws 30 W, and 70 W once it was asked to train."""

    source = "rapl"

    def __init__(self, clock: Any) -> None:
        self.clock, self.trains, self.before, self.energy = clock, False, clock(), 0.0

    def joules(self) -> float:
        now = self.clock()
        self.energy += (70.0 if self.trains else 30.0) * (now - self.before)
        self.before = now
        return self.energy


def test_power_is_measured_idle_and_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    now = SimpleNamespace(time=0.0)

    def clock() -> float:
        now.time += 0.01
        return now.time

    meter = Meter(clock)
    watched: Any = power.Watch
    # the thread, too, would move this clock
    monkeypatch.setattr(power, "PERIOD", 3600.0)
    monkeypatch.setattr(calibrate, "Watch", lambda meter: watched(meter, clock=clock))
    rows = data.prepare(PRESETS["digits-64-32"], datasets.digits())
    steps: list[Step] = []

    def step(at: Step) -> None:
        meter.trains = True
        steps.append(at)

    (device,) = machine.choose(machine.devices(), None)
    found = calibrate.calibrate(
        {"digits-64-32": Wanted(recipe=QUICK, rows=rows)},
        [device],
        seconds=0.1,
        targets=None,
        stated={},
        measured={"cpu:0": meter},
        note=lambda _: None,
        step=step,
        idle_seconds=0.0,
    )
    (measured,) = found.devices
    assert measured.power.source == "rapl"
    assert measured.power.idle_watts == pytest.approx(30, rel=0.5)
    assert 50 < measured.power.train_watts < 100
    assert measured.power.train_watts > measured.power.idle_watts
    assert found.machine == machine.describe()
    assert [(at.epochs, at.total, at.seed) for at in steps] == [
        *((number, 2, 0) for number in (1, 2)),
        *((number, 4, 0) for number in (1, 2, 3, 4)),
    ]
    assert {(at.device, at.preset) for at in steps} == {("cpu:0", "digits-64-32")}


def test_a_counter_that_stands_still_is_refused() -> None:
    meter = SimpleNamespace(source="rapl", joules=lambda: 5.0)
    watch = power.Watch(meter)
    with watch:
        watch.mark(True)
    with pytest.raises(DataError, match=r"rapl counts 0 W in training: a counter that stands still; state --watts"):
        calibrate._power(meter, 0.0, watch)


def test_the_processor_is_one_device() -> None:
    found = machine.devices()
    assert [(device.name, device.kind, device.number) for device in found] == [("cpu:0", "cpu", 0)]
    assert found[0].model == machine.processor()
    assert found[0].device is jax.devices()[0]
    assert machine.processor() in machine.describe()


def _gpu(number: int, model: str) -> Found:
    return Found(name=f"cuda:{number}", kind="gpu", number=number, model=model, device=jax.devices()[0])


def test_one_device_of_every_model_is_measured_or_those_that_are_named() -> None:
    cards = [_gpu(0, "A"), _gpu(1, "A"), _gpu(2, "B")]
    assert [device.name for device in machine.choose(cards, None)] == ["cuda:0", "cuda:2"]
    assert [device.name for device in machine.choose(cards, ["cuda:1", "cuda:0"])] == ["cuda:1", "cuda:0"]


def test_devices_are_named_as_jax_names_gpus() -> None:
    class Card:
        platform, id, local_hardware_id, device_kind = "gpu", 3, 1, "NVIDIA H200"

        def __str__(self) -> str:
            return "cuda:3"

    class Chip(Card):
        platform, device_kind = "tpu", "TPU v5"

        def __str__(self) -> str:
            return "TPU_3(process=0,(0,0,0,0))"

    cards: list[Any] = [Card(), Chip()]
    card, chip = (machine._found(device) for device in cards)
    assert (card.name, card.kind, card.number, card.model) == ("cuda:3", "gpu", 1, "NVIDIA H200")
    assert (chip.name, chip.kind, chip.model) == ("tpu:3", "tpu", "TPU v5")


def test_a_miscount_of_operations_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = data.prepare(PRESETS["digits-64-32"], datasets.digits())
    wanted = Wanted(recipe=QUICK, rows=rows)
    notes: list[str] = []
    for theirs, count in ((10_112 * 1.4, 0), (10_112 * 1.6, 1), (10_000.0, 2), (None, 2)):
        monkeypatch.setattr(calibrate.flops, "compiled", lambda *_, found=theirs, **__: found)
        calibrate.check_flops("digits-64-32", wanted, notes.append)
        assert len(notes) == count
    assert notes[1] == "digits-64-32: 10,112 operations a sample by its architecture, 10,000 by the compiler"


def test_stated_power_needs_no_meter() -> None:
    (device,) = machine.choose(machine.devices(), None)
    assert calibrate.meters([device], {"cpu:0": Stated(train_watts=95, idle_watts=40)}) == {}
