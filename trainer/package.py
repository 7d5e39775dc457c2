"""Dataset packages: what a poster commits to, what trainers download, and how they check it.

A package directory of the poster:

    manifest.json   public: name, bits, classes, quantisation, groups, samples a group, root
    groups.bin      private until revealed: label word (32 bytes) and samples of every group
    secret.json     private for good: the seeds of the shuffle and of the salts

A training directory, exported once the draw is final:

    manifest.json   the same
    leaves.bin      32 bytes a group
    training.json   {"holdout": [indices]}
    training.bin    salt, label word and samples of every group that is not held out, in order

All records of training.bin have the same size, so the place of a group follows from the manifest and the hold-out; and
`leaves.bin`, checked against the root once, tells of each record by itself whether it is right. So an export can be
fetched in pieces, from several places, and what has arrived is kept (`trainer.exchange`).

Neither the shuffle nor a hold-out salt can be read off an export: with a public dataset the one would tell which
rows are held out, the other would let their labels be guessed and checked.
"""

import json
import math
import re
import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from eth_hash.auto import keccak

from trainer import merkle
from trainer.datasets import MAX_CLASSES, Dataset
from trainer.encode import class_word, classes_of, pack_samples, unpack_samples
from trainer.errors import AssayError, PackageError
from trainer.files import check_directory
from trainer.header import MAX_MODEL_BYTES
from trainer.integer import MAX_WIDTH
from trainer.quantise import Quantiser

Uint8 = npt.NDArray[np.uint8]

MAX_GROUP_SIZE = 32
MAX_GROUPS = 2**20
# an audit carries a group and a model, which share 124 KiB; a model takes at least some of them
MAX_GROUP_BYTES = MAX_MODEL_BYTES - 1024
WORD = 32
RESTORE = "restore it from a backup"
FETCH = "fetch it again"

