"""Where the command line's samples come from: a dataset by name or path, a package, or a training export."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trainer import datasets, quantise
from trainer.convolution import Trunk
from trainer.errors import DataError, PackageError
from trainer.networks import AnyNetwork
from trainer.package import Group, Manifest, Package, load_training
from trainer.presets import Teacher
from trainer.quantise import Quantiser
from trainer.segments import SegmentedNetwork

Uint8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Quantised rows to train on, and rows to test on, which are empty in an export.

    name:      as the dataset or the manifest calls itself.
    rows:      in words, the rows to evaluate on: those to test on, or all where there are none.
    quantiser: how the features became integers.
    x, test_x: uint8, shape (n, width), below 2**bits.
    y, test_y: uint8, shape (n,).
    groups:    of a package or an export, which x and y are the rows of; else empty.
    fine:      the rows of x with all their pixels, for a teacher; None where nothing asked for them.
    """

    name: str
    rows: str
    quantiser: Quantiser
    classes: int
    x: Uint8
    y: Uint8
    test_x: Uint8
    test_y: Uint8
    groups: tuple[Group, ...] = ()
    fine: Uint8 | None = None

    @property
    def bits(self) -> int:
        """Bits of a feature."""
        return self.quantiser.bits


def is_package(dataset: str) -> bool:
    """Whether `dataset` is the directory of a package or of an export."""
    return (Path(dataset) / "manifest.json").is_file()


def from_dataset(dataset: datasets.Dataset, quantiser: Quantiser, *, teacher: Teacher | None = None) -> Samples:
    """Quantise a dataset and split it.

    teacher: who sees the rows with all their pixels.
    """
    train, test = dataset.split()
    fine = None
    if teacher is not None:
        fine = quantise.fit(dataset, bits=teacher.input_bits, folded=teacher.folded, rows=train).apply(
            dataset.features[train]
        )
    x = quantiser.apply(dataset.features)
    return Samples(
        name=dataset.name,
        rows="test rows",
        quantiser=quantiser,
        classes=dataset.classes,
        x=x[train],
        y=dataset.labels[train],
        test_x=x[test],
        test_y=dataset.labels[test],
        fine=fine,
    )


def from_package(directory: Path, *, root: bytes | None, wanted: Sequence[int] | None = None) -> Samples:
    """Rows of a package, or of an export, checked against the root; none is for testing.

    wanted: indices of groups, in the order to take them; by default all that are there.

    Raises `PackageError` for damage or another root, `DataError` for a group that is not there.
    """
    groups: tuple[Group, ...]
    if (directory / "training.json").is_file():
        training = load_training(directory, root)
        manifest, groups = training.manifest, training.groups
        rows = "training rows of the challenge"
    else:
        package = Package.load(directory)
        manifest = package.manifest
        if root is not None and root != package.root:
            raise PackageError(f"{directory} has root 0x{package.root.hex()}, not 0x{root.hex()}")
        groups = tuple(package.group(index) for index in range(manifest.groups))
        rows = "all of the package, training rows included"
    if wanted is not None:
        groups = _choose(directory, manifest, groups, wanted)
        rows = f"group{'s' * (len(wanted) > 1)} {', '.join(map(str, wanted))}"
    x, y = np.concatenate([group.x for group in groups]), np.concatenate([group.y for group in groups])
    return Samples(
        name=manifest.name,
        rows=rows,
        quantiser=manifest.quantiser,
        classes=manifest.classes,
        x=x,
        y=y,
        test_x=x[:0],
        test_y=y[:0],
        groups=groups,
    )


def _choose(directory: Path, manifest: Manifest, groups: Sequence[Group], wanted: Sequence[int]) -> tuple[Group, ...]:
    there = {group.index: group for group in groups}
    for index in wanted:
        if index not in there:
            reason = f"it has groups 0 to {manifest.groups - 1}" if index >= manifest.groups else "it is held out"
            raise DataError(f"{directory} has no group {index}: {reason}; choose others with --groups")
    return tuple(there[index] for index in wanted)


def for_network(dataset: datasets.Dataset, network: AnyNetwork) -> Samples:
    """Quantise a dataset the way the network's input width and bits tell; where none fits, as it is without pooling.

    A convolutional network whose image is that of the dataset folded gets it folded.
    """
    train, _ = dataset.split()
    shape = dataset.image_shape
    ways: list[dict[str, bool]] = [{}]
    # images of an odd side have neither
    if shape is not None and not any(side % 2 for side in shape[:2]):
        ways.append({"pooled": True})
        first = network.trunks[0] if isinstance(network, SegmentedNetwork) else network
        if isinstance(first, Trunk):
            height, width, channels = (*shape, 1)[:3]
            if (first.channels, first.height, first.width) == (4 * channels, height // 2, width // 2):
                ways.insert(0, {"folded": True})
    fits = [quantise.fit(dataset, bits=network.input_bits, rows=train, **way) for way in ways]
    return from_dataset(dataset, next((fit for fit in fits if fit.width == network.inputs), fits[0]))


def check_network(samples: Samples, network: AnyNetwork, *, model: Path, dataset: str) -> None:
    """Raise `DataError` where the network cannot be evaluated on the samples.

    model, dataset: as the user typed them.
    """
    train = f"train one with --dataset {dataset}"
    width, bits = samples.quantiser.width, samples.bits
    if (network.inputs, network.input_bits) != (width, bits):
        remedy = train if bits == network.input_bits else f"pack with --bits {network.input_bits}, or {train}"
        raise DataError(
            f"{model} takes {network.inputs} inputs of {network.input_bits} bits, "
            f"{dataset} has {width} of {bits}; {remedy}"
        )
    if network.classes < samples.classes:
        raise DataError(f"{model} has {network.classes} outputs, {dataset} has {samples.classes} classes; {train}")
