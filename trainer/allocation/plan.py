"""The plan: what each device does when, and which challenges are entered; a JSON file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

from trainer.errors import DataError
from trainer.files import write_file
from trainer.strict import Value, from_json, read_json

VERSION = 1
MOST_CHALLENGES = 2**63 - 1


class Do(StrEnum):
    """What a device does."""

    MINE = "mine"
    TRAIN = "train"
    OFF = "off"


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A device's activity from `start` until `end`, excluded, in unix seconds.

    coin, algorithm: where it mines, else None.
    challenge:       where it trains, else None.
    preset:          what it trains; None where the training command chooses.
    why:             a sentence.
    """

    start: int
    end: int
    do: Do
    why: str
    coin: str | None = None
    algorithm: str | None = None
    challenge: int | None = None
    preset: str | None = None


@dataclass(frozen=True, kw_only=True)
class DevicePlan:
    """A device's slots: ascending, without overlap; in a gap it is off."""

    name: str
    slots: tuple[Slot, ...]

    def at(self, now: float) -> Slot | None:
        """The slot of a moment in unix seconds; None outside of all."""
        return next((slot for slot in self.slots if slot.start <= now < slot.end), None)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A challenge that is entered.

    hours:     of devices that it takes, all together.
    chance:    of winning, in [0, 1].
    reward:    that is paid if it wins, as of the planned commit.
    commit_by: unix second at which its seal is to be committed; its training is done by then.
    expected:  what it adds to the plan's worth, without the hours' electricity.
    """

    challenge: int
    preset: str | None
    hours: float
    chance: float
    reward: float
    commit_by: int
    expected: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What `trainer allocate` writes and `trainer run` does; amounts in `currency`.

    made, start: unix seconds.
    step:        seconds of a slot's grid.
    expected:    profit until the end of the plan.
    """

    made: int
    start: int
    step: int
    currency: str
    expected: float
    devices: tuple[DevicePlan, ...]
    entries: tuple[Entry, ...]

    @property
    def end(self) -> int:
        """Unix second at which the last slot ends; `start` where there is none."""
        return max((slot.end for device in self.devices for slot in device.slots), default=self.start)

    def device(self, name: str) -> DevicePlan | None:
        """The plan of a device; None where it has none."""
        return next((device for device in self.devices if device.name == name), None)

    def entry(self, challenge: int) -> Entry | None:
        """The entry of a challenge; None where it is not entered."""
        return next((entry for entry in self.entries if entry.challenge == challenge), None)


def load(path: Path) -> Plan:
    """The plan in a file; raises `DataError` that names file, value and remedy."""
    return parse(read_json(path))


def loads(text: str | bytes, where: str = "plan") -> Plan:
    """The plan that a text is; raises `DataError` that names `where`, value and remedy."""
    return parse(from_json(text, where))


def save(path: Path, plan: Plan) -> None:
    """Write a plan; raises `DataError` where it cannot be, and leaves what was there."""
    write_file(path, dumps(plan).encode())


def dumps(plan: Plan) -> str:
    """A plan as JSON, which `loads` reads."""
    return json.dumps(as_dict(plan), indent=1, allow_nan=False) + "\n"


def as_dict(plan: Plan) -> dict[str, Any]:
    """A plan as the values of its JSON."""
    return {
        "version": VERSION,
        "made": plan.made,
        "start": plan.start,
        "step": plan.step,
        "currency": plan.currency,
        "expected": plan.expected,
        "devices": [
            {"name": device.name, "slots": [_slot_dict(slot) for slot in device.slots]} for device in plan.devices
        ],
        "entries": [
            {
                "challenge": entry.challenge,
                "preset": entry.preset,
                "hours": entry.hours,
                "chance": entry.chance,
                "reward": entry.reward,
                "commit_by": entry.commit_by,
                "expected": entry.expected,
            }
            for entry in plan.entries
        ],
    }


