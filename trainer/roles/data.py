"""The training groups of a challenge: the poster publishes them after the draw, everyone else fetches them."""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from trainer import split
from trainer.errors import ChainError, DataError
from trainer.exchange.fetch import Fetched, Progress
from trainer.exchange.fetch import fetch as fetch_package
from trainer.exchange.ipfs import Node, find
from trainer.exchange.progress import bar
from trainer.exchange.publish import Published
from trainer.exchange.publish import publish as publish_package
from trainer.exchange.web import Patience
from trainer.index import Challenge
from trainer.node.settings import Settings
from trainer.protocol import Terms
from trainer.roles.desk import Desk
from trainer.roles.poster import held_out, package_of

FIELDS = ("root", "groups", "samples", "sample_bytes", "input_bits", "classes")
"""What terms and the manifest of a package both say."""
PUBLISH_SECONDS = 600.0


def publish(desk: Desk, challenge: int, package: Path | None, to: str) -> Published:
    """Publish what may be seen to a folder, or to the IPFS node of the settings where `to` is `ipfs`."""
    desk.index.sync()
    whole, held = package_of(desk, challenge, package), frozenset(held_out(desk, challenge))
    if to != "ipfs":
        return publish_package(whole, held, Path(to))
    if desk.settings.ipfs_node is None:
        raise DataError("no IPFS node; name its API with --ipfs-node (or ASSAY_IPFS_NODE), or publish to a folder")
    # a node answers after it has taken everything
    return publish_package(whole, held, Node(desk.settings.ipfs_node, Patience(timeout=PUBLISH_SECONDS)))


def fetch(desk: Desk, challenge: int, sources: Sequence[str], out: Path, *, timeout: float = 30.0) -> Fetched:
    """Fetch the training groups, each checked against the root on the chain, and that no other is held out.

    sources: folders, http(s)://… or ipfs://CID, tried in turn.
    """
    return fetch_for(desk.challenge(challenge), desk.settings, sources, out, timeout=timeout)


def fetch_for(
    found: Challenge,
    settings: Settings,
    sources: Sequence[str],
    out: Path,
    *,
    timeout: float = 30.0,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Fetched:
    """The same for a challenge that was looked up: asks no node, so another thread may.

    progress: called after every group, in place of a bar.
    sleep:    lets time pass between tries; both may raise to end it, and what has arrived stays.
    """
    held, patience = drawn(found), Patience(timeout=timeout)
    places = [
        place
        for text in sources
        for place in find(text, found.terms.root, patience, gateway=settings.ipfs_gateway, api=settings.ipfs_node)
    ]
    # a terminal has one bar at a time
    with bar() if progress is None else nullcontext(progress) as shown:
        return fetch_package(
            found.terms.root,
            places,
            out,
            terms=terms_of(found.terms),
            holdout=lambda _: held,
            patience=patience,
            progress=shown,
            sleep=sleep,
        )


def drawn(found: Challenge) -> frozenset[int]:
    """The held-out groups; raises `ChainError` before the draw."""
    if found.key is None:
        raise ChainError(f"challenge {found.id} is not drawn yet; `trainer draw {found.id}`")
    return frozenset(split.holdout(found.key, found.terms.groups, found.terms.holdout))


def terms_of(terms: Terms) -> dict[str, Any]:
    """What a manifest must say."""
    return {name: getattr(terms, name) for name in FIELDS}
