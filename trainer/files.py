"""Where results go: checked before the work that makes them, written whole or not at all."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainer.errors import DataError


def check_file(path: Path) -> None:
    """Raise `DataError` where no file can be written at `path`."""
    if path.is_dir():
        raise DataError(f"{path} is a directory; name a file, such as {path / 'model.bin'}")
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is no regular file; choose another")
    if not path.parent.is_dir():
        raise DataError(f"{path.parent}: no such directory; create it or choose another file")
    _check_writable(path.parent)


def check_directory(path: Path) -> None:
    """Raise `DataError` where `path` is no directory to write in and cannot become one."""
    there = next(place for place in (path, *path.parents) if place.exists())
    if not there.is_dir():
        raise DataError(f"{there} is a file, so there is no directory {path}; choose another")
    _check_writable(there)


def write_file(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write a file, readable by all, or with `private` by its owner alone.

    Raises `DataError` naming `path`, and leaves what was there.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".assay-", delete=False) as file:
            beside = Path(file.name)
            try:
                file.write(content)
                file.flush()
                beside.chmod(0o600 if private else 0o644)
                beside.replace(path)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); choose another file") from error


@contextmanager
def in_turn(lock: Path) -> Iterator[None]:
    """One process after another: holds a lock file, which the system frees when the process ends, however it ends."""
    with lock.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _check_writable(directory: Path) -> None:
    if not os.access(directory, os.W_OK | os.X_OK):
        raise DataError(f"{directory}: not writable; choose another place or change its permissions")