Entry = TypeVar("Entry")
KINDS = {int: "a whole number", str: "text", bool: "true or false", list: "a list", dict: "an object"}


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The public description of a package.

    name:        of the dataset, printable, without a path.
    class_names: one a class.
    quantiser:   how its features became integers.
    groups:      G, 2 to 2**20.
    group_size:  S, samples a group, 1 to 32; a group leaves a challenge room for a model.
    root:        Merkle root, 32 bytes.
    """

    name: str
    class_names: tuple[str, ...]
    quantiser: Quantiser
    groups: int
    group_size: int
    root: bytes

    def __post_init__(self) -> None:
        if not 2 <= self.groups <= MAX_GROUPS:
            raise PackageError(f"{self.groups} groups; a challenge has 2 to {MAX_GROUPS}")
        if not 1 <= self.group_size <= MAX_GROUP_SIZE:
            raise PackageError(f"{self.group_size} samples a group; use 1 to {MAX_GROUP_SIZE}")
        if not 2 <= len(self.class_names) <= MAX_CLASSES:
            raise PackageError(f"{len(self.class_names)} classes; use 2 to {MAX_CLASSES}")
        if len(self.root) != WORD:
            raise PackageError(f"root: a root has 32 bytes, not {len(self.root)}")
        if not self.name.isprintable() or not self.name or set(self.name) & set("/\\"):
            raise PackageError(f"name: {self.name!r} is no plain name; use printable characters without / and \\")
        if self.quantiser.width > MAX_WIDTH:
            raise PackageError(
                f"{self.quantiser.width} features a sample, at most {MAX_WIDTH} fit; "
                "pool images (--pooled) or drop features"
            )
        if self.group_size * self.sample_bytes > MAX_GROUP_BYTES:
            raise PackageError(
                f"a group of {self.group_size} samples takes {self.group_size * self.sample_bytes} bytes, at most "
                f"{MAX_GROUP_BYTES} fit; lower --group-size to {MAX_GROUP_BYTES // self.sample_bytes}, pool, "
                "or drop features"
            )

    @property
    def terms(self) -> dict[str, Any]:
        """What the `Terms` of a challenge say about its data: the other fields are the poster's choice."""
        return {
            "root": self.root,
            "groups": self.groups,
            "samples": self.group_size,
            "sample_bytes": self.sample_bytes,
            "input_bits": self.bits,
            "classes": self.classes,
        }

    @property
    def bits(self) -> int:
        """Bits of a feature."""
        return self.quantiser.bits

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one packed sample."""
        return self.quantiser.width * self.bits // 8

    def to_json(self) -> str:
        """The text of manifest.json; `features` and what follows from others stands there for readers."""
        quantiser = asdict(self.quantiser)
        if not self.quantiser.folded:
            # as manifests were before there was folding: one package, one text
            del quantiser["folded"]
        return json.dumps(
            {
                "format": 1,
                "name": self.name,
                "root": "0x" + self.root.hex(),
                "groups": self.groups,
                "group_size": self.group_size,
                "features": self.quantiser.features,
                "sample_bytes": self.sample_bytes,
                "classes": self.classes,
                "class_names": self.class_names,
                "quantisation": quantiser,
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str, *, source: Path | str) -> "Manifest":
        """Read manifest.json; raises `PackageError` naming `source`."""
        entries = _entries(text, source)
        try:
            if _entry(entries, "format", int) != 1:
                raise PackageError(f"format {entries['format']}; this version reads format 1")
            class_names = _entry(entries, "class_names", list)
            if not all(type(name) is str for name in class_names):
                raise PackageError(f"entry class_names is {class_names!r}; it must be a list of text")
            manifest = cls(
                name=_entry(entries, "name", str),
                class_names=tuple(class_names),
                quantiser=_quantiser(_entry(entries, "quantisation", dict)),
                groups=_entry(entries, "groups", int),
                group_size=_entry(entries, "group_size", int),
                root=_hexadecimal(entries, "root"),
            )
            for name, value in (
                ("features", manifest.quantiser.features),
                ("sample_bytes", manifest.sample_bytes),
                ("classes", manifest.classes),
            ):
                if _entry(entries, name, int) != value:
                    raise PackageError(f"{name} is {entries[name]}; the other entries give {value}")
        except AssayError as error:
            raise PackageError(f"{source}: {error}") from error
        return manifest


@dataclass(frozen=True, kw_only=True)
class Group:
    """One group: what a reveal posts, and the same as arrays.

    labels:  label word, 32 bytes.
    samples: packed samples, S * sample_bytes bytes.
    x:       uint8, shape (S, width).
    y:       uint8, shape (S,).
    """

    index: int
    salt: bytes
    labels: bytes
    samples: bytes
    x: Uint8
    y: Uint8

    @property
    def leaf(self) -> bytes:
        """The group's commitment, 32 bytes."""
        return merkle.leaf(self.index, self.salt, self.labels, self.samples)


