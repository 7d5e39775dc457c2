"""The plan that runs now, as the next one finds it: what devices do, for how long, and what training is done.

The next plan begins at a boundary of the running one's slots. What is before that stays in it: the slot that is under
way, and all training for challenges that are still entered, from which later plans count what is done.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from trainer.allocation.plan import DevicePlan, Do, Plan, Slot


@dataclass(frozen=True, kw_only=True)
class Now:
    """What a device does at the end of a second.

    slot: None while it is off.
    held: seconds that it has been doing so.
    """

    slot: Slot | None
    held: float


def same(one: Slot | None, other: Slot | None) -> bool:
    """Whether two slots are of one activity."""
    return _key(one) == _key(other)


def _key(slot: Slot | None) -> tuple[object, ...]:
    if slot is None or slot.do is Do.OFF:
        return (Do.OFF,)
    if slot.do is Do.MINE:
        return (Do.MINE, slot.coin, slot.algorithm)
    return (Do.TRAIN, slot.challenge, slot.preset)


def next_start(plan: Plan | None, now: int, step: int) -> int:
    """Where the next plan begins: the running one's next boundary, or now.

    A plan that was made within a slot of the one before begins at that slot's end, and the slot stands in it, too: so
    there are boundaries before its start.
    """
    if plan is None or plan.step != step or plan.end <= now or now < plan.made:
        return now
    return plan.start + -(-(now - plan.start) // step) * step


def at(plan: Plan | None, device: str, start: int) -> Now:
    """What a device does up to `start`; of no plan, or after its end, it is off for as long as matters."""
    found = None if plan is None else plan.device(device)
    if found is None:
        return Now(slot=None, held=float("inf"))
    slot = found.at(start - 1)
    begun = start
    for earlier in reversed([each for each in found.slots if each.start < start]):
        if not same(earlier, slot) or earlier.end < begun:
            break
        begun = earlier.start
    if slot is None:
        ended = max((each.end for each in found.slots if each.end <= start), default=None)
        return Now(slot=None, held=float("inf") if ended is None else start - ended)
    return Now(slot=None if slot.do is Do.OFF else slot, held=float(start - begun))


def trained(plan: Plan | None, challenge: int, preset: str | None, start: int) -> dict[str, tuple[int, int]]:
    """Seconds that each device trained a preset for a challenge before `start`, and how often it turned to that."""
    found: dict[str, tuple[int, int]] = {}
    for device in () if plan is None else plan.devices:
        slots = [
            slot
            for slot in device.slots
            if slot.do is Do.TRAIN and slot.challenge == challenge and slot.preset == preset and slot.start < start
        ]
        seconds = sum(min(slot.end, start) - slot.start for slot in slots)
        if seconds:
            found[device.name] = seconds, 1 + sum(one.end < other.start for one, other in pairwise(slots))
    return found


def past(plan: Plan | None, device: str, start: int, now: int, entered: Iterable[int]) -> list[Slot]:
    """The slots before `start` that the next plan keeps."""
    found = None if plan is None else plan.device(device)
    kept = set(entered)
    slots = []
    for slot in () if found is None else found.slots:
        end = min(slot.end, start)
        if slot.start >= start or not (end > now or slot.do is Do.TRAIN):
            continue
        if slot.challenge is not None and slot.challenge not in kept:
            # it is over, or not worth it any more
            continue
        slots.append(replace(slot, end=end))
    return slots


def later(device: DevicePlan, moment: float) -> Slot | None:
    """What a device is to do at a moment; an off slot stands for a gap before the end of its plan."""
    slot = device.at(moment)
    if slot is not None:
        return slot
    ends = max((each.end for each in device.slots), default=0)
    return Slot(start=int(moment), end=int(moment) + 1, do=Do.OFF, why="gap") if moment < ends else None
