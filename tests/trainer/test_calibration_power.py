"""Power: counters that overflow, libraries that refuse, and what a user states."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trainer.calibration import power
from trainer.calibration.power import Nvml, Rapl, Stated, Watch, meter_for, parse_watts
from trainer.errors import DataError

RANGE = 1_000_000


def package(root: Path, name: str, *, called: str, count: int) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(called + "\n")
    (folder / "max_energy_range_uj").write_text(f"{RANGE}\n")
    (folder / "energy_uj").write_text(f"{count}\n")
    return folder / "energy_uj"


def test_rapl_adds_packages_and_goes_round(tmp_path: Path) -> None:
    first = package(tmp_path, "intel-rapl:0", called="package-0", count=100)
    second = package(tmp_path, "intel-rapl:1", called="package-1", count=900_000)
    # a part of a package, and the whole platform: counted already
    package(tmp_path, "intel-rapl:0:0", called="core", count=5)
    package(tmp_path, "intel-rapl:2", called="psys", count=7)
    meter = Rapl(tmp_path)
    assert meter.joules() == 0
    first.write_text("200100")
    assert meter.joules() == pytest.approx(0.2)
    second.write_text("99999")
    assert meter.joules() == pytest.approx(0.2 + (99_999 + RANGE + 1 - 900_000) / 1e6)
    assert meter.joules() == pytest.approx(0.4)
    assert meter.source == "rapl"


def test_no_packages_are_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no processor here counts its energy; state .*--watts 95,40"):
        Rapl(tmp_path / "none")
    package(tmp_path, "intel-rapl:0", called="psys", count=5)
    with pytest.raises(DataError, match=r"no processor here counts"):
        Rapl(tmp_path)


def test_a_counter_for_root_alone_is_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = package(tmp_path, "intel-rapl:0", called="package-0", count=5)
    read = Path.read_text

    def refuse(path: Path, *arguments: Any, **named: Any) -> str:
        if path == count:
            raise PermissionError(13, os.strerror(13))
        return read(path, *arguments, **named)

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(DataError, match=r"energy_uj: cannot be read \(Permission denied\); run as root, or state"):
        Rapl(tmp_path)


class Refusal(Exception):
    """NVML's error."""


class Library:
    """As much of `pynvml` as is used: GPUs of these names, which draw 100 W."""

    NVMLError = Refusal

    def __init__(self, *names: str | bytes, counts: bool = True, power: bool = True, there: bool = True) -> None:
        self.names, self.counts, self.power, self.there = names, counts, power, there
        self.energy, self.watts = 1_000_000, 100_000

    def nvmlInit(self) -> None:
        if not self.there:
            raise Refusal("NVML Shared Library Not Found")

    def nvmlDeviceGetHandleByIndex(self, number: int) -> int:
        if number >= len(self.names):
            raise Refusal("Invalid Argument")
        return number

    def nvmlDeviceGetHandleByUUID(self, name: str) -> int:
        return int(name.removeprefix("GPU-"))

    def nvmlDeviceGetName(self, handle: int) -> str | bytes:
        return self.names[handle]

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        if not self.counts:
            raise Refusal("Not Supported")
        return self.energy

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        if not self.power:
            raise Refusal("Not Supported")
        return self.watts


@pytest.fixture(autouse=True)
def every_gpu_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_nvml_counts_in_millijoules() -> None:
    library = Library("NVIDIA H200")
    meter = Nvml(0, "NVIDIA H200", library)
    assert meter.joules() == 1000
    library.energy += 2500
    assert meter.joules() == 1002.5
    assert meter.source == "nvml"


def test_a_gpu_without_a_counter_is_integrated(monkeypatch: pytest.MonkeyPatch) -> None:
    now = SimpleNamespace(time=50.0)
    monkeypatch.setattr(power.time, "monotonic", lambda: now.time)
    meter = Nvml(0, "Old", Library(b"NVIDIA Old", counts=False))
    assert meter.joules() == 0
    now.time = 52.0
    assert meter.joules() == pytest.approx(200)


def test_names_that_differ_mean_another_order() -> None:
    with pytest.raises(DataError, match=r"GPU 0 is 'B' for JAX and 'A' for NVML; set CUDA_DEVICE_ORDER=PCI_BUS_ID"):
        Nvml(0, "B", Library("A", "B"))


