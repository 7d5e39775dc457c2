"""A network of one bit plays a whole challenge: posted, sealed, revealed, claimed, unsealed, executed, paid.

The market has this engine in its list beside another; one audit runs both groups.
"""

import boa
import numpy as np
import pytest

from tests.binary_strategies import binary_network
from tests.strategies import random_network
from tests.world import ETH, HOUR, MOCKS
from trainer import integer, split
from trainer.chain import CONTRACTS, TRANSACTION_CAP, Chain, compile_contract, deploy_binary_engine
from trainer.client import MarketClient, Seal, demo_salt
from trainer.datasets import Dataset
from trainer.encode import class_word, encode
from trainer.errors import ChainError
from trainer.integer import Network
from trainer.package import Package, build
from trainer.protocol import ETHER, SEED_DELAY, Outcome, Phase, Rule, Terms, Windows
from trainer.quantise import Quantiser

GROUPS, HOLDOUT, SAMPLES = 4, 2, 20
CLASSES = tuple("abcde")
NETWORK = binary_network((72, 17, 5))
DENSE = random_network((72, 17, 5), input_bits=1, activation_bits=1, weight_bits=2)


@pytest.fixture(scope="module")
def package() -> Package:
    """Groups whose labels are, but for a tenth, what the network says."""
    rng = np.random.default_rng(0)
    quantiser = Quantiser(bits=1, image_shape=(9, 8))
    features = rng.integers(0, 2, (GROUPS * SAMPLES, 72), dtype=np.uint8) * np.uint8(200)
    labels = integer.predict(NETWORK, quantiser.apply(features))
    labels = np.where(rng.random(len(labels)) < 0.1, (labels + 1) % len(CLASSES), labels).astype(np.uint8)
    data = Dataset(name="noise", features=features, labels=labels, class_names=CLASSES, image_shape=(9, 8))
    return build(data, quantiser, group_size=SAMPLES, seed=0)


class Played:
    """One challenge; its trainers have sealed a network, and the hold-out is revealed."""

    def __init__(self, package: Package, sealed: dict[str, Network]) -> None:
        self.chain = Chain(0)
        with self.chain.active():
            # another engine, which is small
            step, self.engine = compile_contract(MOCKS / "StepEngine.vy").deploy(), deploy_binary_engine()
            market = compile_contract(CONTRACTS / "Market.vy").deploy(HOUR, [step.address, self.engine.address])
        self.client = MarketClient(self.chain, market, gas_limit=TRANSACTION_CAP)
        names = ("poster", "auditor", *sealed)
        self.accounts = {name: self.chain.account(name, 100 * ETH) for name in names}
        poster, client, manifest = self.accounts["poster"], self.client, package.manifest
        terms = Terms(
            token=ETHER,
            reward=10 * ETH,
            poster_bond=2 * ETH,
            trainer_bond=ETH,
            seal_fee=ETH // 100,
            rule=Rule.BEST,
            threshold=1,
            root=manifest.root,
            groups=GROUPS,
            holdout=HOLDOUT,
            samples=SAMPLES,
            sample_bytes=manifest.sample_bytes,
            input_bits=1,
            classes=len(CLASSES),
            model_bytes=1024,
            engine=str(self.engine.address),
            full_audit=True,
            windows=Windows(commit=HOUR, reveal=2 * HOUR, claim=HOUR, unseal=HOUR, audit=HOUR, nominate=HOUR),
        )
        self.id = int(client.post(terms, sender=poster).result)
        self.chain.mine(SEED_DELAY + 1)
        client.draw(self.id, sender=self.accounts["auditor"])
        self.groups = [package.group(i) for i in split.holdout(client.key(self.id), GROUPS, HOLDOUT)]
        self.seals = {}
        for name, network in sealed.items():
            seal = Seal(challenge=self.id, trainer=self.accounts[name], model=encode(network), salt=demo_salt(0, name))
            self.seals[name] = seal
            client.commit(seal)
        self.wait()
        for group in self.groups:
            client.reveal(self.id, group, package.proof(group.index), sender=poster)

    def wait(self) -> None:
        """Go to the next phase."""
        self.chain.mine_until(self.client.phase_ends(self.id))

    def words(self) -> list[bytes]:
        """What the network predicts."""
        return [class_word(integer.predict(NETWORK, group.x)) for group in self.groups]

    def claim_and_unseal(self, name: str, words: list[bytes]) -> None:
        """Claim what these predictions score, and show them with the model."""
        pairs = zip(words, self.groups, strict=True)
        score = sum(word[i] == group.labels[i] for word, group in pairs for i in range(SAMPLES))
        self.client.claim(self.id, score, sender=self.accounts[name])
        self.wait()
        self.client.unseal(self.seals[name], words)

    def audit(self) -> bool:
        """Execute the samples of all groups in one call."""
        samples = self.client.holdout(self.id).samples
        shown, mask = self.client.unsealed(self.id), (1 << HOLDOUT * SAMPLES) - 1
        sender = self.accounts["auditor"]
        return bool(self.client.audit(self.id, {0: samples[0], 1: samples[1]}, mask, shown, sender=sender).result)


