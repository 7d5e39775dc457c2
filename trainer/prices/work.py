"""What training took, in a file beside the model: `trainer train` writes it, `trainer declare --from` reads it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from trainer.errors import DataError
from trainer.files import write_file
from trainer.prices.strict import Reader

VERSION = 1
MAX_FLOPS, MAX_SECONDS, MAX_DEVICE = 2**100, 2**40, 64
"""Bounds of `contracts/Declarations.vy`: operations, seconds, bytes of the device's name."""
SUFFIX = ".work.json"


@dataclass(frozen=True, kw_only=True)
class Work:
    """What the training of a model took.

    flops:   floating-point operations, a multiply-add being two; 1 to 2**100.
    seconds: time summed over all devices, 1 to 2**40.
    device:  what one of the devices is, 1 to 64 bytes.

    Construction raises `DataError` that names the value.
    """

    flops: int
    seconds: int
    device: str

    def __post_init__(self) -> None:
        if not 1 <= self.flops <= MAX_FLOPS:
            raise DataError(f"flops {self.flops}; declare 1 to 2**100 operations")
        if not 1 <= self.seconds <= MAX_SECONDS:
            raise DataError(f"seconds {self.seconds}; declare 1 to 2**40")
        if not 1 <= len(self.device.encode()) <= MAX_DEVICE or not self.device.isprintable():
            raise DataError(f"device {self.device!r}; declare 1 to {MAX_DEVICE} bytes of printable text")

    @property
    def rate(self) -> float:
        """Operations a second of one device."""
        return self.flops / self.seconds


@dataclass(frozen=True, kw_only=True)
class WorkFile:
    """A file of work.

    model:   keccak256 of the model as it is sealed, 32 bytes.
    samples: samples that went through training, a row once for every epoch.
    """

    model: bytes
    work: Work
    samples: int

    def save(self, path: Path) -> None:
        """Write it. Raises `DataError` naming `path`."""
        entries = {
            "version": VERSION,
            "model": "0x" + self.model.hex(),
            **asdict(self.work),
            "samples": self.samples,
        }
        write_file(path, json.dumps(entries, indent=1).encode() + b"\n")

    @classmethod
    def load(cls, path: Path) -> "WorkFile":
        """Read it. Raises `DataError` that names the file and the wrong value."""
        found = Reader.file(path, "`trainer train --out` writes one")
        found.version(VERSION)
        made = cls(
            model=found.word("model"),
            work=found.made(
                lambda: Work(flops=found.whole("flops"), seconds=found.whole("seconds"), device=found.text("device"))
            ),
            samples=found.whole("samples", least=1),
        )
        found.end()
        return made


def beside(model: Path) -> Path:
    """Where the work of a model file is written down."""
    return model.with_name(model.name + SUFFIX)


def device_name(name: str) -> str:
    """As much of a device's name as a declaration holds."""
    return "".join(filter(str.isprintable, name)).encode()[:MAX_DEVICE].decode(errors="ignore") or "unknown"
