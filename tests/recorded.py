"""Histories of the market, played: `Recorder` stands between a game of `fuzz/` and its backend, and keeps the logs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from random import Random

from eth_hash.auto import keccak

from fuzz.acts import ACTS
from fuzz.backends import Backend, Done, Revm
from fuzz.driver import backend
from fuzz.lives import Lives
from tests.histories import History, Mined
from trainer.index import Log


class Recorder(History):
    """A backend that records what the market logs."""

    name = Revm.name

    def __init__(self, inner: Backend, market: str, block: int, now: int) -> None:
        super().__init__(market, [Mined(block, now)])
        self.inner, self.emitter = inner, bytes.fromhex(market[2:])
        self.transactions, self.kept = 0, True

    def example(self) -> AbstractContextManager[None]:
        return self.inner.example()

    @contextmanager
    def undone(self) -> Iterator[None]:
        self.kept = False
        try:
            with self.inner.undone():
                yield
        finally:
            self.kept = True

    def call(self, to: str, data: bytes, sender: str, value: int = 0, gas: int | None = None) -> Done:
        done = self.inner.call(to, data, sender, value, gas)
        if self.kept and not done.failed:
            self.transactions += 1
            mined = self.mined[-1]
            # as if another contract had logged something before
            index = mined.logs[-1].index + 2 if mined.logs else 3
            for at, topics, logged in done.logs:
                if at == self.emitter:
                    hash = keccak(b"transaction %d" % self.transactions)
                    mined.logs.append(Log(mined.number, b"", index, hash, tuple(map(bytes, topics)), bytes(logged)))
                index += 1
        return done

    def view(self, to: str, data: bytes) -> bytes | None:
        return self.inner.view(to, data)

    def view_at(self, to: str, data: bytes, block: int, now: int) -> bytes | None:
        """A view as if the present block were another."""
        self.inner.mine(block, now)
        try:
            return self.inner.view(to, data)
        finally:
            self.inner.mine(self.mined[-1].number, self.mined[-1].timestamp)

    def mine(self, block: int, now: int) -> None:
        self.mined.append(Mined(block, now))
        self.inner.mine(block, now)

    def remember(self, number: int) -> None:
        self.inner.remember(number)

    def set_balance(self, owner: str, amount: int) -> None:
        self.inner.set_balance(owner, amount)

    def balance(self, owner: str) -> int:
        return self.inner.balance(owner)

    def force(self, victim: str, amount: int) -> None:
        self.inner.force(victim, amount)

    def words(self, owner: str) -> bytes:
        return self.inner.words(owner)


@contextmanager
def recorded(kind: type[Lives] = Lives, note: Callable[[str], None] = print) -> Iterator[tuple[Lives, Recorder]]:
    """A game on an empty market on revm, and the record of it."""
    inner = backend(Revm.name)
    with inner.example():
        game = kind(inner, note)
        recorder = Recorder(inner, game.market, game.model.block, game.model.now)
        game.backend = recorder
        yield game, recorder


def history(seed: int, steps: int, turns: Sequence[tuple[int, int]] = ()) -> History:
    """What the acts of a walk leave in the logs.

    turns: from which step on another seed decides; histories share the blocks before the first turn they do not share.
    """
    changes = dict(turns)
    with recorded(note=lambda text: None) as (game, recorder):
        rng = Random(seed)
        for step in range(steps):
            if step in changes:
                rng = Random(changes[step])
                # the other walk's next block is another one
                game.mine(1, 12 + changes[step] % 600)
            what = rng.random()
            getattr(game, "lead" if what < 0.25 else "compete" if what < 0.35 else rng.choice(ACTS))(rng)
    return History(recorder.address, recorder.mined)
