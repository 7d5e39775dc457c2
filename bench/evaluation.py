"""A whole evaluation through the market: writes `results/evaluation.json`.

    python -m bench.evaluation

784-32-10 at 4 bits on 1,024 samples of Fashion-MNIST: posted, drawn, trained on what the draw leaves, sealed, revealed,
claimed, unsealed, executed to the last sample by `audit`, settled and paid. Every transaction asks for 16,777,216 gas
(EIP-7825) and is signed to count its bytes, of which public mempools take 128 KiB. A second challenge has a candidate
whose only lie is the last sample of the last group.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from eth_account import Account

from bench.gas import MEMPOOL_BYTES, preset
from trainer import datasets, fetch, integer, quantise, split, training
from trainer.chain import TRANSACTION_CAP, Chain, Receipt, deploy, floor_gas
from trainer.client import MarketClient, Seal, demo_salt
from trainer.encode import class_word, encode
from trainer.integer import Network, Uint8
from trainer.package import Group, Package, build
from trainer.protocol import ETHER, SEED_DELAY, Outcome, Rule, Terms, Windows

RESULTS = Path(__file__).parent / "results" / "evaluation.json"
HOUR = 3600
ETH = 10**18
GROUPS, SAMPLES = 32, 32
GROUPS_AN_AUDIT = 8
SEED = 0
# all that a transaction's size depends on besides its data are a few bytes; these numbers are long ones
KEY = b"\x01" * 32
ENVELOPE = {"type": 2, "chainId": 1, "nonce": 2**20, "maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**10}

Trained = Callable[[Uint8, Uint8], Network]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One transaction.

    transaction_gas: all in: 21,000, calldata, refunds, and at least `floor_gas` (EIP-7623).
    signed_bytes:    of the signed transaction, which is what a mempool measures.
    """

    call: str
    execution_gas: int
    transaction_gas: int
    floor_gas: int
    calldata_bytes: int
    signed_bytes: int


class Challenge:
    """One challenge with one trainer, step by step; each step is a transaction, and kept in `steps`."""

    def __init__(self, client: MarketClient, engine: Any, package: Package, trainer: str) -> None:
        """Post and draw."""
        self.client, self.package = client, package
        self.poster, self.auditor, self.trainer = (
            client.chain.account(name, 100 * ETH) for name in ("poster", "auditor", trainer)
        )
        self.steps: list[Step] = []
        manifest = package.manifest
        terms = Terms(
            token=ETHER,
            reward=10 * ETH,
            opening=10 * ETH,
            poster_bond=2 * ETH,
            trainer_bond=ETH,
            seal_fee=ETH // 100,
            rule=Rule.BEST,
            threshold=1,
            **manifest.terms,
            holdout=GROUPS,
            model_bytes=64 * 1024,
            engine=str(engine.address),
            full_audit=True,
            windows=Windows(commit=HOUR, reveal=2 * HOUR, claim=HOUR, unseal=HOUR, audit=HOUR, nominate=HOUR),
        )
        self.id = int(self._did("post", client.post(terms, sender=self.poster)).result)
        client.chain.mine(SEED_DELAY + 1)
        self._did("draw", client.draw(self.id, sender=self.auditor))
        held = split.holdout(client.key(self.id), manifest.groups, GROUPS)
        self.groups = [package.group(index) for index in held]

    def training(self) -> tuple[Uint8, Uint8]:
        """What the draw leaves to train on."""
        held = {group.index for group in self.groups}
        kept = [self.package.group(i) for i in range(self.package.manifest.groups) if i not in held]
        return np.concatenate([group.x for group in kept]), np.concatenate([group.y for group in kept])

    def commit(self, network: Network) -> None:
        """Seal a network, let the commits close, and reveal the hold-out."""
        self.seal = Seal(
            challenge=self.id, trainer=self.trainer, model=encode(network), salt=demo_salt(SEED, self.trainer)
        )
        self._did("commit", self.client.commit(self.seal))
        self._wait()
        for group in self.groups:
            proof = self.package.proof(group.index)
            self._did("reveal", self.client.reveal(self.id, group, proof, sender=self.poster))

    def unseal(self, words: list[bytes]) -> int:
        """Claim what some predictions score, and show them with the model; returns the score that the market counts."""
        score = sum(int((right_of(word, group)).sum()) for word, group in zip(words, self.groups, strict=True))
        self._did("claim", self.client.claim(self.id, score, sender=self.trainer))
        self._wait()
        receipt = self._did("unseal", self.client.unseal(self.seal, words))
        (shown,) = (event for event in receipt.events if type(event).__name__ == "Unsealed")
        assert shown.score == score, f"the market counts {shown.score}, the predictions have {score}"
        return score

    def audit(self, slots: range) -> Receipt:
        """Execute every sample of some groups in one transaction, from what the logs hold."""
        samples, mask = self.client.holdout(self.id).samples, (1 << len(slots) * SAMPLES) - 1
        shown = self.client.unsealed(self.id)
        groups = {slot: samples[slot] for slot in slots}
        return self._did("audit", self.client.audit(self.id, groups, mask, shown, sender=self.auditor))

    def executed(self) -> int:
        """Samples that ran on the chain."""
        contract = self.client.contract
        return sum(int(contract.executed(self.id, 0, slot)).bit_count() for slot in range(GROUPS))

    def pay(self) -> int:
        """Settle, and withdraw what the trainer has won."""
        self._did("settle", self.client.settle(self.id, sender=self.auditor))
        return int(self._did("withdraw", self.client.withdraw(ETHER, sender=self.trainer)).result)

    def _wait(self) -> None:
        self.client.chain.mine_until(self.client.phase_ends(self.id))

    def _did(self, call: str, receipt: Receipt) -> Receipt:
        data = receipt.calldata
        transaction = {**ENVELOPE, "gas": TRANSACTION_CAP, "to": self.client.address, "value": 0, "data": data}
        self.steps.append(
            Step(
                call=call,
                execution_gas=receipt.execution_gas,
                transaction_gas=receipt.transaction_gas,
                floor_gas=floor_gas(data),
                calldata_bytes=len(data),
                signed_bytes=len(Account.sign_transaction(transaction, KEY).raw_transaction),
            )
        )
        return receipt


