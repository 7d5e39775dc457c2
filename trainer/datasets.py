"""Datasets: what a reader returns, and how one is found by name or by path.

| name                 | rows   | features    | classes | from                                          |
|----------------------|--------|-------------|---------|-----------------------------------------------|
| `digits`             | 1,797  | 8 x 8       | 10      | scikit-learn, always there                    |
| `fashion-mnist`      | 70,000 | 28 x 28     | 10      | `trainer data fetch`, or idx files you have   |
| `cifar-10`           | 60,000 | 32 x 32 x 3 | 10      | its authors' archive, which you get           |
| a `.csv` or `.npz`   | yours  | yours       | 2-256   | `trainer.tabular`                             |
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trainer import cifar, idx, tabular
from trainer.errors import DataError

Uint8 = npt.NDArray[np.uint8]
Float64 = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
# (height, width) of one channel, (height, width, channels) of several
ImageShape = tuple[int, int] | tuple[int, int, int]

FASHION_MNIST = "fashion-mnist"
CIFAR_10 = "cifar-10"
DIGITS = "digits"
FASHION_DIRECTORY = Path("build/datasets/fashion-mnist")
CIFAR_DIRECTORY = Path("build/datasets/cifar-10")
FASHION_CLASSES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
MAX_CLASSES = 256
NAMED = f"{DIGITS}, {FASHION_MNIST}, {CIFAR_10}, or a .csv or .npz file"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Labelled rows as read, before quantisation; construction checks shapes, labels and values.

    name:        of the dataset, or the file's without its directory.
    features:    shape (n, f); uint8 for images, float64 for tables, all finite.
    labels:      uint8, shape (n,), below the number of classes.
    class_names: one name a class, in the order of the labels.
    image_shape: (height, width) of an image, or (height, width, channels) of one with several, all of whose sides
                 multiply to f; None for a table. Row by row, in a row channel by channel: feature
                 (y * channels + c) * width + x is the pixel of column x, row y and channel c.
    pixel_bits:  images only: a pixel uses the values 0 to 2**pixel_bits - 1; what exceeds them counts as the largest.
    test_rows:   the last `test_rows` rows are the official test set; 0 where none exists.
    note:        what its reader could not check, in a sentence for the user; None where all is well.
    """

    name: str
    features: Uint8 | Float64
    labels: Uint8
    class_names: tuple[str, ...]
    image_shape: ImageShape | None = None
    pixel_bits: int = 8
    test_rows: int = 0
    note: str | None = None

    def __post_init__(self) -> None:
        rows = len(self.labels)
        if self.features.ndim != 2 or len(self.features) != rows:
            raise DataError(f"{self.name}: {rows} labels for features of shape {self.features.shape}")
        if rows == 0 or self.features.shape[1] == 0:
            raise DataError(f"{self.name}: no rows or no features; shape {self.features.shape}")
        if not 2 <= self.classes <= MAX_CLASSES:
            raise DataError(f"{self.name}: {self.classes} classes; use 2 to {MAX_CLASSES}")
        if self.labels.max() >= self.classes:
            row = int(self.labels.argmax())
            raise DataError(
                f"{self.name}: row {row} has label {self.labels[row]}; labels go from 0 to {self.classes - 1}"
            )
        if self.labels.min() == self.labels.max():
            raise DataError(
                f"{self.name}: every row is of class {self.class_names[self.labels[0]]!r}; a challenge needs at least 2"
            )
        if self.image_shape is not None and math.prod(self.image_shape) != self.features.shape[1]:
            raise DataError(f"{self.name}: {self.features.shape[1]} features are no image of {self.image_shape}")

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def split(self) -> tuple[Rows, Rows]:
        """Row numbers (int64) of the training and the test set.

        The official test set where one exists; else the rows are shuffled with seed 0 and the last fifth is the test.
        """
        rows = len(self.labels)
        if self.test_rows:
            return np.arange(rows - self.test_rows), np.arange(rows - self.test_rows, rows)
        order = np.random.default_rng(0).permutation(rows)
        cut = rows - max(rows // 5, 1)
        return order[:cut], order[cut:]


def load(dataset: str, *, data: Path | None = None, label: str | None = None, unofficial: bool = False) -> Dataset:
    """Read a dataset.

    dataset:    `digits`, `fashion-mnist`, `cifar-10`, or the path of a .csv or .npz file.
    data:       directory of the Fashion-MNIST idx files, by default what `trainer data fetch` filled; or the archive
                or directory of CIFAR-10, by default the directory build/datasets/cifar-10.
    label:      label column of a .csv; by default the last one.
    unofficial: whether files of CIFAR-10 may be others than the official ones.

    Raises `DataError`, naming the file, the place and the value.
    """
    if label is not None and not dataset.lower().endswith(".csv"):
        raise DataError(f"{dataset}: a label column is for .csv files only")
    if data is not None and dataset not in (FASHION_MNIST, CIFAR_10):
        raise DataError(f"{dataset}: a data directory is for {FASHION_MNIST} and {CIFAR_10} only")
    if unofficial and dataset != CIFAR_10:
        raise DataError(f"{dataset}: --unofficial is for {CIFAR_10} only")
    if dataset == DIGITS:
        return digits()
    if dataset == FASHION_MNIST:
        return fashion_mnist(data or FASHION_DIRECTORY)
    if dataset == CIFAR_10:
        return cifar_10(data or CIFAR_DIRECTORY, unofficial=unofficial)
    path = Path(dataset)
    if path.is_dir():
        raise DataError(f"{dataset}: a directory without a package (no manifest.json); use {NAMED}")
    if path.suffix.lower() == ".npy":
        raise DataError(f"{dataset}: a .npy holds one array; save both as .npz with {tabular.SAVE}")
    if path.suffix.lower() not in (".csv", ".npz"):
        raise DataError(f"{dataset} is no dataset: use {NAMED}")
    table = tabular.read_csv(path, label=label) if path.suffix.lower() == ".csv" else tabular.read_npz(path)
    return Dataset(name=path.name, features=table.features, labels=table.labels, class_names=table.class_names)


def digits() -> Dataset:
    """scikit-learn's 8 x 8 digits: pixels 0 to 16, of which 16 counts as 15; uint8, shape (1797, 64)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return Dataset(
        name=DIGITS,
        features=bunch.data.astype(np.uint8),
        labels=bunch.target.astype(np.uint8),
        class_names=tuple(str(digit) for digit in range(10)),
        image_shape=(8, 8),
        pixel_bits=4,
    )


def fashion_mnist(directory: Path) -> Dataset:
    """Fashion-MNIST from its four idx files, gzipped or not: 60,000 training rows, then 10,000 test rows."""
    if not directory.is_dir():
        raise DataError(f"{directory}: no such directory; run `trainer data fetch`, or name yours with --data")
    images, labels = [], []
    for part in ("train", "t10k"):
        image_file = _find(directory, f"{part}-images-idx3-ubyte")
        label_file = _find(directory, f"{part}-labels-idx1-ubyte")
        pixels, classes = idx.read(image_file, dimensions=3), idx.read(label_file, dimensions=1)
        if pixels.shape[1:] != (28, 28):
            raise DataError(f"{image_file}: images of {pixels.shape[1]} x {pixels.shape[2]}; Fashion-MNIST has 28 x 28")
        if len(pixels) != len(classes):
            raise DataError(f"{image_file} has {len(pixels)} images, {label_file} has {len(classes)} labels")
        if len(classes) and classes.max() >= len(FASHION_CLASSES):
            row = int(classes.argmax())
            raise DataError(f"{label_file}: label {classes[row]} at position {row}; labels go from 0 to 9")
        images.append(pixels.reshape(len(pixels), -1))
        labels.append(classes)
    return Dataset(
        name=FASHION_MNIST,
        features=np.concatenate(images),
        labels=np.concatenate(labels),
        class_names=FASHION_CLASSES,
        image_shape=(28, 28),
        test_rows=len(labels[1]),
    )


def cifar_10(path: Path, *, unofficial: bool = False) -> Dataset:
    """CIFAR-10 from its authors' archive or its files: 50,000 training rows, then 10,000 test rows.

    unofficial: accept an archive with another checksum, and batches of other sizes.
    """
    images = cifar.read(path, unofficial=unofficial)
    return Dataset(
        name=CIFAR_10,
        features=images.features,
        labels=images.labels,
        class_names=cifar.CLASSES,
        image_shape=cifar.SHAPE,
        test_rows=images.test_rows,
        note=images.note,
    )


def _find(directory: Path, name: str) -> Path:
    """The file `name` or `name.gz`; `images.idx3` for `images-idx3` counts too."""
    dotted = name.replace("-idx", ".idx")
    for candidate in (f"{name}.gz", name, f"{dotted}.gz", dotted):
        if (directory / candidate).is_file():
            return directory / candidate
    raise DataError(f"{directory}: neither {name}.gz nor {name} is there; run `trainer data fetch`")
