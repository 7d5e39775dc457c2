"""Teachers: what a network learns from their answers, what they are trained on, and the shelf that keeps answers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.trainer.test_checkpoint import RECIPE, TAUGHT, TEACHER, end, rows
from tests.trainer.test_cli import good, refused
from trainer import integer, teacher, training
from trainer.architecture import Architecture, Block
from trainer.convolution_models import FloatCNN
from trainer.errors import DataError, NetworkError
from trainer.phase import Plan, _loss
from trainer.presets import PRESETS, Teacher
from trainer.training import Epoch, train, train_seeds


@pytest.mark.parametrize(("smoothing", "part"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.25), (0.3, 0.25), (0.0, 1.0)])
def test_the_loss_is_a_cross_entropy_with_what_is_mixed(smoothing: float, part: float) -> None:
    rng = np.random.default_rng(0)
    logits, taught = rng.normal(size=(2, 7, 3))
    taught = np.exp(taught) / np.exp(taught).sum(axis=1, keepdims=True)
    labels = rng.integers(0, 3, 7)
    wanted = (1 - part) * ((1 - smoothing) * np.eye(3)[labels] + smoothing / 3) + part * taught
    found = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    plan = Plan(0.1, 0.0, 1, 1, 7, smoothing=smoothing, part=part)
    loss = _loss(jnp.asarray(logits), jnp.asarray(labels), jnp.asarray(taught) if part else None, plan)
    assert float(loss) == pytest.approx(-(wanted * np.log(found)).sum(axis=1).mean(), 1e-5)


@pytest.mark.parametrize(("part", "agrees"), [(1.0, "teacher"), (0.01, "labels")])
def test_a_network_follows_its_teacher_by_its_part(part: float, agrees: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A teacher that says the contrary of every label."""
    x, y = rows()
    contrary = np.eye(2, dtype=np.float32)[1 - y]
    monkeypatch.setattr(training, "answers", lambda model, x: contrary)
    able = replace(RECIPE, hidden=(16,), epochs=10, rate=1e-2)
    recipe = replace(able, teacher=replace(TEACHER, epochs=1, part=part))
    result = train(x, y, recipe=recipe, seed=0, validation=0.0)
    right = (integer.predict(result.network, x) == (1 - y if agrees == "teacher" else y)).mean()
    assert right > 0.8


def test_a_teacher_is_trained_on_the_rows_that_are_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels are noise: a teacher is right only where it has seen them."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 16, (200, 8), dtype=np.uint8), rng.integers(0, 2, 200, dtype=np.uint8)
    said: list[np.ndarray] = []

    def noted(model: Any, x: np.ndarray) -> np.ndarray:
        said.append(teacher.answers(model, x))
        return said[-1]

    monkeypatch.setattr(training, "answers", noted)
    able = replace(TEACHER, epochs=60, rate=1e-2, decay=0.0)
    blocks = (replace(able.architecture.blocks[0], outputs=32),)
    able = replace(able, architecture=replace(able.architecture, blocks=blocks))
    train(x, y, recipe=replace(RECIPE, epochs=1, quantised_epochs=1, teacher=able), seed=3, validation=0.4)
    order = training._start(3, 200, 0.4)
    right = said[0].argmax(axis=1) == y
    assert right[order.seen].mean() > 0.85
    assert right[order.unseen].mean() < 0.7


def test_answers_are_the_same_in_any_number() -> None:
    x, _ = rows()
    cnn = FloatCNN(TEACHER.architecture, classes=2, input_bits=4, rngs=nnx.Rngs(0))
    few = teacher.answers(cnn, x[:7])
    assert few.shape == (7, 2)
    assert few.dtype == np.float32
    assert (few == teacher.answers(cnn, x)[:7]).all()
    logits = np.exp(np.asarray(cnn(jnp.asarray(x[:7]), training=False)))
    assert np.allclose(few, logits / logits.sum(axis=1, keepdims=True), atol=1e-5)


def test_a_shelf_spares_the_teacher_and_changes_no_bit(tmp_path: Path) -> None:
    x, y = rows()

    def run(shelf: Path | None, seed: int = 1) -> tuple[str, list[Epoch]]:
        shown: list[Epoch] = []
        result = train(x, y, recipe=TAUGHT, seed=seed, validation=0.2, shelf=shelf, progress=shown.append)
        return end(replace(result, history=())), shown

    without, shelved, again, other = (
        run(None),
        run(tmp_path / "shelf"),
        run(tmp_path / "shelf"),
        run(tmp_path / "shelf", 2),
    )
    assert without[0] == shelved[0] == again[0] != other[0]
    assert without[1] == shelved[1] == [*without[1][: TEACHER.epochs], *again[1]]
    assert {epoch.phase for epoch in without[1][: TEACHER.epochs]} == {"teacher"}
    # of another seed, nothing was there
    assert [epoch.phase for epoch in other[1]] == [epoch.phase for epoch in without[1]]


