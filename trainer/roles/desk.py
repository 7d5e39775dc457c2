"""What every role works at: a market behind a node, what its logs tell, and an account."""

from collections.abc import Callable
from typing import Any

from trainer.client import MarketClient
from trainer.errors import ChainError
from trainer.fingerprints import MARKET, identify
from trainer.index import Challenge, Clock, Index
from trainer.node.chain import NodeChain
from trainer.node.outbox import FAILED, Record
from trainer.node.settings import Settings
from trainer.protocol import Phase

ROUND = Phase.UNSEAL | Phase.AUDIT | Phase.NOMINATE
"""Phases that come again, for the next candidate."""


class Desk:
    """One market on one chain, and at most one account there.

    chain:     with the key, if there is one.
    client:    the market's transactions.
    index:     the market's logs.
    directory: where all that belongs to this market is kept.
    waiting:   called again and again while `require` waits, with what it waits for, and with None once that came; it
               takes a moment. Without it nothing is waited for.
    """

    def __init__(self, chain: NodeChain, settings: Settings) -> None:
        """Raises `ChainError` where no market is named, or where the one named is no market."""
        if settings.market is None:
            raise ChainError("no market is named; use --market, or deploy one with `trainer deploy`")
        self.chain, self.settings, self.address = chain, settings, settings.market
        check_market(self.address, chain)
        self.directory = chain.directory / self.address
        self.directory.mkdir(parents=True, exist_ok=True)
        self.index = Index(self.directory / "index.sqlite", chain.rpc, self.address, settings.first_block)
        self._client: MarketClient | None = None
        self.waiting: Callable[[str | None], None] | None = None

    @property
    def client(self) -> MarketClient:
        """The market's transactions; its contract is read when first asked for."""
        if self._client is None:
            self._client = MarketClient(self.chain, self.chain.contract("Market", self.address))
        return self._client

    @property
    def me(self) -> str:
        """The account; raises `ChainError` where there is none."""
        return self.chain.me

    def challenge(self, number: int) -> Challenge:
        """A challenge as the logs up to now tell it; raises `ChainError` for one that is not there."""
        self.index.sync()
        return self.index.challenge(number)

    def clock(self, challenge: Challenge) -> Clock:
        """Where it stands for a transaction that is sent now."""
        return challenge.clock(self.chain.now, self.chain.block + 1)

    def require(self, number: int, wanted: Phase, what: str, *, sent: str = "") -> Challenge:
        """A challenge in one of the wanted phases; raises `ChainError` that says where it stands instead.

        With `waiting` it waits for the challenge, and for a phase that can still come.

        what: the command that wants it, for the message.
        sent: the name of its transaction: once that was signed any phase will do, as the outbox tells what came of it.
        """
        if sent and (record := self.record(sent)) is not None and record.state != FAILED:
            return self.challenge(number)
        names = " or ".join(phase.name or "" for phase in Phase if phase & wanted)
        while True:
            self.index.sync()
            if self.waiting is not None and not any(found.id == number for found in self.index.challenges()):
                stands = f"there is no challenge {number} yet"
            else:
                challenge = self.index.challenge(number)
                clock = self.clock(challenge)
                if clock.phase & wanted:
                    if self.waiting is not None:
                        self.waiting(None)
                    return challenge
                stands = f"challenge {number} is in phase {clock.phase.name}"
                if self.waiting is None or not _can_come(wanted, clock.phase):
                    raise ChainError(f"{stands}, and {what} needs {names}; {_later(number, clock)}")
            self.waiting(f"waiting to {what}: {stands}")

    def record(self, key: str) -> Record | None:
        """The account's transaction of that name, below the market, if one was ever signed."""
        return None if self.chain.outbox is None else self.chain.outbox.record(f"{self.address}/{key}")

    def view(self, name: str, *arguments: Any) -> Any:
        """What a view of the market answers."""
        with self.chain.active():
            return getattr(self.client.contract, name)(*arguments)


def check_market(address: str, chain: NodeChain) -> None:
    """Raise `ChainError` for an address that does not hold a market of this version."""
    if not chain.rpc.code(address):
        raise ChainError(f"there is no contract at {address} on this chain; check --market and --node")
    if identify(address, chain.rpc.code) != MARKET:
        raise ChainError(f"{address} is no market of this version of Assay: its code is another; check --market")


def _can_come(wanted: Phase, now: Phase) -> bool:
    """Whether a challenge can still come to one of the wanted phases."""
    return bool(now & ROUND and wanted & ROUND) or any(phase & wanted and phase > now for phase in Phase)


def _later(number: int, clock: Clock) -> str:
    if clock.phase == Phase.CLOSED:
        return "it is over"
    if clock.phase == Phase.SETTLE:
        return f"it is decided ({clock.outcome.name}): `trainer settle {number}`"
    return f"`trainer show {number}` has its times"
