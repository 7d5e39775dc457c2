"""The rig: a person's devices, what they can do, and how much he is ready to risk; a TOML file.

currency = "USD"

[risk]
most_at_risk = 500.0

[[device]]
name = "gpu0"
profile = "cuda:0"
visible = "0"
idle_watts = 15.0

[[device.mining]]
algorithm = "kheavyhash"
hash_rate = 1.1e9
watts = 180.0
command = ["miner", "--device", "0", "--coin", "{coin}"]

[training]
command = ["sh", "train.sh", "{challenge}", "{preset}"]
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.errors import DataError
from trainer.strict import Value, read_toml

MINING_WORDS = ("coin", "device")
TRAINING_WORDS = ("challenge", "deadline", "device", "preset")
"""What a command may leave to be filled in, in braces."""
MOST_CORES = 4096


@dataclass(frozen=True, kw_only=True)
class Mining:
    """A way to mine on a device.

    hash_rate:     hashes a second, above 0.
    watts:         that the device draws meanwhile, from the wall.
    command:       the miner and its arguments; `{coin}` and `{device}` are filled in.
    grace_seconds: that it has between being asked to end and being killed.
    coins:         names in the feed of what the command mines; None for every coin of the algorithm.
    """

    algorithm: str
    hash_rate: float
    watts: float
    command: tuple[str, ...]
    grace_seconds: float = 20.0
    coins: tuple[str, ...] | None = None

    def mines(self, coin: str, algorithm: str) -> bool:
        """Whether it mines that coin."""
        return self.algorithm == algorithm and (self.coins is None or coin in self.coins)


@dataclass(frozen=True, kw_only=True)
class Device:
    """One device: it does one thing at a time.

    profile:        its name in profile.json; None for one that does not train.
    visible:        CUDA_VISIBLE_DEVICES of what runs on it; None to leave that as it is.
    cores:          CPU cores that what runs on it is bound to, ascending; None for all.
    idle_watts:     that it draws while it does nothing.
    train_watts:    that it draws while it trains; None for what the profile says.
    switch_seconds: lost at each change of what it does.
    most_watts:     nothing that draws more is planned or let run; None for no limit.
    most_celsius:   nothing is let run above; None for no limit.
    """

    name: str
    idle_watts: float
    profile: str | None = None
    visible: str | None = None
    cores: tuple[int, ...] | None = None
    train_watts: float | None = None
    switch_seconds: float = 0.0
    most_watts: float | None = None
    most_celsius: float | None = None
    mining: tuple[Mining, ...] = ()

    def miner(self, coin: str, algorithm: str) -> Mining | None:
        """How it mines a coin of that algorithm; None if it does not."""
        return next((way for way in self.mining if way.mines(coin, algorithm)), None)


@dataclass(frozen=True, kw_only=True)
class Risk:
    """What may be lost; amounts in the rig's currency.

    most_at_risk: bonds and seal fees of all planned challenges together.
    least_chance: of winning, in [0, 1], below which a challenge is not entered.
    aversion:     currency that one currency of standard deviation of a challenge's payoff counts as.
    """

    most_at_risk: float = 0.0
    least_chance: float = 0.0
    aversion: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Switch:
    """When a plan gives way to another.

    least_gain: part of the running plan's worth by which the other must be better.
    hold_hours: that a device stays with what it has begun, at least.
    """

    least_gain: float = 0.02
    hold_hours: int = 1


@dataclass(frozen=True, kw_only=True)
class Training:
    """How training is started.

    command:       the program and its arguments; `{challenge}`, `{deadline}` (unix seconds), `{device}` and `{preset}`
                   are filled in.
    grace_seconds: that it has to write a checkpoint before it is killed.
    """

    command: tuple[str, ...]
    grace_seconds: float = 300.0


@dataclass(frozen=True, kw_only=True)
class Rig:
    """Everything in the file.

    training:   None where nothing may train.
    most_watts: of all devices together; None for no limit.
    """

    currency: str
    devices: tuple[Device, ...] = ()
    risk: Risk = Risk()
    switch: Switch = Switch()
    training: Training | None = None
    most_watts: float | None = None

    def device(self, name: str) -> Device:
        """The device of that name; raises `DataError` where there is none."""
        for device in self.devices:
            if device.name == name:
                return device
        known = ", ".join(device.name for device in self.devices) or "none"
        raise DataError(f"no device {name!r}; the rig has {known}")


def load(path: Path) -> Rig:
    """The rig in a file; raises `DataError` that names file, value and remedy."""
    return parse(read_toml(path))


def parse(value: Value) -> Rig:
    """The rig that a table describes; raises `DataError` that names the value."""
    table = value.table(["currency"], ["most_watts", "risk", "switch", "device", "training"])
    devices = tuple(_device(each) for each in table["device"].items()) if "device" in table else ()
    names = [device.name for device in devices]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise DataError(f"{value.where}: device {number}: name is {name!r}, as another's; choose a new one")
    return Rig(
        currency=table["currency"].text(),
        devices=devices,
        risk=_risk(table["risk"]) if "risk" in table else Risk(),
        switch=_switch(table["switch"]) if "switch" in table else Switch(),
        training=_training(table["training"]) if "training" in table else None,
        most_watts=table["most_watts"].number(0, 1e6) if "most_watts" in table else None,
    )


def fill(command: Sequence[str], values: Mapping[str, object]) -> list[str]:
    """A command with `{name}` replaced by the value of that name, wherever one is given."""
    filled = []
    for part in command:
        for name, value in values.items():
            part = part.replace("{" + name + "}", str(value))
        filled.append(part)
    return filled


def _risk(value: Value) -> Risk:
    table = value.table([], ["most_at_risk", "least_chance", "aversion"])
    bounds = {"most_at_risk": (0.0, 1e15), "least_chance": (0.0, 1.0), "aversion": (0.0, 1e3)}
    return Risk(**{name: each.number(*bounds[name]) for name, each in table.items()})


def _switch(value: Value) -> Switch:
    table = value.table([], ["least_gain", "hold_hours"])
    default = Switch()
    return Switch(
        least_gain=table["least_gain"].number(0, 10) if "least_gain" in table else default.least_gain,
        hold_hours=table["hold_hours"].whole(1, 168) if "hold_hours" in table else default.hold_hours,
    )


def _training(value: Value) -> Training:
    table = value.table(["command"], ["grace_seconds"])
    command = _command(table["command"], TRAINING_WORDS)
    if "grace_seconds" in table:
        return Training(command=command, grace_seconds=table["grace_seconds"].number(0, 86_400))
    return Training(command=command)


def _device(value: Value) -> Device:
    table = value.table(
        ["name", "idle_watts"],
        ["profile", "visible", "cores", "train_watts", "switch_seconds", "most_watts", "most_celsius", "mining"],
    )
    mining = tuple(_mining(each) for each in table["mining"].items()) if "mining" in table else ()
    for number, way in enumerate(mining):
        for other in mining[:number]:
            if way.algorithm == other.algorithm and (
                way.coins is None or other.coins is None or set(way.coins) & set(other.coins)
            ):
                raise DataError(
                    f"{value.where}: mining {number}: algorithm {way.algorithm!r} stands there twice for the same "
                    "coins; keep one, or name different `coins`"
                )
    numbers = {"idle_watts": 0.0, "train_watts": 0.0, "switch_seconds": 0.0, "most_watts": 0.0, "most_celsius": -50.0}
    return Device(
        name=table["name"].text(),
        profile=table["profile"].text() if "profile" in table else None,
        visible=_visible(table["visible"]) if "visible" in table else None,
        cores=_cores(table["cores"]) if "cores" in table else None,
        mining=mining,
        **{name: table[name].number(least, 1e6) for name, least in numbers.items() if name in table},
    )


def _mining(value: Value) -> Mining:
    table = value.table(["algorithm", "hash_rate", "watts", "command"], ["grace_seconds", "coins"])
    default = Mining.grace_seconds
    return Mining(
        algorithm=table["algorithm"].text(),
        hash_rate=table["hash_rate"].number(most=1e30, above=0),
        watts=table["watts"].number(0, 1e6),
        command=_command(table["command"], MINING_WORDS),
        grace_seconds=table["grace_seconds"].number(0, 86_400) if "grace_seconds" in table else default,
        coins=tuple(each.text() for each in table["coins"].items(1)) if "coins" in table else None,
    )


def _command(value: Value, words: Sequence[str]) -> tuple[str, ...]:
    parts = value.items(1)
    if not isinstance(parts[0].value, str) or not parts[0].value:
        raise parts[0].wrong("use the name of a program")
    for part in parts:
        # an argument may be empty
        if not isinstance(part.value, str) or "\0" in part.value:
            raise part.wrong("use a text")
        for found in re.findall(r"\{([a-z_]+)\}", part.value):
            if found not in words:
                known = ", ".join("{" + word + "}" for word in words)
                raise part.wrong(f"{{{found}}} is nothing that is filled in; there are {known}")
    return tuple(part.value for part in parts)


def _visible(value: Value) -> str:
    # empty hides every GPU
    if not isinstance(value.value, str) or not re.fullmatch(r"[A-Za-z0-9,:/-]*", value.value):
        raise value.wrong("use what CUDA_VISIBLE_DEVICES takes, such as 0")
    return value.value


def _cores(value: Value) -> tuple[int, ...]:
    """Cores of such as 0-3,6."""
    remedy = "use numbers of cores, such as 0-3,6"
    if not isinstance(value.value, str):
        raise value.wrong(remedy)
    cores: set[int] = set()
    for part in value.value.split(","):
        found = re.fullmatch(r" *([0-9]{1,4})(?:-([0-9]{1,4}))? *", part)
        if found is None:
            raise value.wrong(remedy)
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first or last >= MOST_CORES:
            raise value.wrong(remedy)
        cores.update(range(first, last + 1))
    return tuple(sorted(cores))
