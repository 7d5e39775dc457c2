"""Fetch a package by its root from whoever has it: nothing is kept that does not match the root."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import AssayError, PackageError
from trainer.exchange.sources import (
    GROUPS,
    LARGEST_MANIFEST,
    LEAVES,
    LISTING,
    MANIFEST,
    Interrupted,
    Source,
    SourceError,
    Stream,
)
from trainer.exchange.store import Store, check_room, part_of
from trainer.exchange.web import Patience
from trainer.files import check_directory
from trainer.package import WORD, Manifest, Outline, check_new, parse_holdout

INDEX_BYTES = 9
"""Bytes of a held-out group in training.json, at most: seven digits, a comma, a space."""
GAP = 2**20
"""Bytes that are read in vain rather than skipped by another request."""
LEAST_LEAVES = 2**12
"""Bytes of leaves that a try must bring to count as one that got on: or a source could go on for years."""
MOST_WRONG = 16
"""Groups that a source may have wrong before the others are not asked of it."""
SHOWN = 6
"""Reasons that an error tells."""

Progress = Callable[[int, int, str], None]
"""Called with groups that are there, groups in all, and the source."""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What came of a download.

    kept:  groups that an earlier try had left.
    notes: what was wrong with sources, one line each.
    """

    directory: Path
    outline: Outline
    kept: int
    notes: tuple[str, ...]


