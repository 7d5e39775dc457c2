"""The rows that presets are calibrated on: their own data set, or where that is not there, invented ones."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from trainer import datasets, samples
from trainer.datasets import Dataset
from trainer.errors import DataError
from trainer.presets import SHAPES, Preset

Uint8 = npt.NDArray[np.uint8]

JUDGED = 0.15
"""Part of the training rows that trains nothing, on which accuracies are measured: as much as `trainer agent` takes."""
INVENTED = 20_000
"""Rows of an invented data set."""
CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Quantised rows of one preset.

    x, judged_x: uint8, shape (n, inputs): to train on, and to judge by.
    y, judged_y: uint8, shape (n,).
    fine:        the rows of x as the preset's teacher sees them; None without a teacher.
    invented:    whether accuracies on them mean nothing.
    """

    x: Uint8
    y: Uint8
    judged_x: Uint8
    judged_y: Uint8
    classes: int
    fine: Uint8 | None
    invented: bool


def load(preset: Preset, *, dataset: str | None = None, data: Path | None = None) -> tuple[Dataset, bool]:
    """The data set of a preset, and whether it had to be invented.

    dataset: which one a preset for any data set trains on: a name, or a .csv or .npz file.
    data:    as for `trainer.datasets.load`.

    Raises `DataError` for a preset that leaves the choice open where none is made, and for a data set that was named
    and cannot be read.
    """
    if preset.dataset is None:
        if dataset is None:
            raise DataError(f"preset {preset.name} is for any data set; name yours with --dataset")
        return datasets.load(dataset), False
    homes = {datasets.FASHION_MNIST: datasets.FASHION_DIRECTORY, datasets.CIFAR_10: datasets.CIFAR_DIRECTORY}
    home = homes.get(preset.dataset)
    chosen = data if preset.dataset == datasets.FASHION_MNIST else None
    if home is None or chosen is not None or home.is_dir():
        return datasets.load(preset.dataset, data=chosen), False
    return invent(preset.dataset), True


def invent(name: str, *, rows: int = INVENTED, seed: int = 0) -> Dataset:
    """Images of the shape of a known data set: of each class one picture, under noise, the same for the same seed."""
    rng = np.random.default_rng(seed)
    shape = cast(datasets.ImageShape, SHAPES[name])
    width = int(np.prod(shape))
    pictures = rng.integers(0, 256, (CLASSES, width))
    labels = rng.integers(0, CLASSES, rows, np.uint8)
    features = np.empty((rows, width), np.uint8)
    for start in range(0, rows, 1000):
        part = labels[start : start + 1000]
        noise = rng.integers(-512, 513, (len(part), width))
        features[start : start + 1000] = np.clip(pictures[part] + noise, 0, 255)
    return Dataset(
        name=name,
        features=features,
        labels=labels,
        class_names=tuple(f"class {number}" for number in range(CLASSES)),
        image_shape=shape,
    )


def prepare(preset: Preset, dataset: Dataset, *, invented: bool = False, seed: int = 0) -> Rows:
    """Quantise a data set's training rows as the preset does, and hold some back; its test rows are left alone.

    seed: chooses which are held back.
    """
    found = samples.from_dataset(dataset, preset.quantiser(dataset), teacher=preset.recipe.teacher)
    order = np.random.default_rng(seed).permutation(len(found.y))
    held = max(1, int(len(order) * JUDGED))
    judged, seen = order[:held], order[held:]
    return Rows(
        x=found.x[seen],
        y=found.y[seen],
        judged_x=found.x[judged],
        judged_y=found.y[judged],
        classes=found.classes,
        fine=None if found.fine is None else found.fine[seen],
        invented=invented,
    )
