"""Views of images: which feature goes where, which view a row gets, and training with them."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from trainer import networks, training
from trainer.architecture import Architecture, Block
from trainer.errors import NetworkError
from trainer.phase import Phase, Plan, place, seen_as
from trainer.presets import MAX_VIEW_SHIFT, ConvolutionRecipe, Teacher, Views
from trainer.quantise import Quantiser
from trainer.training import Epoch, TrainResult, train, train_seeds
from trainer.views import table

IMAGE = (1, 4, 6)
RECIPE = ConvolutionRecipe(
    architecture=Architecture(image=IMAGE, blocks=(Block(outputs=2),)),
    views=Views(mirrored=True, shift=1),
    input_bits=4,
    activation_bits=4,
    weight_bits=4,
    batch=20,
    epochs=2,
    quantised_epochs=3,
)


def moved(image: np.ndarray, down: int, right: int, mirrored: bool) -> np.ndarray:
    """An image, (height, width), moved pixel by pixel, then mirrored."""
    height, width = image.shape
    out = np.zeros_like(image)
    for y, x in np.ndindex(image.shape):
        if 0 <= y + down < height and 0 <= x + right < width:
            out[y + down, x + right] = image[y, x]
    return out[:, ::-1] if mirrored else out


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("views", [Views(), Views(shift=2), Views(mirrored=False, shift=1)])
def test_a_view_is_the_image_moved_and_mirrored(folded: bool, views: Views) -> None:
    pixels = np.random.default_rng(0).integers(1, 256, (4, 6), dtype=np.uint8)
    quantiser = Quantiser(bits=8, folded=folded, image_shape=(4, 6))
    places = table((4, 2, 3) if folded else IMAGE, views, folded=folded)
    (row,) = quantiser.apply(pixels.reshape(1, -1))
    found = {bytes(view) for view in np.asarray(seen_as(jnp.asarray(row)[None].repeat(len(places), 0), places))}
    steps = range(-views.shift, views.shift + 1)
    wanted = {
        bytes(quantiser.apply(moved(pixels, down, right, mirrored).reshape(1, -1))[0])
        for down in steps
        for right in steps
        for mirrored in {False, views.mirrored}
    }
    assert found == wanted
    assert len(places) == len(wanted)


class Seen(nnx.Module):
    """A model that remembers its latest batch."""

    def __init__(self, rows: int, inputs: int) -> None:
        self.scale = nnx.Param(jnp.ones(()))
        self.seen = nnx.Variable(jnp.zeros((rows, inputs)))

    def logits(self, x: jax.Array) -> jax.Array:
        self.seen[...] = x.astype(jnp.float32)
        return jnp.zeros((len(x), 2)) * self.scale[...]


def test_every_epoch_draws_a_view_of_every_row_by_its_key() -> None:
    count, width = 400, 24
    x = np.random.default_rng(0).integers(1, 16, (count, width), dtype=np.uint8)
    places = table(IMAGE, Views(mirrored=True, shift=1), folded=False)

    def epochs(key: int, views: np.ndarray | None) -> list[np.ndarray]:
        phase = Phase(
            [Seen(count, width)],
            Plan(0.0, 0.0, 2, 1, count),
            [jax.random.key(key)],
            place(x, np.zeros(count, np.uint8), None),
            [np.arange(count, dtype=np.int32)],
            views=views,
        )
        seen = []
        for _ in range(2):
            phase.epoch()
            seen.append(np.asarray(phase.model(0).seen[...]).astype(np.uint8))
        return seen

    found, plain = epochs(0, places), epochs(0, None)
    drawn = []
    for seen, ordered in zip(found, plain, strict=True):
        same = (np.pad(ordered, ((0, 0), (0, 1)))[:, places] == seen[:, None]).all(axis=2)
        # each row, in the order of an epoch without views, is one of its views
        assert same.any(axis=1).all()
        drawn.append(same.argmax(axis=1))
        assert (np.bincount(drawn[-1], minlength=len(places)) > 0).all()
    assert (drawn[0] != drawn[1]).any()
    assert (np.array(epochs(0, places)) == found).all()
    assert (epochs(1, places)[0] != found[0]).any()


def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 16, (200, 24), dtype=np.uint8)
    return x, (x[:, :12].sum(axis=1) > x[:, 12:].sum(axis=1)).astype(np.uint8)


def end(result: TrainResult) -> str:
    return json.dumps([networks.write(result.network).hex(), result.validation_accuracy, result.history])


class Stopped(Exception):
    """What ends a run early."""


def test_a_run_with_views_may_stop_after_every_epoch(tmp_path: Path) -> None:
    unbroken = train(*rows(), recipe=RECIPE, seed=5, validation=0.2)
    for _ in range(len(unbroken.history) - 1):
        shown: list[Epoch] = []

        def second(epoch: Epoch, shown: list[Epoch] = shown) -> None:
            shown.append(epoch)
            if len(shown) == 2:
                # before this epoch is saved
                raise Stopped

        with pytest.raises(Stopped):
            train(*rows(), recipe=RECIPE, seed=5, validation=0.2, checkpoint=tmp_path / "run", progress=second)
    resumed = train(*rows(), recipe=RECIPE, seed=5, validation=0.2, checkpoint=tmp_path / "run")
    assert end(resumed) == end(unbroken)


def test_floats_and_the_teacher_have_views_of_their_own() -> None:
    teacher = Teacher(architecture=RECIPE.architecture, input_bits=4, batch=20, epochs=2)
    taught = replace(RECIPE, quantised_epochs=1)

    def lost(pupils: Views | None, teachers: Views | None) -> list[float]:
        recipe = replace(taught, views=pupils, teacher=replace(teacher, views=teachers))
        return [epoch.loss for epoch in train(*rows(), recipe=recipe, seed=0, validation=0.0).history]

    plain, teachers, pupils, both = (lost(a, b) for a in (None, Views()) for b in (None, Views()))
    assert pupils[:2] == plain[:2]
    assert teachers[:2] == both[:2]
    # two epochs of the teacher, two in floats; those through the rounding begin where floats ended
    assert all(one != other for one, other in zip(plain, both, strict=True))
    assert all(one != other for one, other in zip(plain[2:], pupils[2:], strict=True))


def test_epochs_through_the_rounding_see_images_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[int, bool]] = []

    class Noted(Phase[Any]):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            found.append((self.plan.epochs, self.views is not None))

    monkeypatch.setattr(training, "Phase", Noted)
    train(*rows(), recipe=RECIPE, seed=0, validation=0.0)
    assert found == [(RECIPE.epochs, True), (RECIPE.quantised_epochs, False)]


def test_seeds_side_by_side_draw_the_views_of_each_alone() -> None:
    recipe = replace(RECIPE, epochs=1, quantised_epochs=1)
    together = train_seeds(*rows(), recipe=recipe, seeds=(0, 1), validation=0.0)
    for seed, result in enumerate(together):
        alone = train(*rows(), recipe=recipe, seed=seed, validation=0.0)
        assert result.history[0].loss == pytest.approx(alone.history[0].loss, abs=1e-5)


# two devices of one process; prints the losses
CHILD = """
import json
import jax
from tests.trainer import test_views as here
from trainer import devices

mesh = devices.mesh_of(jax.devices())
assert mesh.size == 2, mesh
print(json.dumps(here.losses(mesh)))
"""


def losses(mesh: Any) -> list[float]:
    return [epoch.loss for epoch in train(*rows(), recipe=RECIPE, seed=5, validation=0.0, mesh=mesh).history]


def test_two_devices_see_the_views_that_one_sees() -> None:
    """Sums over devices are added in another order, so that only numbers near each other can be asked for."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    child = subprocess.run(
        [sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    assert child.returncode == 0, child.stderr
    apart = np.array(json.loads(child.stdout.splitlines()[-1]))
    assert np.abs(apart - losses(None))[: RECIPE.epochs].max() < 1e-4


@pytest.mark.parametrize("change", [{"mirrored": False}, {"shift": -1}, {"shift": MAX_VIEW_SHIFT + 1}])
def test_views_that_show_nothing_else_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(NetworkError, match=f"mirror, or move by 1 to {MAX_VIEW_SHIFT}"):
        Views(**change)
