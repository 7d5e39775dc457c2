"""Checkpoints: a run that is killed ends as one that is not, and its directory takes no other run."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.trainer.test_cli import good, refused
from trainer import training
from trainer.architecture import Architecture, Block
from trainer.encode import encode
from trainer.ending import Unfinished
from trainer.errors import DataError
from trainer.presets import PRESETS, Recipe, Teacher
from trainer.training import Epoch, TrainResult, train, train_seeds

ROOT = Path(__file__).resolve().parents[2]
RECIPE = Recipe(hidden=(6,), input_bits=4, activation_bits=4, weight_bits=4, batch=20, epochs=3, quantised_epochs=6)
BINARY = replace(RECIPE, input_bits=1, activation_bits=1, weight_bits=1, epochs=0)
TEACHER = Teacher(
    architecture=Architecture(image=(1, 2, 4), blocks=(Block(outputs=4),)), input_bits=4, batch=20, epochs=2
)
TAUGHT = replace(RECIPE, teacher=TEACHER, smoothing=0.1)
RECIPES = {"dense": RECIPE, "binary": BINARY, "taught": TAUGHT}

# what is killed: it says which epoch is done before that is saved, and prints what it ends with
CHILD = """
import sys
from pathlib import Path
from tests.trainer import test_checkpoint as here

def say(epoch):
    print(epoch.phase, epoch.number, flush=True)

