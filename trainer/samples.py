"""Where the command line's samples come from: a dataset by name or path, a package, or a training export."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trainer import datasets, quantise
from trainer.errors import DataError, PackageError
from trainer.integer import Network
from trainer.package import Package, load_training
from trainer.quantise import Quantiser

Uint8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Quantised rows to train on, and rows to test on, which are empty in an export.

    x, test_x: uint8, shape (n, width), below 2**bits.
    y, test_y: uint8, shape (n,).
    """

    name: str
    bits: int
    classes: int
    x: Uint8
    y: Uint8
    test_x: Uint8
    test_y: Uint8


def is_package(dataset: str) -> bool:
    """Whether `dataset` is the directory of a package or of an export."""
    return (Path(dataset) / "manifest.json").is_file()


def from_dataset(dataset: datasets.Dataset, quantiser: Quantiser) -> Samples:
    """Quantise a dataset and split it."""
    train, test = dataset.split()
    x = quantiser.apply(dataset.features)
    return Samples(
        name=dataset.name,
        bits=quantiser.bits,
        classes=dataset.classes,
        x=x[train],
        y=dataset.labels[train],
        test_x=x[test],
        test_y=dataset.labels[test],
    )


def from_package(directory: Path, *, root: bytes | None) -> Samples:
    """Every row of a package, or of an export, checked against the root; none is for testing."""
    if (directory / "training.json").is_file():
        training = load_training(directory, root)
        manifest, x, y = training.manifest, training.x, training.y
    else:
        package = Package.load(directory)
        manifest = package.manifest
        if root not in (None, package.root):
            raise PackageError(f"{directory} has root 0x{package.root.hex()}, not the one asked for")
        groups = [package.group(index) for index in range(manifest.groups)]
        x, y = np.concatenate([group.x for group in groups]), np.concatenate([group.y for group in groups])
    return Samples(
        name=manifest.name,
        bits=manifest.bits,
        classes=manifest.classes,
        x=x,
        y=y,
        test_x=x[:0],
        test_y=y[:0],
    )


def for_network(dataset: datasets.Dataset, network: Network) -> Samples:
    """Quantise a dataset the way the network's input width and bits tell; raises `DataError` if none fits."""
    train, _ = dataset.split()
    widths = []
    for pooled in (False, True) if dataset.image_shape is not None else (False,):
        quantiser = quantise.fit(dataset, bits=network.input_bits, pooled=pooled, rows=train)
        if quantiser.width == network.widths[0]:
            return from_dataset(dataset, quantiser)
        widths.append(quantiser.width)
    raise DataError(
        f"the model takes {network.widths[0]} inputs; {dataset.name} has "
        f"{' or '.join(map(str, widths))} at {network.input_bits} bits"
    )
