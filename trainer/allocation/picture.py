"""The plan's picture: what each device does when, and below what an hour of each activity is worth."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from trainer.allocation.build import Planning
from trainer.allocation.instance import HOUR, Floats
from trainer.allocation.plan import Do, Plan, Slot
from trainer.allocation.words import clock
from trainer.picture import BLUE, GREEN, PHASES, RED

GREY = "#d9d9d9"
TICKS = 8


def draw(path: Path, planning: Planning, plan: Plan) -> None:
    """Write a PNG to `path`."""
    instance = planning.instance
    height = 3.6 + 0.45 * max(1, len(plan.devices))
    figure = Figure(figsize=(11, height + 2.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplot_mosaic([["plan"], ["mining"], ["kwh"]], height_ratios=[height - 2.4, 2.2, 1.2], sharex=True)
    _plan(axes["plan"], plan)
    _mining(axes["mining"], planning)
    axes["kwh"].stairs(instance.kwh, _edges(planning), color=RED, baseline=None, linewidth=1.5)
    axes["kwh"].axhline(0, color="black", linewidth=0.6)
    axes["kwh"].set_ylabel(f"{plan.currency}/kWh")
    axes["kwh"].set_title("Electricity")
    axes["kwh"].set_xlim(0, max(instance.slots * instance.hours, instance.hours))
    marks = np.linspace(0, instance.slots * instance.hours, TICKS + 1)
    axes["kwh"].set_xticks(marks, [clock(plan.start + round(mark * HOUR)) for mark in marks])
    axes["kwh"].set_xlabel("UTC")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _plan(axes: Axes, plan: Plan) -> None:
    colours: dict[str, str] = {}
    for row, device in enumerate(plan.devices):
        for slot in device.slots:
            if slot.end <= plan.start:
                continue
            label = _label(slot)
            colour = colours.setdefault(label, _colour(slot, len(colours)))
            begin = max(0, slot.start - plan.start) / HOUR
            width = (slot.end - plan.start) / HOUR - begin
            axes.barh(-row, width, left=begin, color=colour, edgecolor="white", linewidth=0.5, height=0.7)
    axes.set_yticks([-row for row in range(len(plan.devices))], [device.name for device in plan.devices])
    for entry in plan.entries:
        axes.axvline((entry.commit_by - plan.start) / HOUR, color="black", linestyle=":", linewidth=1)
    axes.set_title(f"{plan.expected:.2f} {plan.currency} expected" + ("; dotted: commits" if plan.entries else ""))
    handles = [Patch(color=colour, label=label) for label, colour in colours.items()]
    if handles:
        axes.legend(handles=handles, fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))


def _label(slot: Slot) -> str:
    if slot.do is Do.MINE:
        return f"mine {slot.coin}"
    return f"challenge {slot.challenge}" if slot.do is Do.TRAIN else "off"


def _colour(slot: Slot, number: int) -> str:
    return GREY if slot.do is Do.OFF else PHASES[number % len(PHASES)]


def _mining(axes: Axes, planning: Planning) -> None:
    """Income less electricity of an hour of mining, by device and coin."""
    instance = planning.instance
    shown = 0
    for machine in instance.machines:
        for way, speed in machine.ways.items():
            if way.do is not Do.MINE:
                continue
            network = instance.networks[way.which]
            net = [
                (network.income(slot, speed.rate) - instance.energy(slot, speed.watts)) / instance.hours
                for slot in range(instance.slots)
            ]
            colour = (BLUE, GREEN, *PHASES[4:])[shown % 7]
            label = f"{machine.name} {network.coin}"
            axes.stairs(net, _edges(planning), color=colour, baseline=None, linewidth=1.5, label=label)
            shown += 1
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_ylabel(f"{planning.rig.currency}/h")
    axes.set_title("An hour of mining, less its electricity")
    if shown:
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))


def _edges(planning: Planning) -> Floats:
    """Where slots begin and end, in hours."""
    return np.arange(planning.instance.slots + 1, dtype=np.float64) * planning.instance.hours