def _slot_dict(slot: Slot) -> dict[str, Any]:
    return {
        "from": slot.start,
        "to": slot.end,
        "do": slot.do.value,
        "coin": slot.coin,
        "algorithm": slot.algorithm,
        "challenge": slot.challenge,
        "preset": slot.preset,
        "why": slot.why,
    }


def parse(value: Value) -> Plan:
    """The plan that a value is; raises `DataError` that names what is wrong."""
    table = value.table(["version", "made", "start", "step", "currency", "expected", "devices", "entries"])
    if table["version"].whole(0) != VERSION:
        raise table["version"].wrong(f"only version {VERSION} is known; make it anew with `trainer allocate`")
    devices = tuple(_device(each) for each in table["devices"].items())
    entries = tuple(_entry(each) for each in table["entries"].items())
    _unique([device.name for device in devices], f"{value.where}: devices")
    _unique([entry.challenge for entry in entries], f"{value.where}: entries")
    plan = Plan(
        made=table["made"].time(),
        start=table["start"].time(),
        step=table["step"].whole(1, 86_400),
        currency=table["currency"].text(),
        expected=table["expected"].number(),
        devices=devices,
        entries=entries,
    )
    for number, device in enumerate(devices):
        for place, slot in enumerate(device.slots):
            if slot.challenge is not None and plan.entry(slot.challenge) is None:
                raise DataError(
                    f"{value.where}: devices {number}: slots {place}: challenge is {slot.challenge}, which has no "
                    "entry; add one"
                )
    return plan


def _device(value: Value) -> DevicePlan:
    table = value.table(["name", "slots"])
    slots = tuple(_slot(each) for each in table["slots"].items())
    for number, (one, other) in enumerate(pairwise(slots), start=1):
        if other.start < one.end:
            raise DataError(
                f"{value.where}: slots {number}: from is {other.start}, before the end of the one before, {one.end}; "
                "put slots in order, without overlap"
            )
    return DevicePlan(name=table["name"].text(), slots=slots)


def _slot(value: Value) -> Slot:
    table = value.table(["from", "to", "do", "coin", "algorithm", "challenge", "preset", "why"])
    do = Do(table["do"].one_of([each.value for each in Do]))
    wanted = {Do.MINE: ("coin", "algorithm"), Do.TRAIN: ("challenge",), Do.OFF: ()}[do]
    for name in ("coin", "algorithm", "challenge", "preset"):
        there = table[name].value is not None
        if there and name not in wanted and not (do is Do.TRAIN and name == "preset"):
            raise table[name].wrong(f"a slot to {do.value} has none: use null")
        if not there and name in wanted:
            raise table[name].wrong(f"a slot to {do.value} needs it")
    start, end = table["from"].time(), table["to"].time()
    if end <= start:
        raise table["to"].wrong(f"use a time after {start}, at which the slot begins")
    return Slot(
        start=start,
        end=end,
        do=do,
        coin=_word(table["coin"]),
        algorithm=_text(table["algorithm"]),
        challenge=None if table["challenge"].value is None else table["challenge"].whole(0, MOST_CHALLENGES),
        preset=_word(table["preset"]),
        why=table["why"].text(),
    )


def _entry(value: Value) -> Entry:
    table = value.table(["challenge", "preset", "hours", "chance", "reward", "commit_by", "expected"])
    return Entry(
        challenge=table["challenge"].whole(0, MOST_CHALLENGES),
        preset=_word(table["preset"]),
        hours=table["hours"].number(0),
        chance=table["chance"].number(0, 1),
        reward=table["reward"].number(0),
        commit_by=table["commit_by"].time(),
        expected=table["expected"].number(),
    )


def _text(value: Value) -> str | None:
    return None if value.value is None else value.text()


def _word(value: Value) -> str | None:
    return None if value.value is None else value.word()


def _unique(names: Sequence[object], where: str) -> None:
    for number, name in enumerate(names):
        if name in names[:number]:
            raise DataError(f"{where} {number}: {name!r} stands there twice; keep one")