class Package:
    """The poster's whole dataset, with its secrets."""

    def __init__(
        self,
        *,
        manifest: Manifest,
        labels: Sequence[bytes],
        samples: Sequence[bytes],
        shuffle_seed: int,
        salt_seed: bytes,
    ) -> None:
        """Hash the tree; the manifest's root gives way to its root."""
        self.shuffle_seed, self.salt_seed = shuffle_seed, salt_seed
        self._labels, self._samples = labels, samples
        self._tree = merkle.Tree([merkle.leaf(i, self.salt(i), labels[i], samples[i]) for i in range(manifest.groups)])
        self.manifest = replace(manifest, root=self._tree.root)

    @property
    def root(self) -> bytes:
        """Merkle root, 32 bytes."""
        return self.manifest.root

    def salt(self, index: int) -> bytes:
        """Salt of a group: keccak256(salt seed ‖ uint256 index)."""
        return keccak(self.salt_seed + index.to_bytes(32, "big"))

    def group(self, index: int) -> Group:
        """Group `index`."""
        if not 0 <= index < self.manifest.groups:
            raise PackageError(f"no group {index}; this package has groups 0 to {self.manifest.groups - 1}")
        return _group(self.manifest, index, self.salt(index), self._labels[index], self._samples[index])

    def proof(self, index: int) -> tuple[bytes, ...]:
        """Merkle proof of group `index`, from the leaf up."""
        return self._tree.proof(index)

    def save(self, directory: Path) -> None:
        """Write the package to a new directory, whole or not at all, readable by its owner only."""
        secret = {"shuffle_seed": self.shuffle_seed, "salt_seed": "0x" + self.salt_seed.hex()}
        write_new(
            directory,
            {
                "manifest.json": self.manifest.to_json().encode(),
                "groups.bin": b"".join(a + b for a, b in zip(self._labels, self._samples, strict=True)),
                "secret.json": json.dumps(secret, indent=1).encode(),
            },
            private=True,
        )

    @classmethod
    def load(cls, directory: Path) -> "Package":
        """Read a package and check it against the root in its manifest."""
        manifest = _manifest(directory)
        source = directory / "secret.json"
        secret = _entries(_text(source), source)
        try:
            shuffle_seed, salt_seed = _entry(secret, "shuffle_seed", int), _hexadecimal(secret, "salt_seed")
        except PackageError as error:
            raise PackageError(f"{source}: {error}; {RESTORE}") from error
        records = _records(directory / "groups.bin", manifest, manifest.groups, WORD, RESTORE)
        package = cls(
            manifest=manifest,
            labels=[record[:WORD] for record in records],
            samples=[record[WORD:] for record in records],
            shuffle_seed=shuffle_seed,
            salt_seed=salt_seed,
        )
        if package.root != manifest.root:
            raise PackageError(
                f"{directory}: its groups have root 0x{package.root.hex()}, its manifest says 0x{manifest.root.hex()}; "
                "manifest.json, groups.bin or secret.json is damaged; restore them from a backup"
            )
        for index in range(manifest.groups):
            package.group(index)
        return package

    @staticmethod
    def load_manifest(directory: Path) -> Manifest:
        """Read the manifest of a package, or of an export, and nothing else."""
        return _manifest(directory)

    def check_holdout(self, holdout: Set[int]) -> None:
        """Raise `PackageError` for a hold-out that no draw can have."""
        groups = range(self.manifest.groups)
        stray = sorted(holdout - set(groups))
        if stray or not 1 <= len(holdout) < len(groups):
            raise PackageError(
                f"hold-out of {len(holdout)} groups, unknown: {stray}; use some of 0 to {groups[-1]}, not all"
            )

    def export_training(self, directory: Path, holdout: Set[int]) -> None:
        """Write what trainers download: every group but the held-out ones, of which only the leaf hash."""
        self.check_holdout(holdout)
        groups = range(self.manifest.groups)
        kept = [self.group(index) for index in groups if index not in holdout]
        leaves = tuple(self._tree.levels[0][: len(groups)])
        outline = Outline(manifest=self.manifest, holdout=frozenset(holdout), leaves=leaves)
        training = b"".join(group.salt + group.labels + group.samples for group in kept)
        write_new(directory, {**outline.files(), "training.bin": training}, private=False)


