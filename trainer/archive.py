"""Files out of a .tar.gz without unpacking it: nothing is written, and nothing but plain files is read."""

import gzip
import tarfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

from trainer.errors import DataError

CHUNK = 2**20
DAMAGE = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError)


class _Plain(gzip.GzipFile):
    """The content of a .gz, never more than `largest` bytes at once: a header can make tarfile ask for any number."""

    def __init__(self, archive: BinaryIO, largest: int) -> None:
        super().__init__(fileobj=archive)
        self.largest = largest

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= self.largest:
            raise tarfile.ReadError(f"a header asks for {size} bytes")
        return super().read(size)


def files(archive: BinaryIO, wanted: Collection[str], *, source: str, largest: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the files of these names, in whatever directory of the archive, in its order.

    archive: opened .tar.gz, at its beginning.
    source:  how messages name it.
    largest: bytes of the largest file to read.

    Raises `DataError` for a damaged archive, for links, devices and paths that lead out of it, wherever in it they are,
    for a name that comes twice, and for a file that is too large.
    """
    seen: set[str] = set()
    try:
        with _Plain(archive, max(largest, CHUNK)) as plain, tarfile.open(fileobj=plain, mode="r:") as tar:
            for member in tar:
                _check(member, source)
                name = PurePosixPath(member.name).name
                if member.isdir() or name not in wanted:
                    continue
                if name in seen:
                    raise DataError(f"{source}: {name} is in it twice; get the official archive")
                if member.size > largest:
                    raise DataError(f"{source}: {name} has {member.size} bytes, at most {largest} are read")
                seen.add(name)
                file = tar.extractfile(member)
                assert file is not None, "a plain file"
                yield name, file.read()
            # to the end, where gzip's own checksum is
            while plain.read(CHUNK):
                pass
    except DAMAGE as error:
        raise DataError(f"{source}: cannot be read as a .tar.gz ({error}); fetch it again") from error


def _check(member: tarfile.TarInfo, source: str) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{source}: member {member.name!r} leads out of the archive; do not trust it")
    if member.size < 0:
        # tarfile would go back, and round in circles
        raise DataError(f"{source}: member {member.name!r} has {member.size} bytes; do not trust it")
    if member.issparse() or not (member.isreg() or member.isdir()):
        kind = "a link" if member.issym() or member.islnk() else "a device or has holes"
        raise DataError(f"{source}: member {member.name!r} is {kind}, no plain file; do not trust it")
