"""A whole challenge on a chain of its own: a data set split by chance, four trainers, one liar, one winner.

Everything is repeatable: data set shuffle, block hashes, addresses, salts and training all follow from one seed. A real
poster or trainer draws his seeds at random.
"""

import json as json_module
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trainer import datasets, fetch, integer, integer_jax, split, training
from trainer.amounts import ether
from trainer.chain import CODE_LIMIT, Chain, deploy
from trainer.client import MarketClient, Seal, Unsealed, demo_salt
from trainer.encode import class_word, classes_of, decode, encode, unpack_samples
from trainer.errors import ChainError, DataError
from trainer.journal import Journal
from trainer.package import Package, build
from trainer.picture import Bar, Span, draw
from trainer.presets import Preset, find
from trainer.progress import bar
from trainer.protocol import ETHER, SEED_DELAY, Outcome, Phase, Rule, Terms, Windows
from trainer.training import Recipe

HOUR = 3600
BLOCKS_BETWEEN = 25
"""Blocks from one person's transaction to the next: five minutes."""
ETH = 10**18
HOLDOUT_SAMPLES = 256
GROUPS_AN_AUDIT = 4
"""Groups the winner has executed in one transaction."""
THRESHOLD = 0.75
"""Part of the hold-out that a winner must get right."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What depends on the data set: its preset, samples a group, and each trainer's hidden width."""

    preset: str
    group_size: int
    widths: dict[str, int]


SETTINGS = {
    datasets.FASHION_MNIST: Setting(
        preset="fashion-196-64", group_size=32, widths={"ada": 32, "ben": 64, "mallory": 16, "gus": 16}
    ),
    datasets.DIGITS: Setting(
        preset="digits-64-32", group_size=16, widths={"ada": 16, "ben": 32, "mallory": 4, "gus": 4}
    ),
}
HONEST, LIAR, ABSENT = ("ada", "ben"), "mallory", "gus"
AMOUNTS: dict[str, Any] = {
    "reward": 10 * ETH,
    "opening": 10 * ETH,
    "poster_bond": 2 * ETH,
    "trainer_bond": ETH,
    "seal_fee": ETH // 100,
}


def run(dataset: str | None, seed: int, json: bool, out: Path) -> int:
    """Play the challenge; returns the exit code.

    dataset: `fashion-mnist` or `digits`; by default Fashion-MNIST if it can be had, else digits.
    seed:    everything follows from it.
    json:    print one JSON object instead of the story.
    out:     directory for the picture, the seals and the summary.
    """
    journal = Journal(quiet=json)
    loaded = _load(dataset, journal)
    chain = Chain(seed)
    with chain.active():
        facts = Story(chain, loaded, SETTINGS[loaded.name], seed, out, journal).play()
    text = json_module.dumps(facts, indent=1)
    (out / "summary.json").write_text(text)
    if json:
        print(text)
    return 0


def _load(dataset: str | None, journal: Journal) -> datasets.Dataset:
    if dataset is not None and dataset not in SETTINGS:
        raise DataError(f"the demonstration plays with {' or '.join(SETTINGS)}, not with {dataset!r}")
    if dataset == datasets.DIGITS:
        return datasets.load(datasets.DIGITS)
    try:
        fetch.fetch()
    except DataError as error:
        if dataset is not None:
            raise
        journal.say(f"Fashion-MNIST cannot be had here ({error}); playing with scikit-learn's digits instead.")
        return datasets.load(datasets.DIGITS)
    return datasets.load(datasets.FASHION_MNIST)


