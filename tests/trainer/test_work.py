"""What training took: counted from the epochs that were trained, written beside the model, read back strictly."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from eth_hash.auto import keccak
from typer.testing import CliRunner

from trainer import networks
from trainer.architecture import Architecture, Block
from trainer.calibration.machine import processor
from trainer.cli import app
from trainer.errors import DataError
from trainer.presets import GENERIC, PRESETS, Recipe, Teacher
from trainer.prices.work import Work, WorkFile, beside, device_name
from trainer.training import Epoch, operations, train, train_seeds, work_of

ROWS, INPUTS, CLASSES = 130, 16, 3
RECIPE = Recipe(
    hidden=(8,),
    input_bits=4,
    activation_bits=4,
    weight_bits=4,
    batch=25,
    epochs=2,
    quantised_epochs=3,
    validation=0.2,
)
"""Of 130 rows 26 are held back; the other 104 fill four batches of 25."""
TEACHER = Teacher(
    architecture=Architecture(image=(1, 4, 4), blocks=(Block(outputs=2),)), input_bits=4, batch=50, epochs=4
)
GOOD = Work(flops=10**15, seconds=90, device="NVIDIA H200")


def rows() -> Any:
    rng = np.random.default_rng(1)
    return rng.integers(0, 16, (ROWS, INPUTS), np.uint8), (np.arange(ROWS) % CLASSES).astype(np.uint8)


def test_samples_are_those_of_the_batches_of_all_epochs() -> None:
    result = train(*rows(), recipe=RECIPE, seed=0)
    assert (result.samples, result.taught) == (5 * 100, 0)
    assert result.all_seconds == result.seconds > 0


def test_a_teacher_counts_where_it_was_trained(tmp_path: Path) -> None:
    recipe = replace(RECIPE, teacher=TEACHER)
    first, again = (train(*rows(), recipe=recipe, seed=0, shelf=tmp_path) for _ in range(2))
    assert (first.samples, first.taught) == (5 * 100, 4 * 100)
    assert (again.samples, again.taught) == (5 * 100, 0), "from the shelf"
    # 16-8-3; two kernels of 3 x 3 on 4 x 4 pixels, and 32 numbers for each of three classes: six operations a
    # multiply-add, but for the first layer, of whose inputs nobody asks for a gradient, four
    pupil, teacher = 4 * 16 * 8 + 6 * 8 * 3, 4 * 2 * 9 * 16 + 6 * 2 * 16 * 3
    assert operations(first, recipe, inputs=INPUTS, classes=CLASSES) == 500 * pupil + 400 * teacher
    assert operations(again, recipe, inputs=INPUTS, classes=CLASSES) == 500 * pupil


def test_seconds_are_those_of_every_device() -> None:
    network = train(*rows(), recipe=RECIPE, seed=0).network
    mesh: Any = SimpleNamespace(size=3)
    assert work_of(network, 7, 5, 10.1).work == Work(flops=7, seconds=11, device=device_name(processor()))
    assert work_of(network, 7, 5, 10.1, mesh).work.seconds == 31


def test_seeds_together_count_each(tmp_path: Path) -> None:
    results = train_seeds(*rows(), recipe=RECIPE, seeds=(1, 2))
    assert [result.samples for result in results] == [500, 500]
    assert results[0].all_seconds == results[1].all_seconds


def test_a_resumed_run_counts_what_it_took_before(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(epoch: Epoch) -> None:
        if (epoch.phase, epoch.number) == ("quantised", 2):
            raise Killed

    with pytest.raises(Killed):
        train(*rows(), recipe=RECIPE, seed=0, checkpoint=tmp_path / "run", progress=kill)
    result = train(*rows(), recipe=RECIPE, seed=0, checkpoint=tmp_path / "run")
    assert result.samples == 500
    assert result.all_seconds > result.seconds


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A model of two seeds with its work, and what the command printed."""
    place = tmp_path_factory.mktemp("work")
    table = place / "table.csv"
    rng = np.random.default_rng(2)
    lines = [f"{a},{b},{'up' if a > b else 'down'}" for a, b in rng.integers(0, 99, (100, 2))]
    table.write_text("\n".join(["a,b,way", *lines]) + "\n")
    out = place / "model.bin"
    words = ["train", "--dataset", table, "--hidden", 4, "--seeds", 2, "--out", out, "--json"]
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == 0, done.output
    return out, json.loads(done.stdout)


def test_training_writes_its_work_beside_the_model(trained: tuple[Path, dict[str, Any]]) -> None:
    out, report = trained
    path = beside(out)
    assert path.name == "model.bin.work.json"
    assert report["work"] == str(path)
    found = WorkFile.load(path)
    assert found.model == keccak(networks.model_of(networks.read(out.read_bytes())))
    # a fifth of 100 rows is tested on and a tenth of the rest held back; the other 72 fill four batches of 16
    assert found.samples == 2 * PRESETS[GENERIC].recipe.all_epochs * 64
    # 2-4-2
    assert found.work.flops == report["flops"] == (4 * 2 * 4 + 6 * 4 * 2) * found.samples
    assert found.work.seconds >= math.floor(sum(run["seconds"] for run in report["runs"]))
    assert found.work.device == device_name(processor())


def test_a_file_of_work_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    made = WorkFile(model=b"\7" * 32, work=GOOD, samples=3)
    made.save(path)
    assert WorkFile.load(path) == made


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found.update(version=2), "version is 2, not 1"),
        (lambda found: found.pop("flops"), "flops is missing"),
        (lambda found: found.update(flops=1.5), "flops is 1.5, and should be a whole number"),
        (lambda found: found.update(flops=0), "flops 0; declare 1 to"),
        (lambda found: found.update(flops=2**100 + 1), "flops 1267650600228229401496703205377; declare 1 to 2..100"),
        (lambda found: found.update(seconds=0), "seconds 0; declare 1 to"),
        (lambda found: found.update(seconds=2**40 + 1), "seconds 1099511627777; declare"),
        (lambda found: found.update(device=""), "device ''; declare 1 to 64 bytes"),
        (lambda found: found.update(device="é" * 33), "declare 1 to 64 bytes"),
        (lambda found: found.update(device="a\x1b[2J"), "of printable text"),
        (lambda found: found.update(model="0x12"), "model is '0x12', and should be 0x and 64"),
        (lambda found: found.update(samples=True), "samples is True"),
        (lambda found: found.update(why=1), "there is no why in such a file"),
    ],
)
def test_a_wrong_value_is_named_with_the_file(tmp_path: Path, change: Callable[[Any], object], said: str) -> None:
    path = tmp_path / "w.json"
    WorkFile(model=b"\7" * 32, work=GOOD, samples=3).save(path)
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))
    with pytest.raises(DataError, match=said) as raised:
        WorkFile.load(path)
    assert str(raised.value).startswith(str(path))
    assert str(raised.value).endswith("`trainer train --out` writes one")


def test_a_device_is_named_as_it_is_sold_and_fits() -> None:
    assert device_name("NVIDIA H200") == "NVIDIA H200"
    assert device_name("x" * 99) == "x" * 64
    assert device_name("é" * 40) == "é" * 32
    assert device_name("a\x1b[2Jb") == "a[2Jb"
    assert device_name("\n") == "unknown"
    Work(flops=1, seconds=1, device=device_name(processor()))
