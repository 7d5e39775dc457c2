"""CIFAR-10 as its authors publish it: the binary or the Python version, as an archive or unpacked. Downloads nothing.

| version | archive                   | a batch                                                                  |
|---------|---------------------------|--------------------------------------------------------------------------|
| binary  | `cifar-10-binary.tar.gz`  | records of 3,073 bytes: a label, then 32 x 32 red, green and blue pixels |
| Python  | `cifar-10-python.tar.gz`  | a pickle of rows of 3,072 such pixels and a list of labels               |

Either holds five batches of 10,000 training images, one of 10,000 test images, and the names of the classes.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer import archive, pickles
from trainer.errors import DataError

Uint8 = npt.NDArray[np.uint8]

PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
SHAPE = (32, 32, 3)
PIXELS = 32 * 32 * 3
RECORD = 1 + PIXELS
BATCH_IMAGES = 10_000
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# MD5, as the official page gives them
CHECKSUMS = {
    "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
    "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
}
FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py")
# training batches in order, test batch, names of the classes
BINARY = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin", "batches.meta.txt")
PYTHON = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
MAX_FILE_BYTES = 2**28
AGAIN = "fetch it again"
REMEDY = f"get cifar-10-binary.tar.gz from {PAGE} and name it with --data"


@dataclass(frozen=True, kw_only=True)
class Images:
    """What was read.

    features:  uint8, shape (n, 3072): row by row, in a row red, green and blue, in the order of `datasets.Dataset`.
    labels:    uint8, shape (n,), 0 to 9.
    test_rows: the last so many are the official test set.
    note:      what could not be checked, in a sentence; None where the archive is the official one.
    """

    features: Uint8
    labels: Uint8
    test_rows: int
    note: str | None


@dataclass(frozen=True)
class _Batch:
    features: Uint8
    labels: Uint8


def read(path: Path, *, unofficial: bool = False) -> Images:
    """Read an archive, a directory of unpacked files, or a directory that holds one of them under its official name.

    unofficial: accept an archive with another checksum, and batches of other than 10,000 images.

    Raises `DataError`, naming file and place. Of a directory with both, the archive is read, since it can be checked.
    """
    found = _locate(path)
    if found.is_dir():
        note = f"{found}: unpacked files have no official checksum, only their form was checked"
        return _images(found, _unpacked(found), note, unofficial=unofficial)
    try:
        # the file that was compared with the checksum is the one that is read, whatever happens to its name meanwhile
        with found.open("rb") as file:
            checked = _check_archive(found, file, unofficial=unofficial)
            contents = archive.files(file, (*BINARY, *PYTHON), source=str(found), largest=MAX_FILE_BYTES)
            return _images(found, contents, checked, unofficial=unofficial)
    except OSError as error:
        raise DataError(f"{found}: cannot be read ({error.strerror})") from error


def _images(source: Path, contents: Iterable[tuple[str, bytes]], note: str | None, *, unofficial: bool) -> Images:
    """The batches among these files, joined in their order."""
    batches: dict[str, _Batch | None] = {}
    for name, content in contents:
        where = f"{source}: {name}"
        if name in (BINARY[-1], PYTHON[-1]):
            _check_classes(_classes(name, content, where), where)
            batches[name] = None
        else:
            batches[name] = _batch(name, content, where, unofficial=unofficial)
    names = BINARY if set(BINARY) & set(batches) else PYTHON
    for name in names:
        if name not in batches:
            raise DataError(f"{source}: {name} is missing; {REMEDY}")
    parts = [batch for batch in (batches[name] for name in names) if batch is not None]
    return Images(
        features=np.concatenate([part.features for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        test_rows=len(parts[-1].labels),
        note=note,
    )


def _locate(path: Path) -> Path:
    """The archive or the directory of batches that `path` is or holds."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise DataError(f"{path}: no such file or directory; {REMEDY}")
    for candidate in (path / name for name in CHECKSUMS):
        if candidate.is_file():
            return candidate
    for folder in (path, *(path / name for name in FOLDERS)):
        if any((folder / name).is_file() for name in (*BINARY, *PYTHON)):
            return folder
    raise DataError(f"{path}: neither an archive nor a batch of CIFAR-10 is there; {REMEDY}")