print(here.end(here.run(sys.argv[1], Path(sys.argv[2]), say)))
"""


def rows(bits: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2**bits, (200, 8), dtype=np.uint8)
    return x, (x[:, 0] > x[:, 1]).astype(np.uint8)


def run(name: str, folder: Path | None, progress: object = None, ending: object = None) -> TrainResult:
    recipe = RECIPES[name]
    more = {"checkpoint": folder, "progress": progress, "ending": ending}
    return train(*rows(recipe.input_bits), recipe=recipe, seed=5, validation=0.2, **more)


def end(result: TrainResult) -> str:
    """All that must be the same, as JSON."""
    return json.dumps([encode(result.network).hex(), result.validation_accuracy, result.history])


def start(name: str, folder: Path) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        # children compile the same programs
        "JAX_COMPILATION_CACHE_DIR": str(folder.parent.parent / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    command = [sys.executable, "-c", CHILD, name, str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("phase", ["float", "quantised"])
def test_a_killed_run_ends_as_an_unbroken_one(phase: str, tmp_path: Path) -> None:
    """The kill comes somewhere in the epoch, or in the save, after the one that was drawn."""
    name, draw = "dense", random.Random(phase)
    epochs = RECIPES[name].epochs if phase == "float" else RECIPES[name].quantised_epochs
    number, later = draw.randrange(1, epochs), draw.random() * 0.1
    child = start(name, tmp_path / "run")
    for line in child.stdout:
        if line.split() == [phase, str(number)]:
            break
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(later)
    child.kill()
    _, complaint = child.communicate()
    assert child.returncode == -9, complaint
    shown: list[Epoch] = []
    resumed = run(name, tmp_path / "run", shown.append)
    unbroken = run(name, None)
    assert end(resumed) == end(unbroken)
    # it went on from where it was: what was saved is not trained again
    assert tuple(shown) == unbroken.history[-len(shown) :]
    before = number - 1 if phase == "float" else number - 1 + RECIPES[name].epochs
    assert before <= len(unbroken.history) - len(shown) <= before + 4


class Stopped(Exception):
    """What a callback of these tests ends a run with."""


class Until:
    """A callback that notes epochs and ends the run at one of them, before that is saved."""

    def __init__(self, count: int) -> None:
        self.count, self.shown = count, list[Epoch]()

    def __call__(self, epoch: Epoch) -> None:
        self.shown.append(epoch)
        if len(self.shown) == self.count:
            raise Stopped


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_may_stop_after_every_epoch(name: str, tmp_path: Path) -> None:
    folder, unbroken = tmp_path / "run", run(name, None)
    for number in range(len(unbroken.history) - 1):
        until = Until(2)
        with pytest.raises(Stopped):
            run(name, folder, until)
        assert tuple(until.shown) == unbroken.history[number : number + 2]
    assert end(run(name, folder)) == end(unbroken)
    # nothing is left to do
    assert end(run(name, folder, Until(1))) == end(unbroken)


def test_a_run_that_is_asked_to_end_has_saved_all_it_did(tmp_path: Path) -> None:
    """In floats, and in integers; a teacher is trained by what trains in floats."""
    name, folder = "dense", tmp_path / "run"
    unbroken, done = run(name, None), 0
    for epochs in (1, 4):
        shown: list[Epoch] = []
        with pytest.raises(Unfinished, match="asked to end before its last epoch"):
            run(name, folder, shown.append, lambda shown=shown, epochs=epochs: len(shown) == epochs)
        # none is trained twice
        assert tuple(shown) == unbroken.history[done : done + epochs]
        done += epochs
    assert done < len(unbroken.history)
    assert end(run(name, folder)) == end(unbroken)


def test_a_signal_ends_the_command_after_its_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.cli.adapt", lambda *_, **__: replace(PRESETS["mlp"], recipe=RECIPE))
    lines = [f"{a},{b},{'up' if a > b else 'down'}" for a, b in rows()[0][:, :2].tolist()]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,way", *lines]))
    command = ("train", "--dataset", tmp_path / "t.csv", "--out")
    whole, done = training._epoch, list[object]()

    def asked(phases: object) -> list[float]:
        losses = whole(phases)
        done.append(phases)
        if len(done) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return losses

    monkeypatch.setattr(training, "_epoch", asked)
    before = signal.getsignal(signal.SIGTERM)
    said = refused(*command, tmp_path / "1.bin", "--checkpoint", tmp_path / "run", code=143)
    assert said.splitlines() == [
        "SIGTERM: ends after this epoch, which is saved; once more ends at once",
        f"{tmp_path}/run holds what was trained: the same command goes on from there",
    ]
    assert signal.getsignal(signal.SIGTERM) == before
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["3", "5"]
    assert not (tmp_path / "1.bin").exists()
    good(*command, tmp_path / "1.bin", "--checkpoint", tmp_path / "run")
    assert len(done) == RECIPE.epochs + RECIPE.quantised_epochs
    good(*command, tmp_path / "2.bin")
    assert (tmp_path / "1.bin").read_bytes() == (tmp_path / "2.bin").read_bytes()


def test_seeds_side_by_side_go_on_together(tmp_path: Path) -> None:
    x, y = rows()

    def both(folder: Path | None, until: Until) -> list[str]:
        arguments = {"recipe": RECIPE, "seeds": (1, 2), "validation": 0.2, "progress": until, "checkpoint": folder}
        return [end(result) for result in train_seeds(x, y, **arguments)]

    every = 2 * (RECIPE.epochs + RECIPE.quantised_epochs)
    with pytest.raises(Stopped):
        both(tmp_path / "run", Until(every - 3))
    rest = Until(every)
    assert both(tmp_path / "run", rest) == both(None, Until(every + 1))
    assert len(rest.shown) == 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("checkpoint") / "run"
    run("dense", place)
    return place


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"seed": 6}, r"holds another training run: seeds is \[5\], not \[6\]; choose another directory, or delete it"),
        ({"recipe": replace(RECIPE, rate=0.1)}, r"recipe rate is 0.003, not 0.1; choose"),
        (
            {"recipe": replace(RECIPE, hidden=(7,), batch=10), "classes": 3},
            r"run: classes is 2, not 3; recipe batch is 20, not 10; recipe hidden is \[6\], not \[7\]; choose",
        ),
        ({"validation": 0.1}, r"validation is 0.2, not 0.1; choose"),
        ({"x": rows()[0][:, ::-1].copy()}, r"run: other data; choose"),
        ({"y": 1 - rows()[1]}, r"run: other data; choose"),
        ({"x": rows()[0][:100], "y": rows()[1][:100]}, r"run: rows is 200, not 100; other data; choose"),
    ],
)
def test_another_run_is_refused(folder: Path, change: dict, reason: str) -> None:
    before = sorted(folder.iterdir())
    x, y = rows()
    arguments = {"x": x, "y": y, "recipe": RECIPE, "seed": 5, "validation": 0.2, "checkpoint": folder} | change
    with pytest.raises(DataError, match=reason):
        train(arguments.pop("x"), arguments.pop("y"), **arguments)
    assert sorted(folder.iterdir()) == before


def test_a_directory_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(DataError, match=r"holds thesis.txt, which is no part of a training run; choose another"):
        run("dense", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_only_two_epochs_stay(folder: Path) -> None:
    """The latest, and the last in floats, from which the quantised model is made anew."""
    assert sorted(path.name for path in folder.iterdir()) == ["3", "9"]


@pytest.mark.parametrize("damaged", ["record/metadata", "state/_METADATA"])
def test_a_damaged_checkpoint_is_an_error(folder: Path, tmp_path: Path, damaged: str) -> None:
    shutil.copytree(folder, tmp_path / "run")
    path = tmp_path / "run" / "9" / damaged
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"run: epoch 9 cannot be read .*; choose another directory, or delete it"):
        run("dense", tmp_path / "run")


def test_the_command_line_goes_on_and_names_what_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = replace(PRESETS["mlp"], recipe=RECIPE)
    monkeypatch.setattr("trainer.cli.adapt", lambda *_, **__: short)
    lines = [f"{a},{b},{'up' if a > b else 'down'}" for a, b in rows()[0][:, :2].tolist()]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,way", *lines]))
    command = ("train", "--dataset", tmp_path / "t.csv", "--out")
    first = good(*command, tmp_path / "1.bin", "--checkpoint", tmp_path / "run")
    latest = max(int(path.name) for path in (tmp_path / "run").iterdir())
    shutil.rmtree(tmp_path / "run" / str(latest))
    (tmp_path / "run" / f"{latest}.orbax-checkpoint-tmp").mkdir()
    # the run is at the last epoch in floats again, beside a save that was killed
    second = good(*command, tmp_path / "2.bin", "--checkpoint", tmp_path / "run")
    assert (tmp_path / "1.bin").read_bytes() == (tmp_path / "2.bin").read_bytes()
    assert first["runs"][0]["validation_accuracy"] == second["runs"][0]["validation_accuracy"]
    message = refused(*command, tmp_path / "3.bin", "--checkpoint", tmp_path / "run", "--seed", 1)
    assert f"{tmp_path}/run holds another training run: seeds is [0], not [1]; choose another directory" in message
    assert "is a file" in refused(*command, tmp_path / "3.bin", "--checkpoint", tmp_path / "1.bin")
    assert not (tmp_path / "3.bin").exists()
    good(*command, tmp_path / "4.bin", "--checkpoint", tmp_path / "two", "--seeds", 2)
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["seed-0", "seed-1"]
