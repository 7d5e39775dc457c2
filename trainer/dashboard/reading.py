"""Reads the index for one request, in the request's thread, and never asks the node."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from trainer.errors import NodeError
from trainer.index import Block, Challenge, Event, Index, Log


class Nobody:
    """A source for readers: what is not in the cache is not there."""

    def _no(self) -> NoReturn:
        raise NodeError("the cache is being built anew; try again in a moment")

    def chain_id(self) -> int:
        self._no()

    def head(self) -> Block:
        self._no()

    def block(self, number: int) -> Block | None:
        self._no()

    def logs(self, address: str, first: int, last: int) -> list[Log]:
        self._no()


@dataclass(frozen=True)
class Story:
    """A challenge and all its events, of one moment."""

    life: Challenge
    events: list[Event]


class Reader:
    """An index for each thread that asks."""

    def __init__(self, open_index: Callable[[], Index]) -> None:
        self._open, self._mine = open_index, threading.local()

    def story(self, id: int) -> Story:
        """A challenge. Raises `ChainError` if there is none, `NodeError` while the cache is built anew."""
        index: Index | None = getattr(self._mine, "index", None)
        if index is None:
            index = self._mine.index = self._open()
        with index.moment():
            return Story(index.challenge(id), index.events(id))