def right_of(word: bytes, group: Group) -> Any:
    """Which predictions of a group are its labels."""
    return np.frombuffer(word, np.uint8)[: len(group.y)] == group.y


def market() -> tuple[MarketClient, Any]:
    """A market on a chain of its own whose transactions ask for no more gas than they may, and its engine."""
    chain = Chain(SEED)
    with chain.active():
        deployed = deploy(min_window=HOUR)
    return MarketClient(chain, deployed.market, gas_limit=TRANSACTION_CAP), deployed.engine


def honest(client: MarketClient, engine: Any, package: Package, train: Trained) -> tuple[Challenge, Network, int]:
    """A challenge from post to payment, every sample executed; returns it, its network and its score."""
    challenge = Challenge(client, engine, package, "trainer")
    network = train(*challenge.training())
    challenge.commit(network)
    score = challenge.unseal([class_word(integer.predict(network, group.x)) for group in challenge.groups])
    for first in range(0, GROUPS, GROUPS_AN_AUDIT):
        receipt = challenge.audit(range(first, first + GROUPS_AN_AUDIT))
        assert receipt.result is True, f"slots from {first} on: the engine contradicts the integer network"
    assert challenge.executed() == GROUPS * SAMPLES
    assert client.outcome(challenge.id) == Outcome.WON
    assert challenge.pay() == 11 * ETH
    return challenge, network, score


def last_lie(client: MarketClient, engine: Any, package: Package, network: Network) -> Challenge:
    """A challenge whose candidate lies about the last sample of the last group; one group, then the last eight, run."""
    challenge = Challenge(client, engine, package, "liar")
    challenge.commit(network)
    words = [class_word(integer.predict(network, group.x)) for group in challenge.groups]
    words[-1] = words[-1][:-1] + bytes([(words[-1][-1] + 1) % network.classes])
    challenge.unseal(words)
    assert challenge.audit(range(1)).result is True
    receipt = challenge.audit(range(GROUPS - GROUPS_AN_AUDIT, GROUPS))
    assert receipt.result is False, "the lie was not found"
    (fraud,) = (event for event in receipt.events if type(event).__name__ == "Fraud")
    assert (fraud.slot, fraud.wrong, fraud.bounty) == (GROUPS - 1, 1 << SAMPLES - 1, ETH // 2)
    return challenge


def within_limits(steps: list[Step]) -> bool:
    """Whether every transaction fits what a block and a mempool take; each has run with no more gas than that."""
    return all(step.transaction_gas <= TRANSACTION_CAP and step.signed_bytes <= MEMPOOL_BYTES for step in steps)


def summed(steps: list[Step]) -> list[dict[str, Any]]:
    """One line a kind of transaction: how many, the most and the sum of their gas, the longest calldata."""
    return [
        {
            "call": call,
            "transactions": len(same),
            "most_execution_gas": max(step.execution_gas for step in same),
            "most_transaction_gas": max(step.transaction_gas for step in same),
            "most_calldata_bytes": max(step.calldata_bytes for step in same),
            "sum_transaction_gas": sum(step.transaction_gas for step in same),
        }
        for call in dict.fromkeys(step.call for step in steps)
        for same in [[step for step in steps if step.call == call]]
    ]


def main() -> None:
    """Train on Fashion-MNIST, play both challenges, write the file."""
    fetch.fetch()
    data = datasets.load(datasets.FASHION_MNIST)
    rows, test = data.split()
    recipe = preset("fashion-784-32", 4).recipe
    quantiser = quantise.fit(data, bits=recipe.input_bits, rows=rows)
    kept = datasets.Dataset(
        name=data.name,
        features=data.features[rows],
        labels=data.labels[rows],
        class_names=data.class_names,
        image_shape=data.image_shape,
    )
    package = build(kept, quantiser, group_size=SAMPLES, seed=SEED)

    def train(x: Uint8, y: Uint8) -> Network:
        return training.train(x, y, recipe=recipe, seed=SEED, classes=data.classes).network

    client, engine = market()
    with client.chain.active():
        challenge, network, score = honest(client, engine, package, train)
        lied = last_lie(client, engine, package, network)
    audits = [step for step in challenge.steps if step.call == "audit"]
    assert within_limits(challenge.steps)
    test_right = integer.predict(network, quantiser.apply(data.features[test])) == data.labels[test]
    report = {
        "command": "make bench-gas",
        "net": "-".join(map(str, network.widths)),
        "bits": f"{network.input_bits}/{network.weight_bits}/{network.activation_bits}",
        "dataset": data.name,
        "groups": package.manifest.groups,
        "holdout_samples": GROUPS * SAMPLES,
        "score": score,
        "test_accuracy": float(test_right.mean()),
        "model_bytes": len(challenge.seal.model),
        "gas_limit": TRANSACTION_CAP,
        "mempool_bytes": MEMPOOL_BYTES,
        "audits": [asdict(step) for step in audits],
        "audit_of_one_group": asdict(next(step for step in lied.steps if step.call == "audit")),
        "audit_that_finds_the_last_lie": asdict(lied.steps[-1]),
        "life": summed(challenge.steps),
        "life_transaction_gas": sum(step.transaction_gas for step in challenge.steps),
    }
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report["audits"]), file=sys.stderr)


if __name__ == "__main__":
    main()