def _check_archive(path: Path, file: BufferedReader, *, unofficial: bool) -> str | None:
    """Compare an archive with the official checksums, and go back to its beginning; returns a note for another one."""
    digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    file.seek(0)
    if digest in CHECKSUMS.values():
        return None
    if unofficial:
        return f"{path}: not the official archive (its MD5 is {digest}), taken because of --unofficial"
    official = ", ".join(f"{checksum} ({name})" for name, checksum in CHECKSUMS.items())
    raise DataError(
        f"{path} has MD5 {digest}, the official archives {official}; "
        "fetch it again, or add --unofficial to take it all the same"
    )


def _unpacked(directory: Path) -> Iterator[tuple[str, bytes]]:
    """The files of one version in a directory; those that are not there are left out."""
    names = BINARY if any((directory / name).is_file() for name in BINARY) else PYTHON
    for name in names:
        path = directory / name
        if not path.is_file():
            continue
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise DataError(f"{path} has {size} bytes, at most {MAX_FILE_BYTES} are read")
        try:
            yield name, path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _batch(name: str, content: bytes, source: str, *, unofficial: bool) -> _Batch:
    planes, labels = _records(content, source) if name in BINARY else _entries(content, source)
    if not len(labels) or (len(labels) != BATCH_IMAGES and not unofficial):
        raise DataError(f"{source} has {len(labels)} images, an official batch has {BATCH_IMAGES}; {AGAIN}")
    stray = (labels < 0) | (labels >= len(CLASSES))
    if stray.any():
        image = int(stray.argmax())
        raise DataError(f"{source}: image {image} has label {labels[image]}; labels go from 0 to {len(CLASSES) - 1}")
    return _Batch(_by_rows(planes), labels.astype(np.uint8))


def _records(content: bytes, source: str) -> tuple[Uint8, npt.NDArray[np.integer[Any]]]:
    """Planes, shape (n, 3072), and labels of a binary batch."""
    images, rest = divmod(len(content), RECORD)
    if rest:
        raise DataError(
            f"{source}: image {images} ends after {rest} of {RECORD} bytes, the file after {len(content)}; {AGAIN}"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    return records[:, 1:], records[:, 0]


def _entries(content: bytes, source: str) -> tuple[Uint8, npt.NDArray[np.integer[Any]]]:
    """Planes, shape (n, 3072), and labels of a pickled batch."""
    entries = pickles.read(content, source=source)
    planes, labels = entries.get(b"data"), entries.get(b"labels")
    if not isinstance(planes, np.ndarray) or planes.ndim != 2 or planes.shape[1] != PIXELS:
        what = f"has shape {planes.shape}" if isinstance(planes, np.ndarray) else "is no array"
        raise DataError(f"{source}: its entry data {what}; a batch has rows of {PIXELS} bytes; {AGAIN}")
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise DataError(f"{source}: its entry labels is no list of whole numbers; {AGAIN}")
    if len(labels) != len(planes):
        raise DataError(f"{source}: {len(planes)} images and {len(labels)} labels; {AGAIN}")
    return planes, np.array(labels, np.int64)


def _by_rows(planes: Uint8) -> Uint8:
    """From whole planes of red, green and blue to rows of them: shape (n, 3072) both."""
    height, width, channels = SHAPE
    return planes.reshape(-1, channels, height, width).transpose(0, 2, 1, 3).reshape(len(planes), -1)


def _classes(name: str, content: bytes, source: str) -> list[Any]:
    """The names of the classes, whatever the file puts there."""
    if name == BINARY[-1]:
        return content.split()
    names = pickles.read(content, source=source).get(b"label_names")
    return names if isinstance(names, list) else []


def _check_classes(names: list[Any], source: str) -> None:
    if len(names) != len(CLASSES):
        raise DataError(f"{source}: {len(names)} classes; CIFAR-10 has {len(CLASSES)}; {AGAIN}")
    for number, (name, expected) in enumerate(zip(names, CLASSES, strict=True)):
        if name not in (expected, expected.encode()):
            raise DataError(f"{source}: class {number} is not {expected!r}, so its labels mean others; {AGAIN}")
