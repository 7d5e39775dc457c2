"""A download under way: a directory beside the one that it becomes.

Its training.bin has every group at its index, so that places do not depend on which groups a source says are held out;
what is not there yet is a hole. What of it is right is read off by checking every record anew, so that nothing need be
written in step: however a download ended, what arrived whole is found again.
"""

import os
import shutil
from pathlib import Path

from trainer.errors import PackageError
from trainer.exchange.sources import GROUPS
from trainer.package import Outline, check_new, write_new


def part_of(directory: Path) -> Path:
    """Where the download of `directory` is, until it is whole."""
    return directory.with_name(directory.name + ".part")


def check_room(directory: Path, outline: Outline) -> None:
    """Raise `PackageError` where the disk has no room for a package."""
    part = part_of(directory)
    taken = (part / GROUPS).stat().st_blocks * 512 if (part / GROUPS).is_file() else 0
    there = next(place for place in directory.absolute().parents if place.exists())
    needed = outline.training_bytes + len(outline.leaves) * 32 - taken
    free = shutil.disk_usage(there).free
    if free < needed:
        raise PackageError(
            f"{directory}: {needed:,} bytes are to come, {there} has {free:,} free; choose another place"
        )


class Store:
    """The groups of a package that are there; `there` has their indices."""

    def __init__(self, directory: Path, outline: Outline) -> None:
        """Begin the download of `directory`, or go on with it.

        outline: where no download has begun, what becomes its own; else what it has. Which groups are held out by it
                 matters to nobody here.
        """
        self.outline, self._directory, self._part = outline, directory, part_of(directory)
        if not self._part.exists():
            write_new(self._part, {**outline.files(), GROUPS: b""}, private=False)
        self._file = (self._part / GROUPS).open("r+b")
        self.there = {index for index in range(len(outline.leaves)) if self._right(index)}

    def close(self) -> None:
        """Leave it for another time."""
        self._file.close()

    def _read(self, index: int) -> bytes:
        self._file.seek(index * self.outline.record_bytes)
        return self._file.read(self.outline.record_bytes)

    def _right(self, index: int) -> bool:
        try:
            self.outline.group(index, self._read(index))
        except PackageError:
            return False
        return True

    def _write(self, place: int, record: bytes) -> None:
        self._file.seek(place * self.outline.record_bytes)
        self._file.write(record)

    def put(self, index: int, record: bytes) -> None:
        """Keep a record that was checked."""
        try:
            self._write(index, record)
        except OSError as error:
            raise PackageError(f"{self._part}: cannot be written ({error.strerror}); make room") from error
        self.there.add(index)

    def finish(self, outline: Outline) -> None:
        """Make it the directory that was asked for: an export with these groups held out, and all others there.

        Killed in here, what had moved is to be fetched again.
        """
        assert self.there.issuperset(outline.kept), "every group was checked"
        check_new(self._directory)
        try:
            for position, index in enumerate(outline.kept):
                # never up: what is overwritten was held out, or has moved
                if position != index:
                    self._write(position, self._read(index))
            self._file.truncate(outline.training_bytes)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            for name, content in outline.files().items():
                (self._part / name).write_bytes(content)
            self._part.replace(self._directory)
        except OSError as error:
            raise PackageError(f"{self._directory}: cannot be written ({error.strerror})") from error
