"""What every role works at: a market behind a node, what its logs tell, and an account."""

from typing import Any

from trainer.client import MarketClient
from trainer.errors import ChainError
from trainer.fingerprints import MARKET, identify
from trainer.index import Challenge, Clock, Index
from trainer.node.chain import NodeChain
from trainer.node.settings import Settings
from trainer.protocol import Phase


class Desk:
    """One market on one chain, and at most one account there.

    chain:     with the key, if there is one.
    client:    the market's transactions.
    index:     the market's logs.
    directory: where all that belongs to this market is kept.
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

    @property
    def client(self) -> MarketClient:
        """The market's transactions; its contract is read when first asked for."""
        if self._client is None:
            self._client = MarketClient(self.chain, self.chain.contract("Market", self.address))
        return self._client

    @property
    def me(self) -> str:
        """The account; raises `ChainError` where there is none."""
        if self.chain.outbox is None:
            raise ChainError("no key to sign with; name a keystore with --keystore, or a signer with --signer")
        return self.chain.outbox.signer.address

    def challenge(self, number: int) -> Challenge:
        """A challenge as the logs up to now tell it; raises `ChainError` for one that is not there."""
        self.index.sync()
        return self.index.challenge(number)

    def clock(self, challenge: Challenge) -> Clock:
        """Where it stands for a transaction that is sent now."""
        return challenge.clock(self.chain.now, self.chain.block + 1)

    def require(self, number: int, wanted: Phase, what: str) -> Challenge:
        """A challenge in one of the wanted phases; raises `ChainError` that says where it stands instead.

        what: the command that wants it, for the message.
        """
        challenge = self.challenge(number)
        clock = self.clock(challenge)
        if not clock.phase & wanted:
            names = " or ".join(phase.name or "" for phase in Phase if phase & wanted)
            raise ChainError(
                f"challenge {number} is in phase {clock.phase.name}, and {what} needs {names}; {_later(clock)}"
            )
        return challenge

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


def _later(clock: Clock) -> str:
    if clock.phase in (Phase.SETTLE, Phase.CLOSED):
        return "it is decided"
    return "see `trainer show` for its times"