@dataclass(frozen=True, kw_only=True)
class Outline:
    """What an export says before its groups, checked against the root: enough to place and check each of them.

    leaves: one a group, 32 bytes each.
    """

    manifest: Manifest
    holdout: frozenset[int]
    leaves: tuple[bytes, ...]

    @classmethod
    def parse(cls, manifest: Manifest, listing: str, leaves: bytes, *, source: Path | str) -> "Outline":
        """Check the contents of training.json (`listing`) and leaves.bin against a manifest.

        source: how messages name the export.
        """
        holdout = parse_holdout(manifest, listing, source=source)
        if len(leaves) != manifest.groups * WORD:
            raise PackageError(
                f"{source}/leaves.bin: {len(leaves)} bytes, the manifest asks for {manifest.groups * WORD}; {FETCH}"
            )
        words = tuple(leaves[i * WORD : (i + 1) * WORD] for i in range(manifest.groups))
        # the padding of the tree is no group: with it the same root would belong to other numbers of groups, too
        if merkle.EMPTY_LEAF in words or merkle.Tree(words).root != manifest.root:
            raise PackageError(f"{source}/leaves.bin: these leaves do not have root 0x{manifest.root.hex()}; {FETCH}")
        return cls(manifest=manifest, holdout=holdout, leaves=words)

    @classmethod
    def load(cls, directory: Path) -> "Outline":
        """Read it from an export."""
        manifest = _manifest(directory)
        leaves = _bytes(directory / "leaves.bin", manifest.groups * WORD, FETCH)
        return cls.parse(manifest, _text(directory / "training.json"), leaves, source=directory)

    @cached_property
    def kept(self) -> tuple[int, ...]:
        """The groups that are not held out, in the order of their records."""
        return tuple(index for index in range(self.manifest.groups) if index not in self.holdout)

    @property
    def record_bytes(self) -> int:
        """Bytes of a group in training.bin."""
        return 2 * WORD + self.manifest.group_size * self.manifest.sample_bytes

    @property
    def training_bytes(self) -> int:
        """Bytes of training.bin."""
        return len(self.kept) * self.record_bytes

    def files(self) -> dict[str, bytes]:
        """An export's files but training.bin: name and content."""
        return {
            "manifest.json": self.manifest.to_json().encode(),
            "leaves.bin": b"".join(self.leaves),
            "training.json": json.dumps({"holdout": sorted(self.holdout)}).encode(),
        }

    def group(self, index: int, record: bytes) -> Group:
        """Group `index` from its record in training.bin; raises `PackageError` where the record is not that group."""
        salt, labels, samples = record[:WORD], record[WORD : 2 * WORD], record[2 * WORD :]
        if len(record) != self.record_bytes or merkle.leaf(index, salt, labels, samples) != self.leaves[index]:
            raise PackageError(f"group {index} does not match the root")
        return _group(self.manifest, index, salt, labels, samples)


@dataclass(frozen=True, kw_only=True)
class Training:
    """The training groups of a challenge, each checked against the root.

    x: uint8, shape (n, width); y: uint8, shape (n,).
    """

    manifest: Manifest
    holdout: frozenset[int]
    groups: tuple[Group, ...]
    x: Uint8
    y: Uint8


def build(
    dataset: Dataset,
    quantiser: Quantiser,
    *,
    group_size: int = MAX_GROUP_SIZE,
    groups: int | None = None,
    seed: int | None = None,
) -> Package:
    """Shuffle a dataset, cut it into groups and commit to them; rows that fill no group are left out.

    group_size: S, samples a group, 1 to 32.
    groups:     how many groups; by default as many as the rows fill.
    seed:       makes shuffle and salts repeatable, and guessable: for tests and demonstrations only.
                By default both are drawn at random.
    """
    if not 1 <= group_size <= MAX_GROUP_SIZE:
        raise PackageError(f"{group_size} samples a group; use 1 to {MAX_GROUP_SIZE}")
    rows = len(dataset.labels)
    possible = rows // group_size
    if possible < 2:
        raise PackageError(f"{rows} rows fill {possible} group of {group_size}; add rows or lower --group-size")
    count = min(possible, MAX_GROUPS) if groups is None else groups
    if count > possible:
        raise PackageError(
            f"{count} groups of {group_size}; {rows} rows fill {possible}: lower --groups or --group-size"
        )
    manifest = Manifest(
        name=dataset.name,
        class_names=dataset.class_names,
        quantiser=quantiser,
        groups=count,
        group_size=group_size,
        root=bytes(WORD),
    )
    shuffle_seed = secrets.randbits(128) if seed is None else seed
    salt_seed = secrets.token_bytes(32) if seed is None else keccak(b"assay demonstration salts" + str(seed).encode())
    order = np.random.default_rng(shuffle_seed).permutation(rows)[: count * group_size]
    data = pack_samples(quantiser.apply(dataset.features[order]), quantiser.bits)
    size = manifest.group_size * manifest.sample_bytes
    classes = dataset.labels[order].reshape(count, group_size)
    labels = [class_word(row) for row in classes]
    samples = [data[i * size : (i + 1) * size] for i in range(count)]
    return Package(manifest=manifest, labels=labels, samples=samples, shuffle_seed=shuffle_seed, salt_seed=salt_seed)


