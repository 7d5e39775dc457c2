"""A whole challenge with one engine, up to its last call: what journeys of the engines share."""

from collections.abc import Callable
from typing import Any

from tests.world import ETH, HOUR, step_engine
from trainer import split
from trainer.chain import CONTRACTS, TRANSACTION_CAP, Chain, compile_contract
from trainer.client import MarketClient, Seal, demo_salt
from trainer.encode import class_word
from trainer.integer import Uint8
from trainer.package import Package
from trainer.protocol import ETHER, SEED_DELAY, Rule, Terms, Windows

HOLDOUT = 2


class Played:
    """One challenge; its trainers have sealed a network, and the hold-out is revealed."""

    def __init__(
        self,
        package: Package,
        deploy: Callable[[], Any],
        sealed: dict[str, bytes],
        predict: Callable[[Uint8], Uint8],
        *,
        model_bytes: int,
        segments: tuple[bytes, ...] = (),
    ) -> None:
        """Up to the hold-out.

        deploy:   puts the engine on the chain.
        sealed:   the model of each trainer.
        predict:  the classes of samples that `claim_and_unseal` and `words` are about.
        segments: the files that the models name, where they are in segments.
        """
        self.chain, self.predict = Chain(0), predict
        with self.chain.active():
            # another engine, which is small
            step, self.engine = step_engine(), deploy()
            market = compile_contract(CONTRACTS / "Market.vy").deploy(HOUR, [step.address, self.engine.address])
        self.classes = package.manifest.classes
        self.size = package.manifest.group_size
        self.client = MarketClient(self.chain, market, gas_limit=TRANSACTION_CAP)
        names = ("poster", "auditor", *sealed)
        self.accounts = {name: self.chain.account(name, 100 * ETH) for name in names}
        poster, client, manifest = self.accounts["poster"], self.client, package.manifest
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
            holdout=HOLDOUT,
            model_bytes=model_bytes,
            engine=str(self.engine.address),
            full_audit=True,
            windows=Windows(commit=HOUR, reveal=2 * HOUR, claim=HOUR, unseal=HOUR, audit=HOUR, nominate=HOUR),
        )
        self.id = int(client.post(terms, sender=poster).result)
        self.chain.mine(SEED_DELAY + 1)
        client.draw(self.id, sender=self.accounts["auditor"])
        self.groups = [package.group(i) for i in split.holdout(client.key(self.id), manifest.groups, HOLDOUT)]
        self.seals = {}
        for name, model in sealed.items():
            seal = Seal(
                challenge=self.id,
                trainer=self.accounts[name],
                model=model,
                salt=demo_salt(0, name),
                segments=segments,
            )
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
        return [class_word(self.predict(group.x)) for group in self.groups]

    def claim_and_unseal(self, name: str, words: list[bytes]) -> None:
        """Claim what these predictions score, and show them with the model."""
        pairs = zip(words, self.groups, strict=True)
        score = sum(word[i] == group.labels[i] for word, group in pairs for i in range(self.size))
        self.client.claim(self.id, score, sender=self.accounts[name])
        self.wait()
        self.client.unseal(self.seals[name], words)

    def audit(self) -> bool:
        """Execute the samples of all groups in one call."""
        samples = self.client.holdout(self.id).samples
        shown, mask = self.client.unsealed(self.id), (1 << HOLDOUT * self.size) - 1
        sender = self.accounts["auditor"]
        return bool(self.client.audit(self.id, {0: samples[0], 1: samples[1]}, mask, shown, sender=sender).result)

    def won(self, name: str) -> int:
        """Claim, execute everything, settle and withdraw: what the trainer gets."""
        self.claim_and_unseal(name, self.words())
        assert self.audit() is True
        self.client.settle(self.id, sender=self.accounts["auditor"])
        return int(self.client.withdraw(ETHER, sender=self.accounts[name]).result)

    def caught(self, name: str) -> bool:
        """Unseal with another class for the last sample of the last group; whether its execution finds it."""
        words = self.words()
        lie = bytearray(words[-1])
        lie[self.size - 1] = (lie[self.size - 1] + 1) % self.classes
        self.claim_and_unseal(name, [*words[:-1], bytes(lie)])
        return not self.audit()