def fetch(
    root: bytes,
    sources: Sequence[Source],
    directory: Path,
    *,
    terms: Mapping[str, Any] | None = None,
    holdout: Callable[[int], Set[int]] | None = None,
    patience: Patience | None = None,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Fetched:
    """Fetch the training groups of a package into a new directory, from the first source that has each right.

    root:    the package's, 32 bytes, from the chain.
    terms:   of the challenge: those that `Manifest.terms` has too are compared; None if nobody knows.
    holdout: the held-out groups of the draw, given the number of groups; None to take a source's word, which can
             keep groups back but not bring others in.

    Raises `PackageError` where groups are missing in the end. What has arrived stays in `<directory>.part`; the same
    call goes on from there.
    """
    check_new(directory)
    check_directory(part_of(directory))
    return _Download(root, directory, terms, holdout, patience or Patience(), progress, sleep).run(sources)


class _Download:
    def __init__(
        self,
        root: bytes,
        directory: Path,
        terms: Mapping[str, Any] | None,
        holdout: Callable[[int], Set[int]] | None,
        patience: Patience,
        progress: Progress | None,
        sleep: Callable[[float], None],
    ) -> None:
        self.root, self.directory, self.terms, self.holdout = root, directory, dict(terms or {}), holdout
        self.patience, self.progress, self.sleep = patience, progress, sleep
        self.notes: list[str] = []
        self.store: Store | None = None
        # what the last source said is to be fetched
        self.outline: Outline | None = None

    def run(self, sources: Sequence[Source]) -> Fetched:
        try:
            kept = self._go_on()
            for source in sources:
                if self._whole():
                    break
                try:
                    self._take_from(source)
                except SourceError as error:
                    self.notes.append(_brief(str(error)))
            return self._end(kept)
        finally:
            if self.store is not None:
                self.store.close()

    def _go_on(self) -> int:
        """Take up a download that is there; returns the number of its groups."""
        part = part_of(self.directory)
        if not part.exists():
            return 0
        try:
            outline = Outline.load(part)
            self._check(outline.manifest, str(part))
            if self._drawn(outline.manifest, str(part)) in (None, outline.holdout):
                self.outline = outline
            self.store = Store(self.directory, outline)
        except (PackageError, OSError) as error:
            raise PackageError(f"{error}; remove {part} to start anew") from error
        return len(self.store.there)

    def _whole(self) -> bool:
        """Whether there is every group that is not held out."""
        return self.store is not None and self.outline is not None and self.store.there.issuperset(self.outline.kept)

    def _end(self, kept: int) -> Fetched:
        if self.store is None:
            raise PackageError(f"nothing could be fetched: {self._why()}")
        outline = self.outline or self.store.outline
        if not self._whole():
            missing = set(outline.kept) - self.store.there
            raise PackageError(
                f"{len(missing)} of {len(outline.kept)} groups are missing: {self._why()}; the rest is in "
                f"{part_of(self.directory)}: the same command with another source goes on from there"
            )
        self.store.finish(outline)
        return Fetched(directory=self.directory, outline=outline, kept=kept, notes=tuple(self.notes))

    def _why(self) -> str:
        more = len(self.notes) - SHOWN
        return "; ".join([*self.notes[:SHOWN], *([f"and {more} more"] if more > 0 else [])]) or "name a source"

    # ── one source ──

    def _take_from(self, source: Source) -> None:
        """Take every missing group that a source has right; raises `SourceError` where it fails altogether."""
        outline = self._outline(source)
        check_room(self.directory, outline)
        there = set() if self.store is None else self.store.there
        wanted = {position for position, index in enumerate(outline.kept) if index not in there}
        wrong = 0
        failures = 0

        def take(position: int, record: bytes) -> None:
            nonlocal wrong
            index = outline.kept[position]
            wanted.discard(position)
            try:
                outline.group(index, record)
            except PackageError as error:
                wrong += 1
                if wrong > MOST_WRONG:
                    raise SourceError(f"{source.name}: more than {MOST_WRONG} groups are wrong") from error
                self.notes.append(_brief(f"{source.name}: {error}"))
                return
            if self.store is None:
                # only now: of sizes and names the root says nothing, and so a wrong manifest has no right group
                self.store = Store(self.directory, outline)
            self.store.put(index, record)
            if self.progress is not None:
                self.progress(len(outline.kept) - len(wanted) - wrong, len(outline.kept), source.name)

        while wanted:
            before = len(wanted)
            try:
                _read_groups(source, outline, wanted, take)
            except Interrupted as error:
                failures = 1 if len(wanted) < before else failures + 1
                self._pause(failures, error)

    def _outline(self, source: Source) -> Outline:
        """What a source says of the package, checked as far as that can be without a group."""
        try:
            text = self._small(source, MANIFEST, LARGEST_MANIFEST)
            manifest = Manifest.from_json(text, source=f"{source.name}/{MANIFEST}")
            self._check(manifest, source.name)
            listing = self._small(source, LISTING, 64 + INDEX_BYTES * manifest.groups)
            held = parse_holdout(manifest, listing, source=source.name)
            if self._drawn(manifest, source.name) not in (None, held):
                raise PackageError(f"{source.name}: lists other held-out groups than the draw")
            if self.store is None:
                leaves = self._read(source, LEAVES, manifest.groups * WORD, manifest.groups * WORD)
                outline = Outline.parse(manifest, listing, leaves, source=source.name)
            else:
                outline = self._agree(source, manifest, held)
        except SourceError:
            raise
        except PackageError as error:
            raise SourceError(str(error)) from error
        self.outline = outline
        return outline

    def _agree(self, source: Source, manifest: Manifest, held: frozenset[int]) -> Outline:
        """The outline of a source when groups from another are there, whose sizes and leaves are right therefore."""
        assert self.store is not None
        ours = self.store.outline
        sizes = [(m.groups, m.group_size * m.sample_bytes) for m in (manifest, ours.manifest)]
        if sizes[0] != sizes[1]:
            raise SourceError(f"{source.name}: its manifest has other sizes than the groups that match the root")
        if self.outline is not None and held != self.outline.holdout:
            self.notes.append(
                _brief(f"{source.name}: lists other held-out groups than the source before, which was not whole")
            )
        return Outline(manifest=manifest, holdout=held, leaves=ours.leaves)

    def _check(self, manifest: Manifest, name: str) -> None:
        """Raise `PackageError` where it is not what the caller knows; `name` is where it is from."""
        if manifest.root != self.root:
            raise PackageError(f"{name}: made for root 0x{manifest.root.hex()}, not for 0x{self.root.hex()}")
        for term, value in manifest.terms.items():
            if self.terms.get(term, value) != value:
                raise PackageError(f"{name}: {term} is {value} in its manifest, {self.terms[term]} in the challenge")

    def _drawn(self, manifest: Manifest, name: str) -> Set[int] | None:
        """The held-out groups, where the caller knows them."""
        try:
            return None if self.holdout is None else self.holdout(manifest.groups)
        except AssayError as error:
            raise PackageError(f"{name}: {error}") from error

    # ── files ──

    def _small(self, source: Source, file: str, limit: int) -> str:
        content = self._read(source, file, None, limit + 1)
        if len(content) > limit:
            raise SourceError(f"{source.name}: {file} has more than {limit} bytes")
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise SourceError(f"{source.name}: {file} cannot be read (byte {error.start} is no UTF-8)") from error

    def _read(self, source: Source, file: str, size: int | None, stop: int) -> bytes:
        """A file that fits into memory; without a size its end is where the source ends it."""
        content = bytearray()
        failures = 0
        while size is None or len(content) < size:
            before = len(content)
            try:
                # without a size nobody could tell whether the pieces belong together
                if size is None:
                    content.clear()
                with source.open(file, len(content), stop, size) as stream:
                    content += _skip(stream, len(content), stop)
                    for chunk in stream.chunks:
                        content += chunk[: stop - len(content)]
                        if len(content) >= stop:
                            break
                if size is None:
                    break
                if len(content) < size:
                    raise Interrupted(f"{source.name}: {file} ends after {len(content)} of {size} bytes")
            except Interrupted as error:
                failures = 1 if size is not None and len(content) >= before + LEAST_LEAVES else failures + 1
                self._pause(failures, error)
        return bytes(content)

    def _pause(self, failures: int, error: Interrupted) -> None:
        """Wait before the next try; raises `SourceError` where there is none."""
        patience = self.patience
        if failures >= patience.attempts:
            raise SourceError(f"{error}, {failures} times") from error
        seconds = max(error.after, patience.pause * 2 ** (failures - 1) * random.uniform(0.5, 1.0))
        self.sleep(min(seconds, patience.longest))


def _read_groups(source: Source, outline: Outline, wanted: set[int], take: Callable[[int, bytes], None]) -> None:
    """Hand every wanted record that a source sends to `take`, which strikes it off."""
    size = outline.record_bytes
    for first, end in _spans(wanted, GAP // size):
        if not wanted:
            return
        with source.open(GROUPS, first * size, end * size, outline.training_bytes) as stream:
            # a source that cannot skip sends everything once: take all of it
            last = end if stream.start == first * size else max(wanted) + 1
            for position, record in _records(stream, size, last):
                if record is None:
                    raise Interrupted(f"{source.name}: {GROUPS} ends in group {outline.kept[position]}")
                if position in wanted:
                    take(position, record)


def _spans(positions: Set[int], gap: int) -> list[tuple[int, int]]:
    """First and end of runs of positions; runs with no more than `gap` others between them are one."""
    spans: list[tuple[int, int]] = []
    for position in sorted(positions):
        if spans and position - spans[-1][1] <= gap:
            spans[-1] = (spans[-1][0], position + 1)
        else:
            spans.append((position, position + 1))
    return spans


def _records(stream: Stream, size: int, last: int) -> Iterator[tuple[int, bytes | None]]:
    """Records of a stream with their positions, up to `last`; None for one that is not whole."""
    buffer, position = bytearray(), stream.start // size
    while position < last:
        chunk = next(stream.chunks, None)
        if chunk is None:
            yield position, None
            return
        buffer += chunk
        whole = min(len(buffer) // size, last - position)
        for number in range(whole):
            yield position + number, bytes(buffer[number * size : (number + 1) * size])
        del buffer[: whole * size]
        position += whole


def _skip(stream: Stream, start: int, stop: int) -> bytes:
    """Read a stream up to offset `start`; returns what of its chunks lies between that and `stop`."""
    ahead, rest = start - stream.start, b""
    while ahead > 0 and (chunk := next(stream.chunks, None)) is not None:
        rest, ahead = chunk[ahead:], ahead - len(chunk)
    return rest[: stop - start]


def _brief(text: str) -> str:
    """On one line, and not longer than a person reads: it may hold what a stranger wrote."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= 300 else line[:297] + "…"
