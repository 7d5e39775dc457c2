"""A machine measured: every preset on every device, with the power that it takes."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import jax

from trainer.calibration import estimate, flops, machine
from trainer.calibration.data import Rows
from trainer.calibration.machine import Found
from trainer.calibration.power import Meter, Stated, Watch, meter_for
from trainer.calibration.profile import Device, Power, PresetProfile, Profile
from trainer.calibration.runs import Told, explore
from trainer.calibration.schedule import AnyRecipe, phases
from trainer.errors import DataError
from trainer.training import Epoch

IDLE_SECONDS = 3.0
STEADY_SECONDS = 2.0
"""Seconds of steady epochs that power is taken from; of fewer, counters are too coarse, and all of training counts."""
MISCOUNT = 0.5
"""Part by which the compiler may count more operations than the architecture before a note says so."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """How far a calibration is: on which device, with which preset, after how many epochs of a run of how many."""

    device: str
    preset: str
    epochs: int
    total: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One preset to measure: its recipe and rows."""

    recipe: AnyRecipe
    rows: Rows


Note = Callable[[str], None]


def meters(devices: Sequence[Found], stated: Mapping[str, Stated]) -> dict[str, Meter]:
    """What measures each device whose power is not stated; raises `DataError` where nothing does."""
    found = {}
    for device in devices:
        if device.name not in stated:
            try:
                found[device.name] = meter_for(device.kind, device.number, device.model)
            except DataError as error:
                raise DataError(f"the power of {device.name} is not known: {error}") from error
    return found


def calibrate(
    wanted: Mapping[str, Wanted],
    devices: Sequence[Found],
    *,
    seconds: float,
    targets: Sequence[float] | None,
    stated: Mapping[str, Stated],
    measured: Mapping[str, Meter],
    note: Note,
    step: Callable[[Step], None] = lambda _: None,
    idle_seconds: float = IDLE_SECONDS,
) -> Profile:
    """Measure presets, by name, on devices.

    seconds:  budget of all of it, in equal parts for each preset on each device.
    targets:  accuracies, in (0, 1]; by default what each preset may reach.
    stated:   power of devices, by name; of the others
    measured: their meters, by name.
    note:     called with what could not be known.
    step:     called after every epoch.
    """
    part = seconds / (len(wanted) * len(devices))
    for name, one in wanted.items():
        check_flops(name, one, note)
    found = []
    for device in devices:
        meter = None if device.name in stated else measured[device.name]
        idle = None if meter is None else _idle(device, meter, idle_seconds)
        presets: dict[str, PresetProfile] = {}
        with ExitStack() as stack:
            watch = None if meter is None else stack.enter_context(Watch(meter))
            for name, one in wanted.items():
                with jax.default_device(device.device):
                    runs = explore(one.rows, one.recipe, part, watch=watch, told=_teller(device.name, name, step))
                presets[name], unknown = estimate.summarise(runs, one.recipe, one.rows, targets)
                if unknown is not None:
                    note(f"{name} on {device.name}: no accuracies: {unknown}")
        if meter is None or watch is None or idle is None:
            said = stated[device.name]
            power = Power(train_watts=said.train_watts, idle_watts=said.idle_watts, source="stated")
        else:
            power = _power(meter, idle, watch)
        found.append(Device(name=device.name, kind=device.kind, model=device.model, power=power, presets=presets))
    return Profile(made=int(time.time()), machine=machine.describe(), devices=tuple(found))


def check_flops(name: str, one: Wanted, note: Note) -> None:
    """Say so where the compiler counts much fewer or more operations than the architecture has."""
    inputs, classes = one.rows.x.shape[1], one.rows.classes
    ours = flops.by_phase(one.recipe, inputs=inputs, classes=classes)["quantised"]
    theirs = flops.compiled(one.recipe, inputs=inputs, classes=classes)
    if theirs is not None and not ours <= theirs * 1.001 <= ours * (1 + MISCOUNT):
        note(f"{name}: {ours:,} operations a sample by its architecture, {theirs:,.0f} by the compiler")


def _teller(device: str, preset: str, step: Callable[[Step], None]) -> Told:
    def told(recipe: AnyRecipe, seed: int, epoch: Epoch) -> None:
        before = phases(recipe)
        done = sum(list(before.values())[: list(before).index(epoch.phase)]) + epoch.number
        step(Step(device=device, preset=preset, epochs=done, total=recipe.all_epochs, seed=seed))

    return told


def _idle(device: Found, meter: Meter, seconds: float) -> float:
    """Watts while nothing is done, JAX's own preparations being over."""
    jax.block_until_ready(jax.device_put(0.0, device.device))  # type: ignore[no-untyped-call]  # JAX has no types here
    with Watch(meter) as watch:
        time.sleep(seconds)
        watch.mark(True)
    watts = watch.watts()
    assert watts is not None, "time has passed"
    return watts


def _power(meter: Meter, idle: float, watch: Watch) -> Power:
    watts = watch.watts(STEADY_SECONDS)
    assert watts is not None, "time has passed"
    if not watts > 0:
        raise DataError(f"{meter.source} counts {watts:g} W in training: a counter that stands still; state --watts")
    return Power(train_watts=watts, idle_watts=max(0.0, idle), source=meter.source)
