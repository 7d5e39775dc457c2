"""CIFAR-10 in miniature: the official formats, written byte by byte from what their authors document."""

import io
import pickle
import tarfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDER = {"binary": "cifar-10-batches-bin", "python": "cifar-10-batches-py"}
BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")


def images(batch: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (count, 32, 32, 3), red, green and blue last, and labels that differ from image to image."""
    pixels = np.random.default_rng(batch).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return pixels, ((np.arange(count) + 3 * batch) % 10).astype(np.uint8)


def planes(image: np.ndarray) -> bytes:
    """1,024 red bytes, row by row, then as many green, then as many blue."""
    return bytes(image[y, x, c] for c in range(3) for y in range(32) for x in range(32))


def binary_batch(pixels: np.ndarray, labels: np.ndarray) -> bytes:
    return b"".join(bytes([label]) + planes(image) for image, label in zip(pixels, labels, strict=True))


class _Python2(pickle._Pickler):
    """Writes what Python 2's cPickle and the NumPy of its time wrote with protocol 2: every text is a byte string."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_text(self, text: str | bytes) -> None:
        content = text.encode("latin-1") if isinstance(text, str) else text
        if len(content) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(content)]) + content)
        else:
            self.write(pickle.BINSTRING + len(content).to_bytes(4, "little") + content)
        self.memoize(text)

    dispatch[str] = dispatch[bytes] = save_text

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            columns_first = not value.flags.c_contiguous
            state = (1, value.shape, value.dtype, columns_first, value.tobytes("F" if columns_first else "C"))
            return np._core.multiarray._reconstruct, (np.ndarray, (0,), "b"), state
        if isinstance(value, np.dtype):
            return np.dtype, (value.str.lstrip("|<"), 0, 1), (3, value.str[0], None, None, None, -1, -1, 0)
        return NotImplemented

    def save_global(self, value: Any, name: str | None = None) -> None:
        module = value.__module__.replace("numpy._core", "numpy.core")
        self.write(pickle.GLOBAL + f"{module}\n{name or value.__name__}\n".encode())
        self.memoize(value)


def python2(value: object) -> bytes:
    """The value as Python 2 pickled it."""
    file = io.BytesIO()
    _Python2(file, protocol=2).dump(value)
    return file.getvalue()


def python_batch(pixels: np.ndarray, labels: np.ndarray, name: str = "training batch 1 of 5") -> bytes:
    entries = {
        "batch_label": name,
        "labels": labels.tolist(),
        "data": np.array([list(planes(image)) for image in pixels], np.uint8).reshape(-1, 3072),
        "filenames": [f"picture_s_{number:06}.png" for number in range(len(labels))],
    }
    return python2(entries)


def files(version: str, counts: tuple[int, ...] = (3, 3, 3, 3, 3, 2)) -> dict[str, bytes]:
    """Every file of the binary or the Python version, with so many images a batch."""
    content = {"readme.html": b"<html>"}
    for batch, (name, count) in enumerate(zip(BATCHES, counts, strict=True)):
        if version == "binary":
            content[f"{name}.bin"] = binary_batch(*images(batch, count))
        else:
            content[name] = python_batch(*images(batch, count))
    if version == "binary":
        content["batches.meta.txt"] = "\n".join([*CLASSES, "", ""]).encode()
    else:
        content["batches.meta"] = python2({"num_cases_per_batch": 10000, "label_names": [*CLASSES], "num_vis": 3072})
    return content


def write_folder(directory: Path, content: dict[str, bytes]) -> Path:
    directory.mkdir(parents=True)
    for name, data in content.items():
        (directory / name).write_bytes(data)
    return directory


def write_archive(path: Path, folder: str, content: dict[str, bytes], *more: tarfile.TarInfo) -> Path:
    """A .tar.gz of a folder with these files, and members without content."""
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo(folder)
        member.type = tarfile.DIRTYPE
        tar.addfile(member)
        for name, data in content.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for member in more:
            tar.addfile(member)
    return path