def verify_group(
    root: bytes, groups: int, index: int, salt: bytes, labels: bytes, samples: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether this is group `index` of the package of `groups` groups with that root."""
    if len(salt) != WORD or len(labels) != WORD or not 0 <= index < groups:
        return False
    return merkle.verify(root, groups, index, merkle.leaf(index, salt, labels, samples), proof)


def load_training(directory: Path, root: bytes | None = None) -> Training:
    """Read an export and check every group against the root.

    root: the root on the chain; by default the manifest's own, which shows damage but no deceit.

    Raises `PackageError`, naming the first group that does not match.
    """
    outline = Outline.load(directory)
    manifest = outline.manifest
    if root is not None and root != manifest.root:
        raise PackageError(f"{directory}: made for root 0x{manifest.root.hex()}, not for 0x{root.hex()}")
    groups = []
    records = _records(directory / "training.bin", manifest, len(outline.kept), 2 * WORD, FETCH)
    for index, record in zip(outline.kept, records, strict=True):
        try:
            groups.append(outline.group(index, record))
        except PackageError as error:
            raise PackageError(f"{directory / 'training.bin'}: {error}; {FETCH}") from error
    return Training(
        manifest=manifest,
        holdout=outline.holdout,
        groups=tuple(groups),
        x=np.concatenate([group.x for group in groups]),
        y=np.concatenate([group.y for group in groups]),
    )


def parse_holdout(manifest: Manifest, listing: str, *, source: Path | str) -> frozenset[int]:
    """The held-out groups that the text of training.json lists."""
    name = f"{source}/training.json"
    listed = _entries(listing, name).get("holdout")
    if not isinstance(listed, list) or not all(type(i) is int and 0 <= i < manifest.groups for i in listed):
        raise PackageError(f"{name}: holdout must list groups from 0 to {manifest.groups - 1}")
    if len(set(listed)) == manifest.groups:
        raise PackageError(f"{name}: every group is held out")
    return frozenset(listed)


def _group(manifest: Manifest, index: int, salt: bytes, labels: bytes, samples: bytes) -> Group:
    """Unpack a group; raises `PackageError` for a label that is no class or a lane beyond the group."""
    size = manifest.group_size
    y = np.frombuffer(labels, np.uint8)
    if y[:size].max() >= manifest.classes or y[size:].any():
        raise PackageError(
            f"group {index}: label word 0x{labels.hex()} is none for {size} of {manifest.classes} classes"
        )
    return Group(
        index=index,
        salt=salt,
        labels=labels,
        samples=samples,
        x=unpack_samples(samples, size, manifest.bits),
        y=classes_of(labels, size),
    )


def _manifest(directory: Path) -> Manifest:
    source = directory / "manifest.json"
    if not source.is_file():
        raise PackageError(f"{directory}: no package there (no manifest.json)")
    return Manifest.from_json(_text(source), source=source)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PackageError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise PackageError(f"{path}: cannot be read (byte {error.start} is no UTF-8)") from error


def _entries(text: str, source: Path | str) -> dict[str, Any]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PackageError(f"{source}: no JSON ({error})") from error
    if not isinstance(entries, dict):
        raise PackageError(f"{source}: holds no JSON object")
    return entries


def _entry(entries: Mapping[str, Any], name: str, kind: type[Entry]) -> Entry:
    """The entry of that name, of exactly that type."""
    if name not in entries:
        raise PackageError(f"entry {name} is missing")
    value = entries[name]
    if type(value) is not kind:
        raise PackageError(f"entry {name} is {value!r}; it must be {KINDS[kind]}")
    return value


def _hexadecimal(entries: Mapping[str, Any], name: str) -> bytes:
    value = _entry(entries, name, str)
    if not re.fullmatch(r"0x([0-9a-fA-F]{2})*", value):
        raise PackageError(f"entry {name} is {value!r}; it must be 0x and hexadecimal digits")
    return bytes.fromhex(value[2:])


def _quantiser(entries: Mapping[str, Any]) -> Quantiser:
    """The quantiser of a manifest; every entry must be there and no other, but for `folded`, which is there if true."""
    shape, ranges = entries.get("image_shape"), _entry(entries, "ranges", list)
    if shape is not None and not (_list_of(shape, int) and len(shape) in (2, 3)):
        raise PackageError(
            f"entry image_shape is {shape!r}; it must be null or [height, width] or [height, width, channels]"
        )
    if not all(_list_of(pair, int, float) and len(pair) == 2 for pair in ranges):
        raise PackageError("entry ranges must be a list of [low, high]")
    unknown = set(entries) - {"bits", "pooled", "folded", "image_shape", "pixel_bits", "ranges"}
    if unknown:
        raise PackageError(f"quantisation has unknown entries {sorted(unknown)}")
    folded = "folded" in entries
    if folded and entries["folded"] is not True:
        raise PackageError(f"entry folded is {entries['folded']!r}; it must be true, or left out")
    return Quantiser(
        bits=_entry(entries, "bits", int),
        pooled=_entry(entries, "pooled", bool),
        folded=folded,
        image_shape=None if shape is None else tuple(shape),
        pixel_bits=_entry(entries, "pixel_bits", int),
        ranges=tuple((_finite(low), _finite(high)) for low, high in ranges),
    )


def _list_of(value: object, *kinds: type) -> bool:
    return isinstance(value, list) and all(type(item) in kinds for item in value)


def _finite(number: float) -> float:
    """As a float; an integer too large for one is infinite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _bytes(path: Path, size: int, remedy: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PackageError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    if len(content) != size:
        raise PackageError(f"{path}: {len(content)} bytes, the manifest asks for {size}; {remedy}")
    return content


def _records(path: Path, manifest: Manifest, count: int, head: int, remedy: str) -> list[bytes]:
    """`count` records of `head` bytes and the samples of a group."""
    size = head + manifest.group_size * manifest.sample_bytes
    content = _bytes(path, count * size, remedy)
    return [content[i * size : (i + 1) * size] for i in range(count)]


def check_new(directory: Path) -> None:
    """Raise `AssayError` where no new directory can be made at `directory`."""
    if directory.exists():
        raise PackageError(f"{directory} exists; remove it or choose another")
    check_directory(directory)


def write_new(directory: Path, files: Mapping[str, bytes], *, private: bool) -> None:
    """Create a directory with these files: beside it first, then renamed, so that it is whole or not there."""
    check_new(directory)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        # of its owner only
        beside = Path(tempfile.mkdtemp(prefix=".assay-", dir=directory.parent))
        try:
            for name, content in files.items():
                path = beside / name
                path.touch(mode=0o600)
                path.write_bytes(content)
                path.chmod(0o600 if private else 0o644)
            beside.chmod(0o700 if private else 0o755)
            beside.replace(directory)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    except OSError as error:
        raise PackageError(f"{directory}: cannot be written ({error.strerror}); choose another place") from error
