"""Publish a package: the training groups for everyone, the held-out ones for nobody."""

import json
import tempfile
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from trainer.errors import PackageError
from trainer.exchange.ipfs import Node, OnNode
from trainer.exchange.sources import LARGEST_MANIFEST, MANIFEST
from trainer.files import check_directory, write_file
from trainer.package import Manifest, Package, load_training

RECORD = "published.json"


@dataclass(frozen=True, kw_only=True)
class Published:
    """What was published.

    source: what trainers name to fetch it from: a folder, or ipfs:// and a CID.
    path:   of the package in it.
    size:   bytes of its files.
    """

    manifest: Manifest
    holdout: frozenset[int]
    source: str
    path: str
    size: int


def publish(package: Path, holdout: Set[int], to: Path | Node) -> Published:
    """Publish every group of a package but the held-out ones.

    package: the poster's directory.
    holdout: the held-out groups of the draw, once it is final.
    to:      a folder, which gets a directory named after the root, or an IPFS node.

    Publishing the same again changes nothing. Raises `PackageError` where other groups were held out the last time:
    both together would show all of them.
    """
    whole = Package.load(package)
    if len(whole.manifest.to_json().encode()) > LARGEST_MANIFEST:
        raise PackageError(
            f"{package}: its manifest has more than {LARGEST_MANIFEST} bytes; give the classes short names"
        )
    held = frozenset(holdout)
    if isinstance(to, Node):
        with tempfile.TemporaryDirectory(prefix="assay-") as name:
            export = Path(name) / whole.root.hex()
            _remember(whole, package, held)
            whole.export_training(export, held)
            size = _size(export)
            cid = to.add({f"{whole.root.hex()}/{file.name}": file for file in sorted(export.iterdir())})
        _check_there(to, cid, whole)
        source = f"ipfs://{cid}"
    else:
        _check_apart(package, to)
        check_directory(to)
        export = to / whole.root.hex()
        if export.exists():
            if _held_out(export, whole.root) != held:
                raise PackageError(f"{export} was published with other held-out groups; {_remedy(package)}")
            _remember(whole, package, held)
        else:
            _remember(whole, package, held)
            whole.export_training(export, held)
        size = _size(export)
        source = str(to)
    return Published(manifest=whole.manifest, holdout=held, source=source, path=whole.root.hex(), size=size)


def _held_out(export: Path, root: bytes) -> frozenset[int]:
    try:
        return load_training(export, root).holdout
    except PackageError as error:
        raise PackageError(f"{error}; remove {export} and publish again") from error


def _check_there(node: Node, cid: str, whole: Package) -> None:
    """Raise `PackageError` where a node does not show the manifest at the path that trainers will ask for."""
    text = whole.manifest.to_json().encode()
    with OnNode(node, f"/ipfs/{cid}", whole.root).open(MANIFEST, 0, len(text), len(text)) as stream:
        if b"".join(stream.chunks) != text:
            raise PackageError(f"{node.name}: what it shows at ipfs://{cid} is not what was added; try again")


def _remember(whole: Package, package: Path, held: frozenset[int]) -> None:
    """Note in the package what is held out, before anything leaves it; raise where that was something else."""
    whole.check_holdout(held)
    path = package / RECORD
    if path.exists():
        try:
            before = frozenset(json.loads(path.read_text())["holdout"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PackageError(
                f"{path}: cannot be read, and tells what was held out; restore it from a backup"
            ) from error
        if before != held:
            raise PackageError(
                f"{package} was published with other held-out groups, {len(before - held)} of which this would show; "
                f"{_remedy(package)}"
            )
        return
    write_file(path, json.dumps({"holdout": sorted(held)}).encode())


def _remedy(package: Path) -> str:
    return f"for another challenge pack the data anew, and post the new root ({package} keeps its own)"


def _check_apart(package: Path, to: Path) -> None:
    """Raise where whoever shows `to` to the world would show the package itself, or the other way round."""
    inner, outer = package.resolve(), to.resolve()
    if inner == outer or outer in inner.parents or inner in outer.parents:
        raise PackageError(f"{to} and the package {package} lie in each other; publish to a folder of its own")


def _size(export: Path) -> int:
    return sum(file.stat().st_size for file in export.iterdir())