# in fixtures: titanoboa anchors the environment of a test, and transactions cannot be undone
@pytest.fixture(scope="module")
def honest(package: Package) -> Played:
    """The network wins."""
    play = Played(package, {"ada": NETWORK})
    client, ada = play.client, play.accounts["ada"]
    with play.chain.active():
        play.claim_and_unseal("ada", play.words())
        assert play.audit() is True
        client.settle(play.id, sender=play.accounts["auditor"])
        assert client.withdraw(ETHER, sender=ada).result == 11 * ETH
    return play


@pytest.fixture(scope="module")
def lied(package: Package) -> Played:
    """The same network, and a lie about the last sample of the last group."""
    play = Played(package, {"ben": NETWORK})
    with play.chain.active():
        words = play.words()
        lie = bytearray(words[-1])
        lie[SAMPLES - 1] = (lie[SAMPLES - 1] + 1) % len(CLASSES)
        play.claim_and_unseal("ben", [*words[:-1], bytes(lie)])
        assert play.audit() is False
    return play


@pytest.fixture(scope="module")
def refused(package: Package) -> Played:
    """A dense network of one bit, but for its weights, has no way in, though nobody looked before it was sealed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MarketClient, "_check_model", lambda *_: None)
        play = Played(package, {"cleo": DENSE})
    with play.chain.active(), boa.reverts("engine: bad weight bits"):
        play.claim_and_unseal("cleo", [group.labels for group in play.groups])
    return play


@pytest.fixture(scope="module")
def warnings(package: Package) -> list[str]:
    """What the client says before a bond is at stake."""
    said = []
    for network in (DENSE, binary_network((72, 120, 5))):
        with pytest.raises(ChainError) as error:
            Played(package, {"cleo": network})
        said.append(str(error.value))
    return said


def test_a_model_that_could_not_be_unsealed_is_not_sealed(warnings: list[str]) -> None:
    engine, length = warnings
    assert "the challenge's engine refuses the model (engine: bad weight bits)" in engine
    assert "1 bits a feature, and 5 classes" in engine
    assert "the challenge takes 1024" in length


def test_every_sample_is_executed_in_one_audit_and_the_trainer_paid(honest: Played) -> None:
    contract = honest.client.contract
    assert [int(contract.executed(honest.id, 0, slot)) for slot in range(HOLDOUT)] == [(1 << SAMPLES) - 1] * HOLDOUT
    assert honest.client.outcome(honest.id) == Outcome.WON
    assert honest.client.books(ETHER)["escrowed"] == 0


def test_a_lie_about_the_last_sample_is_found(lied: Played) -> None:
    (fraud,) = (event for event in lied.client.events if type(event).__name__ == "Fraud")
    assert (fraud.slot, fraud.wrong) == (HOLDOUT - 1, 1 << SAMPLES - 1)


def test_a_dense_network_is_refused(refused: Played) -> None:
    assert refused.client.phase(refused.id) == Phase.UNSEAL
