"""The idx format of the MNIST family, plain or gzipped."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trainer.errors import DataError

UNSIGNED_BYTES = 0x08


def read(path: Path, *, dimensions: int) -> npt.NDArray[np.uint8]:
    """Read an idx file of unsigned bytes with that many dimensions.

    Raises `DataError` if the file is missing, no gzip where its name says so, of another type, cut short or too long.
    """
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read ({why}); fetch it again") from error
    header = 4 + 4 * dimensions
    expected = bytes((0, 0, UNSIGNED_BYTES, dimensions))
    if content[:4] != expected:
        raise DataError(
            f"{path}: starts with {content[:4].hex() or 'nothing'}, an idx file of this kind with {expected.hex()}; "
            "fetch it again"
        )
    if len(content) < header:
        raise DataError(f"{path}: ends inside its header, after {len(content)} of {header} bytes; fetch it again")
    shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions))
    size = math.prod(shape)
    if size != len(content) - header:
        raise DataError(
            f"{path}: shape {shape} needs {size} bytes, the file has {len(content) - header}; fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