def test_a_spoilt_shelf_is_refused(tmp_path: Path) -> None:
    x, y = rows()
    train(x, y, recipe=TAUGHT, seed=1, validation=0.2, shelf=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(DataError, match=r"\.npy: no answers of a teacher \(.*\); delete it"):
        train(x, y, recipe=TAUGHT, seed=1, validation=0.2, shelf=tmp_path)


def test_how_the_teacher_is_listened_to_is_not_how_it_is_trained(tmp_path: Path) -> None:
    """One teacher serves recipes that learn another part of it, but another teacher's answers are others."""
    x, y = rows()
    for change, files in (({}, 1), ({"part": 0.3}, 1), ({"rate": 1e-2}, 2)):
        recipe = replace(TAUGHT, teacher=replace(TEACHER, **change))
        train(x, y, recipe=recipe, seed=1, validation=0.2, shelf=tmp_path)
        assert len(list(tmp_path.iterdir())) == files


def test_seeds_side_by_side_have_a_teacher_each() -> None:
    """As each alone within rounding: the first epoch, before differences grow."""
    x, y = rows()
    together = train_seeds(x, y, recipe=TAUGHT, seeds=(1, 2), validation=0.2)
    for seed, beside in zip((1, 2), together, strict=True):
        alone = train(x, y, recipe=TAUGHT, seed=seed, validation=0.2)
        assert [epoch[:3] for epoch in beside.history] == [epoch[:3] for epoch in alone.history]
        for number in (0, TEACHER.epochs):
            assert beside.history[number].loss == pytest.approx(alone.history[number].loss, rel=1e-3)


@pytest.mark.parametrize("change", [{"part": 0.0}, {"part": 1.1}, {"epochs": 0}])
def test_a_teacher_that_teaches_nothing_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(NetworkError, match="use 1 epoch or more, a part above 0 and up to 1"):
        replace(TEACHER, **change)


def test_a_teacher_may_see_other_pixels_of_the_same_rows(tmp_path: Path) -> None:
    """The pupil sees noise; what its teacher sees decides the labels, which the teacher alone passes on."""
    x, y = rows()
    noise = np.random.default_rng(1).integers(0, 16, (200, 4), dtype=np.uint8)
    recipe = replace(TAUGHT, epochs=1, quantised_epochs=1, teacher=replace(TEACHER, epochs=20, rate=1e-2))
    train(noise, y, recipe=recipe, seed=0, classes=2, fine=x, shelf=tmp_path)
    (file,) = tmp_path.iterdir()
    assert (np.load(file).argmax(axis=1) == y).mean() > 0.75


@pytest.mark.parametrize(
    ("fine", "bits", "reason"),
    [
        (None, 4, r"would see uint8 \(200, 8\); its images of \(1, 1, 4\) take uint8 \(200, 4\) of 4 bits"),
        (np.zeros((3, 4), np.uint8), 4, r"would see uint8 \(3, 4\)"),
        (np.zeros((200, 4), np.int64), 4, "would see int64"),
        (np.full((200, 4), 8, np.uint8), 2, "of 2 bits"),
    ],
)
def test_rows_that_a_teacher_cannot_see_are_refused(fine: np.ndarray | None, bits: int, reason: str) -> None:
    one = replace(TEACHER, input_bits=bits, architecture=replace(TEACHER.architecture, image=(1, 1, 4)))
    with pytest.raises(DataError, match=reason):
        train(*rows(), recipe=replace(TAUGHT, teacher=one), seed=0, fine=fine)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_smoothing_that_leaves_no_label_is_refused(smoothing: float) -> None:
    with pytest.raises(DataError, match=f"smoothing {smoothing}; use 0 to below 1"):
        train(*rows(), recipe=replace(RECIPE, smoothing=smoothing), seed=0)


def test_the_command_line_shows_a_teacher_every_pixel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digits = PRESETS["digits-64-32"]
    blocks = (Block(outputs=2),)
    sees = Teacher(architecture=Architecture(image=(1, 8, 8), blocks=blocks), batch=200, epochs=1)
    quick = replace(digits.recipe, hidden=(4,), epochs=1, quantised_epochs=1, batch=200, teacher=sees)
    monkeypatch.setitem(PRESETS, "taught", replace(digits, name="taught", pooled=True, recipe=quick))
    shelf = tmp_path / "shelf"
    for _ in range(2):
        good("train", "--dataset", "digits", "--preset", "taught", "--teachers", str(shelf))
        assert len(list(shelf.iterdir())) == 1
    # a package has features as they are
    good("data", "pack", "--dataset", "digits", "--pooled", "--out", str(tmp_path / "package"), "--group-size", "16")
    complaint = refused("train", "--dataset", tmp_path / "package", "--preset", "taught")
    assert "does not fit the features" in complaint