@pytest.mark.parametrize(("visible", "number", "model"), [("1,0", 0, "B"), ("1,0", 1, "A"), ("GPU-1", 0, "B")])
def test_jax_counts_visible_gpus_alone(visible: str, number: int, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    # raises where it finds the other
    Nvml(number, model, Library("A", "B"))


@pytest.mark.parametrize(
    ("library", "message"),
    [
        (Library(there=False), r"NVML says nothing about its power \(NVML Shared Library Not Found\); state"),
        (Library(), r"GPU 0: NVML says nothing about its power \(Invalid Argument\)"),
        (Library("A", power=False), r"\(Not Supported\); state what it draws"),
    ],
)
def test_a_gpu_that_says_nothing_is_told_with_the_remedy(library: Library, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Nvml(0, "A", library)


def test_more_gpus_than_are_visible_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(DataError, match=r"CUDA_VISIBLE_DEVICES names 1 GPUs, and JAX has number 1"):
        Nvml(1, "A", Library("A", "B"))


class Steps:
    """A counter that is told what to say."""

    source = "rapl"

    def __init__(self) -> None:
        self.energy, self.asked, self.broken = 0.0, 0, False

    def joules(self) -> float:
        self.asked += 1
        if self.broken:
            raise DataError("the counter went away")
        return self.energy


def test_only_what_is_marked_counts() -> None:
    meter, now = Steps(), SimpleNamespace(time=0.0)
    with Watch(meter, clock=lambda: now.time) as watch:
        assert watch.watts() is None
        # compiling: 10 s at 10 W, then an epoch: 4 s at 50 W, then 1 s at 5 W
        for seconds, joules, counts in ((10, 100, False), (4, 200, True), (1, 5, False), (2, 100, True)):
            now.time += seconds
            meter.energy += joules
            watch.mark(counts)
    assert (watch.seconds, watch.joules) == (6, 300)
    assert watch.watts() == watch.watts(6.0) == 50
    # too short a time: all of it
    assert watch.watts(6.1) == pytest.approx(405 / 17)


def test_a_counter_is_looked_at_while_nothing_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "PERIOD", 0.001)
    meter = Steps()
    with Watch(meter) as watch:
        while meter.asked < 5:
            watch._stop.wait(0.001)
    assert not watch._thread.is_alive()


def test_a_counter_that_goes_away_ends_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "PERIOD", 0.001)
    meter = Steps()
    watch = Watch(meter)
    watch.__enter__()
    meter.broken = True
    watch._thread.join(30)
    with pytest.raises(DataError, match="the counter went away"):
        watch.__exit__(None, None, None)


NAMES = ["cpu:0", "cuda:0", "cuda:1"]


def test_watts_are_stated_for_all_or_for_one() -> None:
    both, one = Stated(train_watts=95, idle_watts=40), Stated(train_watts=220.5, idle_watts=15)
    assert parse_watts([], NAMES) == {}
    assert parse_watts(["95,40"], NAMES) == dict.fromkeys(NAMES, both)
    assert parse_watts(["cuda:0=220.5,15"], NAMES) == {"cuda:0": one}
    for order in (["95,40", "cuda:0=220.5,15"], ["cuda:0=220.5,15", "95,40"]):
        assert parse_watts(order, NAMES) == {"cpu:0": both, "cuda:0": one, "cuda:1": both}


@pytest.mark.parametrize("text", ["", "95", "95,40,3", "a,b", "0,0", "-5,-6", "40,95", "nan,1", "95,nan", "inf,1"])
def test_watts_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"^--watts: .*; use watts in training and idle, such as 95,40"):
        parse_watts([text], NAMES)


def test_watts_of_a_device_that_is_not_there_are_refused() -> None:
    with pytest.raises(DataError, match=r"--watts: no device 'tpu:0'; use one of cpu:0, cuda:0, cuda:1"):
        parse_watts(["tpu:0=90,40"], NAMES)


def test_a_tpu_has_no_known_counter() -> None:
    with pytest.raises(DataError, match=r"tpu:0: no counter of its energy is known; state"):
        meter_for("tpu", 0, "TPU v5")
