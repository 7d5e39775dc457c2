"""A market on a real node with people in it, each with an account and a home of his own, and a poster's package."""

import shutil
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from eth_account import Account

from tests.node.anvil import Anvil
from trainer import chain as contracts
from trainer.agent.account import Agent, Plan
from trainer.agent.study import Judged, Wish, directory_for, save
from trainer.client import Seal
from trainer.datasets import digits
from trainer.index import Challenge
from trainer.integer import Layer, Network
from trainer.networks import model_of
from trainer.node.chain import connect
from trainer.node.keys import KeySigner
from trainer.node.settings import Settings
from trainer.package import Package, build
from trainer.protocol import ETHER, Phase, Rule, Terms, Windows
from trainer.quantise import fit
from trainer.roles import data, poster
from trainer.roles.desk import Desk

ETH = 10**18
GROUPS, SIZE, HOLDOUT, BITS = 40, 16, 4, 4
WINDOW = 3600
DEPLOYER, POSTER = 0, 1
GENESIS_BALANCE = 10_000 * ETH
START = 1_000 * ETH
"""Wei that everyone has at first."""


class Place:
    """What is deployed once for all tests of a process."""

    def __init__(self, anvil: Anvil, directory: Path) -> None:
        self.anvil, self.directory = anvil, directory
        chain = connect(Settings(node=anvil.url, home=directory / "deployer"), _signer(anvil, DEPLOYER))
        with chain.active():
            self.engine = contracts.deploy_engine()
            market = contracts.deploy_market(min_window=60, engines=[self.engine])
        self.market = str(market.address)
        dataset = digits()
        self.package = directory / "package"
        build(dataset, fit(dataset, bits=BITS), group_size=SIZE, groups=GROUPS, seed=3).save(self.package)
        self.whole = Package.load(self.package)
        self.public = directory / "public"
        for account in anvil.accounts[1:]:
            anvil.fund(account.address, START)

    def terms(self, **changes: Any) -> Terms:
        """Terms for the package, with changes."""
        window = Windows(commit=WINDOW, reveal=WINDOW, claim=WINDOW, unseal=WINDOW, audit=WINDOW, nominate=WINDOW)
        base = Terms(
            token=ETHER,
            reward=ETH,
            opening=ETH,
            poster_bond=ETH // 10,
            trainer_bond=ETH // 5,
            seal_fee=10**15,
            rule=Rule.BEST,
            threshold=40,
            **self.whole.manifest.terms,
            holdout=HOLDOUT,
            model_bytes=8_000,
            engine=str(self.engine.address),
            full_audit=True,
            windows=window,
        )
        return replace(base, **changes)

    def settings(self, home: Path) -> Settings:
        """Settings of somebody."""
        return Settings(node=self.anvil.url, market=self.market, home=home, patience=2.0)

    def desk(self, account: int, home: Path) -> Desk:
        """The desk of an account."""
        settings = self.settings(home)
        chain = connect(settings, _signer(self.anvil, account))
        # a dead transaction shows soon
        chain.wait = 20.0
        return Desk(chain, settings)

    def address(self, account: int) -> str:
        """The address of an account."""
        return self.anvil.accounts[account].address


def _signer(anvil: Anvil, account: int) -> KeySigner:
    return KeySigner(Account.from_key(anvil.accounts[account].key))


