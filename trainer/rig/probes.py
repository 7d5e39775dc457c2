"""Sensors: of NVIDIA's cards through NVML, of CPUs through what the kernel shows. A probe never raises."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from trainer.allocation.rig import Device
from trainer.rig.limits import Probe, Reading

CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "soc_thermal")
"""Names of the chips, as Linux has them, that measure a CPU."""
POWERCAP = Path("/sys/class/powercap")


def probe_for(device: Device) -> Probe:
    """The probe of a device of the rig; one that names neither GPU nor cores has none."""
    if device.visible:
        return Nvml(device.visible.split(","))
    if device.cores is not None:
        return Cpu()
    return partial(_nothing, "the rig names neither `visible` nor `cores`")


class Nvml:
    """One card, or several that are one device: the hottest of them, and the sum of their power."""

    def __init__(self, names: list[str], library: Any = None) -> None:
        """Nothing is asked yet.

        names: as CUDA_VISIBLE_DEVICES has them with CUDA_DEVICE_ORDER=PCI_BUS_ID: numbers, or UUIDs.
        """
        self._names, self._nvml = names, library
        self._handles: list[Any] | None = None

    def __call__(self) -> Reading:
        """What the cards say."""
        try:
            if self._nvml is None:
                import pynvml

                self._nvml = pynvml
            if self._handles is None:
                self._nvml.nvmlInit()
                self._handles = [self._handle(name) for name in self._names]
        except Exception as error:  # of a library that loads whatever driver there is
            return _nothing(_said(error))
        nvml, no_celsius, no_watts = self._nvml, "", ""
        celsius: list[float] = []
        watts: list[float] = []
        for handle in self._handles:
            try:
                celsius.append(float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)))
            except nvml.NVMLError as error:
                no_celsius = _said(error)
            try:
                watts.append(nvml.nvmlDeviceGetPowerUsage(handle) / 1000)
            except nvml.NVMLError as error:
                no_watts = _said(error)
        if not celsius and not watts:
            # a driver that was loaded anew wants new handles
            self._handles = None
        return Reading(
            # a card of several that says nothing may be the hottest
            celsius=None if no_celsius else max(celsius),
            watts=None if no_watts else sum(watts),
            no_celsius=no_celsius,
            no_watts=no_watts,
        )

    def _handle(self, name: str) -> Any:
        if name.isdigit():
            return self._nvml.nvmlDeviceGetHandleByIndex(int(name))
        return self._nvml.nvmlDeviceGetHandleByUUID(name)


class Cpu:
    """All cores of the machine: sensors do not tell those of one device from the others."""

    def __init__(
        self,
        folder: Path = POWERCAP,
        temperatures: Callable[[], Mapping[str, Any]] | None = None,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the counters once: power is what they say between two readings."""
        self._folder, self._elapsed = folder, elapsed
        # not on every system
        shown: Callable[[], Mapping[str, Any]] = getattr(psutil, "sensors_temperatures", dict)
        self._temperatures = temperatures or shown
        self._before: tuple[float, dict[str, int]] | None = None
        self._watts()

    def __call__(self) -> Reading:
        """What the kernel shows."""
        celsius, watts = self._celsius(), self._watts()
        return Reading(
            celsius=celsius,
            watts=watts,
            no_celsius="" if celsius is not None else "the kernel shows no sensor of a CPU",
            no_watts="" if watts is not None else "no energy counter of the CPU can be read",
        )

    def _celsius(self) -> float | None:
        try:
            found = self._temperatures()
        except (OSError, RuntimeError, ValueError):
            return None
        return max(
            (
                float(each.current)
                for name in CPU_SENSORS
                for each in found.get(name, ())
                if each.current is not None and each.current > 0
            ),
            default=None,
        )

    def _watts(self) -> float | None:
        """Since the reading before, of all packages."""
        counters: dict[str, int] = {}
        for zone in sorted(self._folder.glob("intel-rapl:*")):
            # zones with two colons are parts of a package; only root may read them on most systems
            with suppress(OSError, ValueError):
                if zone.name.count(":") == 1:
                    counters[zone.name] = int((zone / "energy_uj").read_text())
        now, before = self._elapsed(), self._before
        self._before = (now, counters)
        if before is None or not counters or counters.keys() != before[1].keys() or now <= before[0]:
            return None
        spent = [count - before[1][name] for name, count in counters.items()]
        if min(spent) < 0:
            # a counter began again
            return None
        return sum(spent) / 1e6 / (now - before[0])


def _nothing(why: str) -> Reading:
    return Reading(no_celsius=why, no_watts=why)


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