def short(recipe: Recipe, width: int) -> Recipe:
    """The preset's recipe with another hidden width and a third of its epochs: a demonstration is for watching."""
    return replace(
        recipe,
        hidden=(width,),
        epochs=max(1, recipe.epochs * 2 // 5),
        quantised_epochs=max(1, recipe.quantised_epochs // 3),
    )


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One trainer's network and what he knows of it; test accuracy is on rows outside the challenge."""

    name: str
    network: integer.Network
    seal: Seal
    index: int
    test_accuracy: float
    test_digest: str


class Story:
    """The challenge, phase by phase."""

    def __init__(
        self, chain: Chain, data: datasets.Dataset, setting: Setting, seed: int, out: Path, journal: Journal
    ) -> None:
        """Set the stage; nothing is sent yet."""
        self.chain, self.data, self.setting, self.seed, self.out, self.journal = (
            chain,
            data,
            setting,
            seed,
            out,
            journal,
        )
        self.accounts = {name: chain.account(name, 100 * ETH) for name in ("poster", "auditor", *setting.widths)}
        self.started = {name: chain.env.get_balance(address) for name, address in self.accounts.items()}
        self.spans: list[Span] = []
        self.entries: dict[str, Entry] = {}
        self.preset: Preset = find(setting.preset, data.name)

    # ── the parts ──

    def play(self) -> dict[str, Any]:
        """The whole story; returns its facts."""
        self._deploy()
        self._post()
        self._draw()
        self._commit()
        self._reveal()
        self._claim()
        self._liar()
        self._winner()
        self._pay()
        return self._summary()

    def _deploy(self) -> None:
        self.journal.heading("A chain with a market on it")
        deployed = deploy(min_window=HOUR)
        self.engine, market = deployed.engine, deployed.market
        self.client = MarketClient(self.chain, market)
        self.sizes = {
            name: len(self.chain.env.get_code(contract.address))
            for name, contract in (("market", market), ("engine", self.engine))
        }
        for name, size in self.sizes.items():
            self.journal.say(f"{name}: {size:,} of {CODE_LIMIT:,} bytes of code")

    def _post(self) -> None:
        rows, test = self.data.split()
        kept = replace(self.data, features=self.data.features[rows], labels=self.data.labels[rows], test_rows=0)
        quantiser = self.preset.quantiser(self.data, rows=rows)
        self.test_x = quantiser.apply(self.data.features[test])
        self.test_y = self.data.labels[test]
        self.package: Package = build(kept, quantiser, group_size=self.setting.group_size, seed=self.seed)
        self.package_directory = self.out / "package"
        manifest = self.package.manifest
        self.journal.heading("Post")
        self.journal.say(
            f"{self.data.name}: {manifest.groups:,} groups of {manifest.group_size} samples, "
            f"{manifest.sample_bytes} bytes a sample, {manifest.bits} bits a feature"
        )
        self.journal.say(f"root 0x{manifest.root.hex()}")
        holdout = HOLDOUT_SAMPLES // manifest.group_size
        self.terms = Terms(
            token=ETHER,
            **AMOUNTS,
            rule=Rule.BEST,
            threshold=int(THRESHOLD * HOLDOUT_SAMPLES),
            **manifest.terms,
            holdout=holdout,
            model_bytes=64 * 1024,
            engine=str(self.engine.address),
            full_audit=True,
            windows=Windows(
                commit=24 * HOUR, reveal=4 * HOUR, claim=2 * HOUR, unseal=2 * HOUR, audit=4 * HOUR, nominate=2 * HOUR
            ),
        )
        self.posted = self.chain.now
        receipt = self._do(
            "post",
            "poster",
            f"reward {ether(self.terms.reward)}, bond {ether(self.terms.poster_bond)}, threshold "
            f"{self.terms.threshold} of {HOLDOUT_SAMPLES}",
            self.client.post(self.terms, sender=self.accounts["poster"]),
        )
        self.id = int(receipt.result)

    def _draw(self) -> None:
        self.journal.heading("Draw")
        self.chain.mine(SEED_DELAY + 1)
        self._do(
            "draw",
            "auditor",
            "the hash of a block after the post splits the groups",
            self.client.draw(self.id, sender=self.accounts["auditor"]),
        )
        self._span("draw", self.posted)
        self.held = split.holdout(self.client.key(self.id), self.terms.groups, self.terms.holdout)
        self.journal.say(f"held out: {', '.join(map(str, self.held))}")

    def _commit(self) -> None:
        start = self.chain.now
        self.journal.heading("Commit: four trainers train on the rest and seal what they have")
        kept = [self.package.group(i) for i in range(self.terms.groups) if i not in set(self.held)]
        x, y = np.concatenate([group.x for group in kept]), np.concatenate([group.y for group in kept])
        for number, (name, width) in enumerate(self.setting.widths.items()):
            assert isinstance(self.preset.recipe, Recipe), "the demonstration's presets are dense"
            recipe = short(self.preset.recipe, width)
            with bar(f"{name} trains {x.shape[1]}-{width}-{self.terms.classes}", recipe) as progress:
                result = training.train(
                    x, y, recipe=recipe, seed=self.seed + number, classes=self.terms.classes, progress=progress
                )
            assert isinstance(result.network, integer.Network), "the demo trains dense networks"
            classes = integer.predict(result.network, self.test_x)
            seal = Seal(
                challenge=self.id,
                trainer=self.accounts[name],
                model=encode(result.network),
                salt=demo_salt(self.seed, name),
            )
            # before the commit: a seal without its model and salt is a lost bond
            seal.save(self.out / "seals" / name)
            self.chain.mine(60)
            receipt = self._do(
                "commit",
                name,
                f"{x.shape[1]}-{width}-{self.terms.classes}, {len(seal.model):,} bytes, sealed",
                self.client.commit(seal),
            )
            self.entries[name] = Entry(
                name=name,
                network=result.network,
                seal=seal,
                index=int(receipt.result),
                test_accuracy=float((classes == self.test_y).mean()),
                test_digest=integer.digest(classes),
            )
        self._wait()
        self._span("commit", start)

    def _reveal(self) -> None:
        start = self.chain.now
        self.journal.heading("Reveal: the hold-out is shown, group by group, against the root")
        for index in self.held:
            self._do(
                "reveal",
                "poster",
                f"group {index}: {self.terms.samples} samples, {self.terms.samples * self.terms.sample_bytes:,} bytes",
                self.client.reveal(
                    self.id, self.package.group(index), self.package.proof(index), sender=self.accounts["poster"]
                ),
            )
            self.chain.mine(BLOCKS_BETWEEN)
        self._span("reveal", start)
        # from here on everyone works from the logs alone
        revealed = self.client.holdout(self.id)
        self.holdout_x = {
            slot: unpack_samples(data, self.terms.samples, self.terms.input_bits)
            for slot, data in revealed.samples.items()
        }
        self.holdout_bytes = revealed.samples
        self.labels = {slot: classes_of(word, self.terms.samples) for slot, word in revealed.labels.items()}

    def _claim(self) -> None:
        start = self.chain.now
        self.journal.heading("Claim")
        self.scores = {name: self._score(entry.network) for name, entry in self.entries.items()}
        # the liar claims a little more than the best honest trainer can
        lie = min(max(self.scores[name] for name in HONEST) + 3, HOLDOUT_SAMPLES)
        self.claimed = {**{name: self.scores[name] for name in HONEST}, LIAR: lie}
        for name, score in self.claimed.items():
            told = f"{score} of {HOLDOUT_SAMPLES}"
            if name == LIAR:
                told += f" (his network reaches {self.scores[name]})"
            self._do("claim", name, told, self.client.claim(self.id, score, sender=self.accounts[name]))
            self.chain.mine(BLOCKS_BETWEEN)
        self.journal.say(f"{ABSENT} never comes back")
        self._wait()
        self._span("claim", start)

    def _liar(self) -> None:
        self.journal.heading("Unseal: the best claim shows its model and predictions")
        entry = self.entries[LIAR]
        self._unseal(LIAR, self._false_predictions(entry.network, self.claimed[LIAR]))
        self.journal.heading("Audit: one sample is enough")
        start = self.chain.now
        shown = self.client.unsealed(self.id)
        slot, sample = self._find_lie(shown)
        self.chain.mine(BLOCKS_BETWEEN)
        receipt = self._do(
            "audit",
            "auditor",
            f"slot {slot}, sample {sample}: the engine contradicts {LIAR}",
            self.client.audit(
                self.id, {slot: self.holdout_bytes[slot]}, 1 << sample, shown, sender=self.accounts["auditor"]
            ),
        )
        if receipt.result:
            raise ChainError(f"slot {slot}, sample {sample}: the engine agrees with a false prediction")
        self.fraud = {"slot": slot, "sample": sample}
        self._span("audit (fraud)", start)
        self.journal.say(f"{LIAR}'s bond: {ether(ETH // 2)} to the auditor, {ether(ETH - ETH // 2)} burned")

        self.journal.heading("Nominate: the next best standing claim")
        start = self.chain.now
        self.winner = max(HONEST, key=lambda name: (self.claimed[name], -self.entries[name].index))
        self._do(
            "nominate",
            "auditor",
            f"{self.winner}, who claims {self.claimed[self.winner]}",
            self.client.nominate(self.id, self.entries[self.winner].index, sender=self.accounts["auditor"]),
        )
        self._wait()
        self._span("nominate", start)

    def _winner(self) -> None:
        self.journal.heading("Unseal, and a full audit: every sample of the hold-out runs on the chain")
        network = self.entries[self.winner].network
        self._unseal(self.winner, [self._word(network, slot) for slot in range(self.terms.holdout)])
        start = self.chain.now
        shown = self.client.unsealed(self.id)
        for first in range(0, self.terms.holdout, GROUPS_AN_AUDIT):
            slots = range(first, min(first + GROUPS_AN_AUDIT, self.terms.holdout))
            count = len(slots) * self.terms.samples
            self.chain.mine(BLOCKS_BETWEEN)
            receipt = self._do(
                "audit",
                self.winner,
                f"slots {slots[0]} to {slots[-1]}: {count} of {count} predictions right",
                self.client.audit(
                    self.id,
                    {slot: self.holdout_bytes[slot] for slot in slots},
                    (1 << count) - 1,
                    shown,
                    sender=self.accounts[self.winner],
                ),
            )
            if not receipt.result:
                raise ChainError(f"slots {slots}: the engine contradicts an honest prediction")
        self._span("audit (full)", start)

    def _pay(self) -> None:
        self.journal.heading("Settle, release, withdraw")
        self.outcome: Outcome = self.client.outcome(self.id)
        self._do(
            "settle",
            "auditor",
            f"{self.outcome.name}: the reward goes to {self.winner}",
            self.client.settle(self.id, sender=self.accounts["auditor"]),
        )
        for name, entry in self.entries.items():
            if self.client.contract.seals(self.id, entry.index).bond:
                self._do(
                    "release",
                    "auditor",
                    f"{name}'s bond is free",
                    self.client.release(self.id, entry.index, sender=self.accounts["auditor"]),
                )
        for name, address in self.accounts.items():
            if self.client.contract.credit(ETHER, address):
                receipt = self.client.withdraw(ETHER, sender=address)
                self._do("withdraw", name, ether(receipt.result), receipt)
        if self.client.phase(self.id) != Phase.CLOSED:
            raise ChainError("the challenge did not close")

    # ── pieces ──

    def _do(self, name: str, actor: str, told: str, receipt: Any) -> Any:
        return self.journal.step(name, actor, told, self.chain.now - self.posted, receipt)

    def _span(self, name: str, start: int) -> None:
        self.spans.append(Span(name=name, start=start - self.posted, end=self.chain.now - self.posted))

    def _wait(self) -> None:
        """Until the present phase is over."""
        self.chain.mine_until(self.client.phase_ends(self.id))

    def _unseal(self, name: str, predictions: list[bytes]) -> None:
        start = self.chain.now
        self.chain.mine(BLOCKS_BETWEEN)
        self._do(
            "unseal",
            name,
            f"{self.claimed[name]} of {HOLDOUT_SAMPLES} right, counted by the market",
            self.client.unseal(self.entries[name].seal, predictions),
        )
        self._span(f"unseal ({name})", start)

    def _classes(self, network: integer.Network, slot: int) -> integer.Uint8:
        return integer.predict(network, self.holdout_x[slot])

    def _word(self, network: integer.Network, slot: int) -> bytes:
        return class_word(self._classes(network, slot))

    def _score(self, network: integer.Network) -> int:
        return sum(int((self._classes(network, slot) == self.labels[slot]).sum()) for slot in range(self.terms.holdout))

    def _false_predictions(self, network: integer.Network, score: int) -> list[bytes]:
        """The network's predictions with just enough wrong ones replaced by the labels to reach `score`."""
        missing = score - self._score(network)
        words = []
        for slot in range(self.terms.holdout):
            classes = self._classes(network, slot).copy()
            wrong = np.flatnonzero(classes != self.labels[slot])[: max(missing, 0)]
            classes[wrong] = self.labels[slot][wrong]
            missing -= len(wrong)
            words.append(class_word(classes))
        return words

    def _find_lie(self, shown: Unsealed) -> tuple[int, int]:
        """Slot and sample of the first prediction that the unsealed model does not make."""
        network = decode(shown.model)
        for slot, word in enumerate(shown.predictions):
            truth = integer_jax.predict(network, self.holdout_x[slot])
            wrong = np.flatnonzero(classes_of(word, self.terms.samples) != truth)
            if len(wrong):
                return slot, int(wrong[0])
        raise ChainError("every prediction is what the model says: there is no lie to find")

    # ── the summary ──

    def _summary(self) -> dict[str, Any]:
        full = [step for step in self.journal.gas_of("audit") if step.actor == self.winner]
        candidates = [self._candidate(name, entry) for name, entry in self.entries.items()]
        money, books = self._money()
        picture = self.out / "demo.png"
        draw(
            picture,
            bars=[
                Bar(
                    name=f"{entry['name']}\n{entry['net']}",
                    accuracy=entry["score"] / HOLDOUT_SAMPLES,
                    claimed=None if entry["claimed"] is None else entry["claimed"] / HOLDOUT_SAMPLES,
                    gas=entry["gas_per_sample"],
                )
                for entry in candidates
            ],
            threshold=THRESHOLD,
            spans=self.spans,
        )
        audits = sum(step.transaction_gas for step in full)
        self.journal.say(
            f"Full audit of {HOLDOUT_SAMPLES} samples: {audits:,} gas in {len(full)} transactions, "
            f"{audits // HOLDOUT_SAMPLES:,} a sample. Picture: {picture}"
        )
        return {
            "dataset": self.data.name,
            "seed": self.seed,
            "root": "0x" + self.terms.root.hex(),
            "key": "0x" + self.client.key(self.id).hex(),
            "holdout_groups": self.held,
            "holdout_samples": HOLDOUT_SAMPLES,
            "threshold": self.terms.threshold,
            "candidates": candidates,
            "fraud": self.fraud,
            "outcome": self.outcome.name,
            "winner": self.winner,
            "code_bytes": self.sizes,
            "full_audit": {"transactions": len(full), "transaction_gas": audits},
            "steps": self.journal.facts(),
            "money": money,
            "books": books,
            "picture": str(picture),
        }

    def _candidate(self, name: str, entry: Entry) -> dict[str, Any]:
        model = entry.seal.model
        everything = (1 << self.terms.samples) - 1
        receipt = self.chain.send(
            self.engine.predict,
            model + self.holdout_bytes[0],
            len(model),
            everything,
            sender=self.accounts["auditor"],
        )
        if receipt.result != [self._word(entry.network, 0)]:
            raise ChainError(f"{name}: the engine and trainer.integer disagree")
        classes = np.concatenate([self._classes(entry.network, slot) for slot in range(self.terms.holdout)])
        return {
            "name": name,
            "net": "-".join(map(str, entry.network.widths)),
            "test_accuracy": entry.test_accuracy,
            "test_digest": entry.test_digest,
            "score": self.scores[name],
            "claimed": self.claimed.get(name),
            "holdout_digest": integer.digest(classes),
            "model_bytes": len(entry.seal.model),
            "gas_per_sample": receipt.execution_gas // self.terms.samples,
        }

    def _money(self) -> tuple[dict[str, str], dict[str, str]]:
        """What everyone gained or lost, and the ledger; raises `ChainError` unless it adds up to the last wei."""
        changes = {
            name: self.chain.env.get_balance(address) - self.started[name] for name, address in self.accounts.items()
        }
        books = self.client.books(ETHER)
        if sum(changes.values()) + books["held"] != 0:
            raise ChainError(f"money appeared or vanished: {changes}, market {books}")
        if books["held"] != books["escrowed"] + books["credited"] + books["burned"] or books["escrowed"]:
            raise ChainError(f"the ledger does not explain what the market holds: {books}")
        self.journal.table(
            "Every wei",
            ["account", "ether"],
            [
                *([name, ether(change)] for name, change in changes.items()),
                ["burned, held for nobody", ether(books["burned"])],
                ["sum", ether(sum(changes.values()) + books["held"])],
            ],
        )
        return (
            {name: str(change) for name, change in changes.items()},
            {name: str(value) for name, value in books.items()},
        )