@dataclass
class Host:
    """The poster of one challenge, and the hand on the clock."""

    place: Place
    desk: Desk
    challenge: int

    @classmethod
    def post(cls, place: Place, home: Path, **changes: Any) -> "Host":
        """Post and draw, and publish the training groups."""
        host = cls.undrawn(place, home, **changes)
        place.anvil.mine(5)
        host.desk.client.draw(host.challenge, sender=host.desk.me)
        data.publish(host.desk, host.challenge, host.package, str(host.public))
        return host

    @classmethod
    def undrawn(cls, place: Place, home: Path, **changes: Any) -> "Host":
        """Post, and nothing more."""
        desk = place.desk(POSTER, home)
        # a package remembers for which draw it was published
        shutil.copytree(place.package, home / "package")
        challenge = poster.post(desk, home / "package", place.terms(**changes), again=True).challenge
        return cls(place, desk, challenge)

    @property
    def package(self) -> Path:
        """The poster's copy of the package."""
        return self.desk.settings.home / "package"

    @property
    def public(self) -> Path:
        """Where its training groups are."""
        return self.desk.directory / "public"

    @property
    def found(self) -> Challenge:
        """The challenge now."""
        return self.desk.challenge(self.challenge)

    @property
    def phase(self) -> Phase:
        """Its phase now."""
        return self.desk.clock(self.found).phase

    def end(self, phase: Phase) -> None:
        """Let the clock pass a phase that the challenge is in."""
        clock = self.desk.clock(self.found)
        assert clock.phase == phase, clock
        self.place.anvil.mine_until(clock.ends)

    def reveal(self) -> None:
        """Let the commits end, and reveal the hold-out."""
        self.end(Phase.COMMIT)
        self.reveal_rest()

    def reveal_rest(self) -> None:
        """Reveal what is not revealed."""
        poster.reveal(self.desk, self.challenge, self.package, lambda *_: None)

    def settle(self) -> None:
        """Settle, and take out what there is."""
        if self.phase == Phase.SETTLE:
            self.desk.client.settle(self.challenge, sender=self.desk.me)
        self.take_out()

    def take_out(self) -> None:
        """Take out what is credited to the poster."""
        self.desk.index.sync()
        if self.desk.index.credits(ETHER).get(self.desk.me):
            self.desk.client.withdraw(ETHER, sender=self.desk.me)


def noisy(network: Network, share: float, seed: int = 1) -> Network:
    """A worse network: a part of the weights of its first layer is zero."""
    layer = network.layers[0]
    lost = np.random.default_rng(seed).random(layer.weights.shape) < share
    first = Layer(weights=np.where(lost, 0, layer.weights), bias=layer.bias, shift=layer.shift)
    return replace(network, layers=(first, *network.layers[1:]))


def plan(host: Host, **changes: Any) -> Plan:
    """A plan that enters what the host posts."""
    base = Plan(
        budget=2 * ETH,
        depth=0,
        sources=(str(host.public),),
        wish=Wish(hidden=()),
        rates={ETHER: Fraction(1)},
        study_seconds=600,
    )
    return replace(base, **changes)


def give(desk: Desk, host: Host, network: Network, right: int = 90, rows: int = 96) -> None:
    """Put a model where the agent would put what it trained: so it trains nothing."""
    found = desk.challenge(host.challenge)
    save(directory_for(desk.directory, found, desk.me), Judged(model=model_of(network), right=right, rows=rows))


def agent(desk: Desk, host: Host, told: list[str] | None = None, **changes: Any) -> Agent:
    """An agent at a desk."""

    def tell(event: str, text: str, **_: Any) -> None:
        if told is not None:
            told.append(f"{event}: {text}")

    return Agent(desk, plan(host, **changes), tell, poll=0.02)


def gas_paid(anvil: Anvil, address: str, first: int = 0) -> int:
    """Wei that an account paid for gas, from the receipts of all blocks from `first` on."""
    total = 0
    for number in range(first, anvil.block().number + 1):
        for transaction in anvil.rpc("eth_getBlockByNumber", hex(number), True)["transactions"]:
            if transaction["from"].lower() == address.lower():
                receipt = anvil.receipt(transaction["hash"])
                total += int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    return total


def earned(anvil: Anvil, address: str, before: int, first: int) -> int:
    """What an account has more than before, gas apart."""
    now = int(anvil.rpc("eth_getBalance", address, "latest"), 16)
    return now - before + gas_paid(anvil, address, first)


def balance(anvil: Anvil, address: str) -> int:
    """Wei of an account."""
    return int(anvil.rpc("eth_getBalance", address, "latest"), 16)


def books(desk: Desk) -> dict[str, int]:
    """The market's books by the chain itself, with what it holds."""
    return desk.client.books(ETHER)


def lying_seal(desk: Desk, challenge: int, network: Network, salt: bytes) -> Seal:
    """A seal of somebody who commits by himself."""
    return Seal(challenge=challenge, trainer=desk.me, model=model_of(network), salt=salt)
