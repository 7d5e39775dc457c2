"""`trainer calibrate`: what this machine can do, measured, as `profile.json`."""

import json as json_module
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from trainer.errors import DataError
from trainer.files import check_file

if TYPE_CHECKING:
    from trainer.calibration.calibrate import Step
    from trainer.calibration.profile import Profile

OUT = Path("profile.json")


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(calibrate)


def calibrate(
    presets: Annotated[
        list[str] | None,
        typer.Argument(help="Presets to measure, see `trainer data list`; by default fashion-196-64."),
    ] = None,
    budget: Annotated[
        float, typer.Option(min=0.1, help="Seconds for all of it; two short runs of each preset are made anyway.")
    ] = 120.0,
    devices: Annotated[
        str | None, typer.Option(help="Devices, such as cpu:0 or cuda:0,cuda:1; by default one of every model.")
    ] = None,
    targets: Annotated[
        str | None, typer.Option(help="Accuracies, such as 0.86,0.88; by default what each preset may reach.")
    ] = None,
    watts: Annotated[
        list[str] | None,
        typer.Option(help="What a device draws in training and idle: 95,40, or cuda:0=220,15. Else it is measured."),
    ] = None,
    out: Annotated[Path, typer.Option(help="File to write.")] = OUT,
    dataset: Annotated[
        str | None, typer.Option(help="Data set of presets for any: digits, or a .csv or .npz file.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Directory of the Fashion-MNIST idx files.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how fast presets train here, what power that takes, and when they reach an accuracy."""
    from trainer.presets import DEFAULTS, PRESETS

    chosen = list(dict.fromkeys(presets or [DEFAULTS["fashion-mnist"]]))
    for name in chosen:
        if name not in PRESETS:
            raise DataError(f"no preset {name!r}; use one of {', '.join(PRESETS)}")
    if not math.isfinite(budget):
        raise DataError(f"--budget: {budget} s is no budget; use a number of seconds, such as 120")
    wanted_targets = None if targets is None else _accuracies(targets)
    check_file(out)

    # JAX takes a moment to import
    from trainer.calibration import calibrate as calibration
    from trainer.calibration import data as rows
    from trainer.calibration import machine, profile
    from trainer.calibration.power import parse_watts

    there = machine.devices()
    asked = None if devices is None else [name.strip() for name in devices.split(",")]
    used = machine.choose(there, asked)
    stated = parse_watts(list(watts or ()), [device.name for device in used])
    measured = calibration.meters(used, stated)
    wanted = {}
    for name in chosen:
        loaded, invented = rows.load(PRESETS[name], dataset=dataset, data=data)
        if invented:
            _note(
                f"{name}: {loaded.name} is not there, so its rows are invented: speed alone is measured"
                + (", and `trainer data fetch` gets it" if loaded.name == "fashion-mnist" else "")
            )
        prepared = rows.prepare(PRESETS[name], loaded, invented=invented)
        wanted[name] = calibration.Wanted(recipe=PRESETS[name].recipe, rows=prepared)
    with _bar() as step:
        found = calibration.calibrate(
            wanted,
            used,
            seconds=budget,
            targets=wanted_targets,
            stated=stated,
            measured=measured,
            note=_note,
            step=step,
        )
    profile.write(out, found)
    if json:
        typer.echo(json_module.dumps(found.as_json()))
        return
    _show(found)
    Console(soft_wrap=True, markup=False, emoji=False, highlight=False).print(f"profile: {out}")


def _accuracies(text: str) -> list[float]:
    found = []
    for part in text.split(","):
        try:
            accuracy = float(part)
            # no comparison holds for what is not a number
            if not 0 < accuracy <= 1:
                raise ValueError
        except ValueError as error:
            raise DataError(f"--targets: {part.strip()!r} is no accuracy; use such as 0.86,0.88") from error
        found.append(accuracy)
    return found


def _note(text: str) -> None:
    typer.echo(f"note: {text}", err=True)


@contextmanager
def _bar() -> Iterator[Callable[["Step"], None]]:
    """A line on stderr, where that is a terminal."""
    console = Console(stderr=True)
    with console.status("preparing") as status:

        def step(now: "Step") -> None:
            status.update(f"{now.preset} on {now.device}: epoch {now.epochs} of {now.total}, seed {now.seed}")

        if console.is_terminal:
            yield step
        else:
            status.stop()
            yield lambda _: None


def _show(found: "Profile") -> None:
    output = Console(soft_wrap=True, markup=False, emoji=False, highlight=False)
    for device in found.devices:
        power = device.power
        output.print(
            f"{device.name}: {device.model}; {power.train_watts:.0f} W in training, {power.idle_watts:.0f} W idle "
            f"({power.source})"
        )
        table = Table("preset", "samples a second", "GFLOP/s", "runs", "accuracy", "chance", "seconds (10 to 90 %)")
        # in a narrow terminal the other columns may break, but a name that is cut off cannot be typed
        table.columns[0].no_wrap = True
        for name, preset in device.presets.items():
            speed = f"{preset.samples_per_second:,.0f} ± {preset.samples_per_second_sd:,.0f}"
            work = f"{preset.samples_per_second * preset.flops_per_sample / 1e9:.1f}"
            cells = [name, speed, work, str(preset.runs)]
            for target in preset.targets:
                times = "-"
                if target.seconds is not None:
                    times = f"{target.seconds:.1f} ({target.low:.1f} to {target.high:.1f})"
                chance = "not known" if target.chance is None else f"{100 * target.chance:.0f} %"
                table.add_row(*cells, f"{100 * target.accuracy:g} %", chance, times)
                cells = [""] * len(cells)
            if not preset.targets:
                table.add_row(*cells, "not known", "", "")
        output.print(table)
