"""What a device draws: NVIDIA's library for its GPUs, the processor's own counters (RAPL), or what the user states.

| source | what is read                                                                               |
|--------|--------------------------------------------------------------------------------------------|
| nvml   | nvmlDeviceGetTotalEnergyConsumption of one GPU; nvmlDeviceGetPowerUsage of one before Volta  |
| rapl   | /sys/class/powercap/intel-rapl:N/energy_uj of all processors, mostly for root alone          |
| stated | `--watts`                                                                                  |

Neither counter sees the power supply, fans or memory beside them: what a meter at the wall shows is more, and stating
it is better.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from trainer.errors import DataError

POWERCAP = Path("/sys/class/powercap")
PERIOD = 0.25
"""Seconds between two looks at a counter: it may overflow, and a GPU without one is integrated."""
STATE = "state what it draws in training and idle, such as --watts 95,40"


class Meter(Protocol):
    """A counter of energy that never falls."""

    @property
    def source(self) -> str:
        """The name of a power source in `profile.json`."""
        ...

    def joules(self) -> float:
        """Energy drawn since some moment; to be asked at least every second or so."""
        ...


class Rapl:
    """The energy of all processor packages."""

    source = "rapl"

    def __init__(self, root: Path = POWERCAP) -> None:
        """Raises `DataError` where no package can be read."""
        # intel-rapl:0 is a package, also of AMD's; intel-rapl:0:0 is a part of it
        self._packages = sorted(path for path in root.glob("intel-rapl:*") if path.name.count(":") == 1)
        self._packages = [path for path in self._packages if self._text(path / "name").startswith("package")]
        if not self._packages:
            raise DataError(f"{root}: no processor here counts its energy; {STATE}")
        self._ranges = [int(self._text(path / "max_energy_range_uj")) for path in self._packages]
        self._last = [self._count(path) for path in self._packages]
        self._sum = 0

    @staticmethod
    def _text(path: Path) -> str:
        try:
            return path.read_text().strip()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); run as root, or {STATE}") from error

    def _count(self, path: Path) -> int:
        return int(self._text(path / "energy_uj"))

    def joules(self) -> float:
        """Energy of all packages since this was made."""
        for number, path in enumerate(self._packages):
            count = self._count(path)
            # it goes round: from its range back to 0
            self._sum += (count - self._last[number]) % (self._ranges[number] + 1)
            self._last[number] = count
        return self._sum / 1e6


class Nvml:
    """The energy of one NVIDIA GPU."""

    source = "nvml"

    def __init__(self, number: int, model: str, library: Any = None) -> None:
        """Raises `DataError` where there is no such GPU, or it says nothing about its power.

        number:  which of the GPUs that this process may use, as JAX counts them.
        model:   what JAX calls it; another than NVML's means that the two count in another order.
        library: `pynvml`, unless a test brings its own.
        """
        if library is None:
            import pynvml

            library = pynvml
        self._library = library
        try:
            library.nvmlInit()
            self._handle = self._find(number)
            named = library.nvmlDeviceGetName(self._handle)
            named = named.decode() if isinstance(named, bytes) else str(named)
            if model not in named and named not in model:
                raise DataError(
                    f"GPU {number} is {model!r} for JAX and {named!r} for NVML; set CUDA_DEVICE_ORDER=PCI_BUS_ID"
                )
            self._counts = self._counter()
            self._power()
        except library.NVMLError as error:
            raise DataError(f"GPU {number}: NVML says nothing about its power ({error}); {STATE}") from error
        self._at, self._sum = time.monotonic(), 0.0

    def _find(self, number: int) -> Any:
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        if not visible:
            return self._library.nvmlDeviceGetHandleByIndex(number)
        if number >= len(visible):
            raise DataError(f"CUDA_VISIBLE_DEVICES names {len(visible)} GPUs, and JAX has number {number}; {STATE}")
        name = visible[number].strip()
        if name.isdigit():
            return self._library.nvmlDeviceGetHandleByIndex(int(name))
        return self._library.nvmlDeviceGetHandleByUUID(name)

    def _counter(self) -> bool:
        try:
            self._library.nvmlDeviceGetTotalEnergyConsumption(self._handle)
        except self._library.NVMLError:
            return False
        return True

    def _power(self) -> float:
        """Watts now."""
        return float(self._library.nvmlDeviceGetPowerUsage(self._handle)) / 1e3

    def joules(self) -> float:
        """Energy since the driver was loaded; of a GPU without a counter since this was made."""
        if self._counts:
            return float(self._library.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3
        now = time.monotonic()
        self._sum += self._power() * (now - self._at)
        self._at = now
        return self._sum


class Watch:
    """Energy and time of what is marked, while a thread keeps the counter going; a context manager.

    `mark(True)` ends a piece that counts, `mark(False)` one that does not; both begin the next.
    """

    def __init__(self, meter: Meter, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing has counted yet."""
        self._meter, self._clock = meter, clock
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._look, name="power", daemon=True)
        self._from = (0.0, 0.0)
        self.seconds, self.joules = 0.0, 0.0
        self.all_seconds, self.all_joules = 0.0, 0.0

    def __enter__(self) -> "Watch":
        self._from = self._clock(), self._meter.joules()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self._failed is not None and error is None:
            raise self._failed

    def _look(self) -> None:
        while not self._stop.wait(PERIOD):
            try:
                with self._lock:
                    self._meter.joules()
            except BaseException as error:  # the thread that waits for this raises it
                self._failed = error
                return

    def mark(self, counts: bool) -> None:
        """End a piece."""
        with self._lock:
            now = self._clock(), self._meter.joules()
        seconds, joules = now[0] - self._from[0], now[1] - self._from[1]
        self.all_seconds += seconds
        self.all_joules += joules
        if counts:
            self.seconds += seconds
            self.joules += joules
        self._from = now

    def watts(self, least: float = 0.0) -> float | None:
        """Mean power of the pieces that counted, or of all where those took less than `least` seconds; None of none."""
        counted = self.seconds > 0 and self.seconds >= least
        seconds, joules = (self.seconds, self.joules) if counted else (self.all_seconds, self.all_joules)
        return joules / seconds if seconds > 0 else None


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What the user says that a device draws, in watts."""

    train_watts: float
    idle_watts: float


def parse_watts(texts: list[str], names: list[str]) -> dict[str, Stated]:
    """What `--watts` says of each device: 95,40 of all of them, cuda:0=220,15 of one.

    Raises `DataError` for what is neither, and for a device that is not there.
    """
    found: dict[str, Stated] = {}
    for text in texts:
        name, _, numbers = text.rpartition("=")
        try:
            train, idle = (float(part) for part in numbers.split(","))
            # no comparison holds for what is not a number
            if not (0 < train < 1e6 and 0 <= idle <= train):
                raise ValueError
        except ValueError as error:
            raise DataError(
                f"--watts: {text!r}; use watts in training and idle, such as 95,40 or cuda:0=220,15"
            ) from error
        if name and name not in names:
            raise DataError(f"--watts: no device {name!r}; use one of {', '.join(names)}")
        for chosen in [name] if name else names:
            if chosen in found and not name:
                continue
            found[chosen] = Stated(train_watts=train, idle_watts=idle)
    return found


def meter_for(kind: str, number: int, model: str) -> Meter:
    """What measures a device; raises `DataError` where nothing does.

    kind:   cpu, gpu or tpu.
    number: which of its kind, as JAX counts them.
    model:  as JAX calls it.
    """
    if kind == "gpu":
        return Nvml(number, model)
    if kind == "cpu":
        return Rapl()
    raise DataError(f"{kind}:{number}: no counter of its energy is known; {STATE}")
