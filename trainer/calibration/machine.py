"""The devices of this machine, as JAX sees them, and what they call themselves."""

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import psutil

from trainer.errors import DataError

CPUINFO = Path("/proc/cpuinfo")
GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Found:
    """A device.

    name:   cpu:0, cuda:1, tpu:0.
    kind:   cpu, gpu or tpu.
    number: which of its kind, from 0 on.
    model:  as the maker calls it.
    """

    name: str
    kind: str
    number: int
    model: str
    device: jax.Device


def processor() -> str:
    """What the processor calls itself, with the number of cores that this process may use."""
    cores = len(os.sched_getaffinity(0))
    names: list[str] = []
    if CPUINFO.exists():
        names = [line for line in CPUINFO.read_text().splitlines() if line.startswith("model name")]
    model = names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()
    return f"{model}, {cores} core{'s' if cores > 1 else ''}"


def describe() -> str:
    """The machine in a line: its name, processor, memory and system."""
    memory = psutil.virtual_memory().total / GIB
    return f"{platform.node() or 'unnamed'}: {processor()}, {memory:.0f} GiB, {platform.system()} {platform.release()}"


def devices() -> tuple[Found, ...]:
    """Every device of the accelerator that JAX found, then the processor as one."""
    found = list(jax.devices())
    if found[0].platform != "cpu":
        found += jax.devices("cpu")[:1]
    else:
        # the processor may be split into several devices, which share its cores
        found = found[:1]
    return tuple(_found(device) for device in found)


def _found(device: jax.Device) -> Found:
    kind = "gpu" if device.platform in ("gpu", "cuda", "rocm") else device.platform
    # of a GPU cuda:0 or rocm:0; others call themselves otherwise
    name = str(device) if re.fullmatch(r"[a-z]+:[0-9]+", str(device)) else f"{kind}:{device.id}"
    number = device.id if device.local_hardware_id is None else device.local_hardware_id
    model = processor() if kind == "cpu" else device.device_kind
    return Found(name=name, kind=kind, number=number, model=model, device=device)


def choose(there: Sequence[Found], names: Sequence[str] | None) -> tuple[Found, ...]:
    """The devices of these names; by default the first of every model.

    Raises `DataError` for a name that none has, and for one that is there twice.
    """
    if names is None:
        models: dict[str, Found] = {}
        for device in there:
            models.setdefault(device.model, device)
        return tuple(models.values())
    known = {device.name: device for device in there}
    for number, name in enumerate(names):
        if name not in known:
            raise DataError(f"--devices: no device {name!r} here; use one of {', '.join(known)}")
        if name in names[:number]:
            raise DataError(f"--devices: {name} is named twice; leave one out")
    return tuple(known[name] for name in names)
