"""What a source of published packages is, and the simplest one: a folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from trainer.errors import PackageError

MANIFEST, LEAVES, LISTING, GROUPS = "manifest.json", "leaves.bin", "training.json", "training.bin"
CHUNK = 2**18
"""Bytes read at once, at most."""
LARGEST_MANIFEST = 2**20
"""Bytes; the widest table's has about a quarter of them."""


class SourceError(PackageError):
    """A source that does not have what it should: another source may."""


class Interrupted(SourceError):
    """A source that may have more the next time.

    after: seconds it asks to be left alone; 0 where it says nothing.
    """

    def __init__(self, message: str, *, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


@dataclass(frozen=True)
class Stream:
    """Bytes of a file, from offset `start` on; a context that closes what is behind them."""

    start: int
    chunks: Iterator[bytes]

    def __enter__(self) -> "Stream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close = getattr(self.chunks, "close", None)
        if close is not None:
            close()


class Source(Protocol):
    """One place that packages lie in; `name` is how messages call it."""

    name: str

    def open(self, file: str, start: int, stop: int, size: int | None) -> Stream:
        """Bytes of `file`, from `start` on, or from 0 where the source cannot skip.

        stop: where the caller will stop reading; the source may go on, or end early.
        size: bytes that the file must have; None where nobody knows.

        Raises `SourceError` where the file is missing or said to have another size, `Interrupted` for faults that
        pass; so do the chunks.
        """


class Folder:
    """A folder that packages were published to."""

    def __init__(self, folder: Path, root: bytes) -> None:
        """Take the package of that root from `folder`, which may also be the package's own."""
        self.name = str(folder)
        self._directory = folder if folder.name == root.hex() else folder / root.hex()

    def open(self, file: str, start: int, stop: int, size: int | None) -> Stream:
        """See `Source.open`."""
        path = self._directory / file
        if not path.is_file():
            raise SourceError(f"{path}: no such file")
        there = path.stat().st_size
        if size is not None and there != size:
            raise wrong_size(str(path), there, size)
        return Stream(start, self._chunks(path, start, stop))

    def _chunks(self, path: Path, start: int, stop: int) -> Iterator[bytes]:
        try:
            with path.open("rb") as content:
                content.seek(start)
                while start < stop and (chunk := content.read(min(CHUNK, stop - start))):
                    yield chunk
                    start += len(chunk)
        except OSError as error:
            raise SourceError(f"{path}: cannot be read ({error.strerror})") from error


def wrong_size(name: str, there: int, wanted: int) -> SourceError:
    """The error about a file of another size."""
    return SourceError(f"{name} has {there} bytes, the manifest asks for {wanted}")
