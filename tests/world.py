"""A small world for tests of the market: a chain, actors, a committed data set, and each step of a challenge by name.

The engine is `mocks/StepEngine.vy`: a sample is one byte b with label b & 3, and model `quality(q)` is wrong on the
samples with (b >> 2) & 7 < q. So scores are known without running anything. A second engine, which the market knows as
well, looks at other bits and has high classes; the fuzzing uses both, and samples of several bytes.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

from trainer import merkle, split
from trainer.chain import CONTRACTS, Chain, compile_contract
from trainer.protocol import ETHER, SEED_DELAY, Outcome, Phase, Rule, Terms, Windows, seal_hash

MOCKS = Path(__file__).parent / "mocks"
HOUR = 3600
ETH = 10**18
GROUPS, HOLDOUT, SAMPLES, CLASSES = 6, 2, 5, 4
ALL = HOLDOUT * SAMPLES
EVERY_SAMPLE = (1 << SAMPLES) - 1
TRAINERS = ("ada", "ben", "cleo", "dan")


@dataclass(frozen=True)
class Group:
    """One group of the data set, with its salt."""

    index: int
    salt: bytes
    labels: bytes
    samples: bytes

    @property
    def leaf(self) -> bytes:
        return merkle.leaf(self.index, self.salt, self.labels, self.samples)


@dataclass(frozen=True)
class Steps:
    """Which bits of a sample a `StepEngine` looks at, and its lowest class."""

    shift: int = 2
    base: int = 0


STEPS, HIGH_STEPS = Steps(), Steps(shift=5, base=196)
"""The engine of all tests, and the second one."""


def marks(samples: bytes, width: int) -> bytes:
    """The byte of each sample that counts: its last."""
    return samples[width - 1 :: width]


def group(index: int, samples: bytes, width: int = 1, base: int = 0) -> Group:
    """A group of samples of `width` bytes, whose labels are `base` and the low two bits of what counts."""
    labels = bytes(base + (b & 3) for b in marks(samples, width))
    return Group(index, keccak(b"salt %d" % index), labels.ljust(32, b"\0"), samples)


def data_set(groups: int = GROUPS, samples: int = SAMPLES, width: int = 1, base: int = 0) -> list[Group]:
    """Groups of bytes that run through every value of (b >> 2) & 7."""
    size = samples * width
    return [group(i, bytes((37 * (i * size + j) + 11) % 256 for j in range(size)), width, base) for i in range(groups)]


def quality(q: int) -> bytes:
    """A model that is wrong on the samples with (b >> 2) & 7 < q."""
    return b"M" + bytes([q])


def predicted(model: bytes, mark: int, steps: Steps = STEPS) -> int:
    """What a `StepEngine` predicts for a sample of which `mark` counts."""
    return steps.base + (mark & 3 if mark >> steps.shift & 7 >= model[1] & 15 else (mark + 1) & 3)


def audit_args(challenge: int, slot: int, mask: int, predictions: list[bytes], model: bytes, samples: bytes) -> Any:
    """Arguments of `audit` for one group."""
    return challenge, [slot], mask, predictions, len(model), model + samples


@dataclass(frozen=True)
class Site:
    """What is deployed once and shared by tests, each inside an anchor."""

    chain: Chain
    market: Any
    engine: Any
    token: Any
    actor: Any
    other: Any


def step_engine(steps: Steps = STEPS) -> Any:
    """Deploy an engine."""
    return compile_contract(MOCKS / "StepEngine.vy").deploy(steps.shift, steps.base)


def build_site() -> Site:
    """Deploy a market (windows of an hour and more), two step engines, a token and a contract account."""
    chain = Chain(seed=1)
    with chain.active():
        engine = step_engine()
        token = compile_contract(MOCKS / "Token.vy").deploy()
        actor = compile_contract(MOCKS / "Actor.vy").deploy()
        other = step_engine(HIGH_STEPS)
        market = compile_contract(CONTRACTS / "Market.vy").deploy(HOUR, [engine.address, other.address])
    return Site(chain, market, engine, token, actor, other)


class World:
    """One test's view of the site; every step takes the actor's address as `sender` and may be bent by arguments."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.chain, self.market, self.engine, self.token, self.actor = (
            site.chain,
            site.market,
            site.engine,
            site.token,
            site.actor,
        )
        self.chain.env.set_balance(self.actor.address, 100 * ETH)
        self.poster, self.auditor, self.stranger, *self.trainers = (
            self.chain.account(name, 1000 * ETH) for name in ("poster", "auditor", "stranger", *TRAINERS)
        )
        for owner in (self.poster, *self.trainers, self.actor.address):
            self.token.mint(owner, 1000 * ETH)
            self.token.approve(self.market.address, 2**256 - 1, sender=owner)
        self.groups = data_set()
        self.tree = merkle.Tree([g.leaf for g in self.groups])
        self.models: dict[tuple[int, str], tuple[bytes, bytes]] = {}

    # ── terms ──

    def terms(self, **changes: Any) -> Terms:
        """Terms that a market accepts, with changes; `windows=` takes a dict of changes."""
        windows = Windows(commit=HOUR, reveal=2 * HOUR, claim=HOUR, unseal=HOUR, audit=HOUR, nominate=HOUR)
        windows = replace(windows, **changes.pop("windows", {}))
        base = Terms(
            token=ETHER,
            reward=10 * ETH,
            opening=10 * ETH,
            poster_bond=3 * ETH + 1,
            trainer_bond=ETH + 1,
            seal_fee=7,
            rule=Rule.BEST,
            threshold=3,
            root=self.tree.root,
            groups=len(self.groups),
            holdout=HOLDOUT,
            samples=SAMPLES,
            sample_bytes=1,
            input_bits=8,
            classes=CLASSES,
            model_bytes=64,
            engine=self.engine.address,
            full_audit=True,
            windows=windows,
        )
        # a reward that is changed stays flat
        changes = {"opening": changes.get("reward", base.reward)} | changes
        return replace(base, **changes)

    def stored(self, challenge: int) -> Any:
        """The terms as the market keeps them."""
        return self.market.terms_of(challenge)

    # ── time ──

    def clock(self, challenge: int) -> Any:
        return self.market.clock_of(challenge)

    def phase(self, challenge: int) -> Phase:
        return Phase(self.clock(challenge).phase)

    def outcome(self, challenge: int) -> Outcome:
        return Outcome(self.clock(challenge).outcome)

    def pass_phase(self, challenge: int) -> None:
        """Move to the first second after the phase the challenge is in."""
        self.chain.mine_until(self.clock(challenge).ends)

    # ── steps ──

    def post(self, *, sender: str | None = None, value: int | None = None, **changes: Any) -> int:
        terms = self.terms(**changes)
        if value is None:
            value = terms.reward + terms.poster_bond if terms.token == ETHER else 0
        return int(self.market.post(terms.as_tuple(), sender=sender or self.poster, value=value))

    def draw(self, challenge: int) -> None:
        self.chain.mine(SEED_DELAY + 1)
        self.market.draw(challenge, sender=self.stranger)

    def open(self, **changes: Any) -> int:
        """Post and draw."""
        challenge = self.post(**changes)
        self.draw(challenge)
        return challenge

    def seal(self, challenge: int, trainer: str, model: bytes, salt: bytes = b"\x05" * 32) -> bytes:
        self.models[challenge, trainer] = model, salt
        return seal_hash(
            chain_id=self.chain.chain_id,
            market=self.market.address,
            challenge=challenge,
            trainer=trainer,
            model=model,
            salt=salt,
        )

    def commit(self, challenge: int, trainer: str, model: bytes, *, value: int | None = None) -> int:
        terms = self.stored(challenge)
        if value is None:
            value = terms.trainer_bond + terms.seal_fee if terms.token == ETHER else 0
        return int(self.market.commit(challenge, self.seal(challenge, trainer, model), sender=trainer, value=value))

    def held_out(self, challenge: int) -> list[Group]:
        """The held-out groups in the order of their slots."""
        terms = self.stored(challenge)
        key = self.market.challenge(challenge).key
        return [self.groups[i] for i in split.holdout(key, terms.groups, terms.holdout)]

    def reveal(self, challenge: int, g: Group, *, sender: str | None = None) -> None:
        self.market.reveal(
            challenge, g.index, g.salt, g.labels, self.tree.proof(g.index), g.samples, sender=sender or self.poster
        )

    def reveal_all(self, challenge: int) -> None:
        """Wait for the commits to close, then reveal the hold-out."""
        if self.phase(challenge) == Phase.COMMIT:
            self.pass_phase(challenge)
        for g in self.held_out(challenge):
            self.reveal(challenge, g)

    def predictions(self, challenge: int, model: bytes) -> list[bytes]:
        """What the engine will find, a word a slot."""
        return [bytes(predicted(model, b) for b in g.samples).ljust(32, b"\0") for g in self.held_out(challenge)]

    def score(self, challenge: int, predictions: list[bytes]) -> int:
        """Right answers of some predictions."""
        return sum(
            p == q
            for word, g in zip(predictions, self.held_out(challenge), strict=True)
            for p, q in zip(word[: len(g.samples)], g.labels, strict=False)
        )

    def honest_score(self, challenge: int, trainer: str) -> int:
        model, _ = self.models[challenge, trainer]
        return self.score(challenge, self.predictions(challenge, model))

    def claim(self, challenge: int, trainer: str, score: int | None = None) -> None:
        self.market.claim(challenge, self.honest_score(challenge, trainer) if score is None else score, sender=trainer)

    def unseal(
        self, challenge: int, trainer: str, *, predictions: list[bytes] | None = None, sender: str | None = None
    ) -> None:
        model, salt = self.models[challenge, trainer]
        if predictions is None:
            predictions = self.predictions(challenge, model)
        self.market.unseal(challenge, salt, predictions, model, sender=sender or trainer)

    def audit(
        self,
        challenge: int,
        trainer: str,
        slot: int,
        mask: int = EVERY_SAMPLE,
        *,
        predictions: list[bytes] | None = None,
        sender: str | None = None,
        **options: Any,
    ) -> bool:
        model, _ = self.models[challenge, trainer]
        if predictions is None:
            predictions = self.predictions(challenge, model)
        samples = self.held_out(challenge)[slot].samples
        return bool(
            self.market.audit(
                *audit_args(challenge, slot, mask, predictions, model, samples),
                sender=sender or self.auditor,
                **options,
            )
        )

    def audit_all(self, challenge: int, trainer: str) -> None:
        for slot in range(self.stored(challenge).holdout):
            assert self.audit(challenge, trainer, slot)

    # ── whole stretches ──

    def to_claims(self, models: dict[str, bytes], **changes: Any) -> int:
        """A challenge whose hold-out is revealed, with a seal for each model."""
        challenge = self.open(**changes)
        for trainer, model in models.items():
            self.commit(challenge, trainer, model)
        self.reveal_all(challenge)
        return challenge

    def to_unseal(self, models: dict[str, bytes], **changes: Any) -> int:
        """A challenge in which every trainer has claimed honestly and the best is candidate."""
        challenge = self.to_claims(models, **changes)
        for trainer in models:
            self.claim(challenge, trainer)
        self.pass_phase(challenge)
        return challenge

    def lie(self, challenge: int, trainer: str) -> list[bytes]:
        """Predictions that are all right, whatever the model says."""
        return [g.labels for g in self.held_out(challenge)]

    # ── money ──

    def credit(self, owner: str, token: str = ETHER) -> int:
        return int(self.market.credit(token, owner))

    def escrowed(self, token: str = ETHER) -> int:
        return int(self.market.escrowed(token))

    def burned(self, token: str = ETHER) -> int:
        return int(self.market.burned(token))

    def holdings(self, token: str = ETHER) -> int:
        """What the market really holds."""
        if token == ETHER:
            return int(self.chain.env.get_balance(self.market.address))
        return int(self.token.balanceOf(self.market.address))

    def assert_solvent(self, token: str = ETHER) -> None:
        """Holdings equal escrow, credits and burned sums."""
        books = self.escrowed(token) + int(self.market.credited(token)) + self.burned(token)
        assert self.holdings(token) == books, f"holds {self.holdings(token)}, books say {books}"

    def settle(self, challenge: int) -> Outcome:
        self.market.settle(challenge, sender=self.stranger)
        return self.outcome(challenge)

    def release_all(self, challenge: int) -> None:
        """Free every bond that is still escrowed."""
        for index in range(self.clock(challenge).seals):
            if self.market.seals(challenge, index).bond:
                self.market.release(challenge, index, sender=self.stranger)

    # ── what tests look at ──

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Name and fields of everything the last call to the market logged."""
        return [
            (type(log).__name__, {k: v for k, v in log._asdict().items() if k != "address"})
            for log in self.market.get_logs()
        ]

    def bond(self, challenge: int, index: int) -> int:
        """What is still escrowed for a seal."""
        return int(self.market.seals(challenge, index).bond)

    def candidate(self, challenge: int) -> str | None:
        """Whose turn it is to unseal, or whose predictions are audited."""
        index = self.clock(challenge).candidate
        return str(self.market.seals(challenge, index - 1).trainer) if index else None

    def near_end(self, challenge: int, seconds: int) -> None:
        """Move to so many seconds after (or, below zero, before) the end of the phase the challenge is in."""
        self.chain.mine_until(self.clock(challenge).ends + seconds)

    def to_audit(self, models: dict[str, bytes], **changes: Any) -> int:
        """A challenge whose best trainer has unsealed honestly."""
        challenge = self.to_unseal(models, **changes)
        candidate = self.candidate(challenge)
        assert candidate is not None
        self.unseal(challenge, candidate)
        return challenge

    def to_lie(self, liar: str, others: dict[str, bytes] | None = None, **changes: Any) -> int:
        """A challenge whose candidate has unsealed a model that is never right, with predictions that are all right."""
        challenge = self.to_claims({liar: quality(8), **(others or {})}, **changes)
        first = self.stored(challenge).rule == Rule.FIRST
        for trainer in self.trainers:
            if trainer == liar:
                self.claim(challenge, liar, self.stored(challenge).threshold if first else ALL)
            elif trainer in (others or {}):
                self.claim(challenge, trainer)
        self.pass_phase(challenge)
        self.unseal(challenge, liar, predictions=self.lie(challenge, liar))
        return challenge

    def to_phase(self, phase: Phase) -> int:
        """A challenge in a given phase, with the seals of two honest trainers as soon as commits are open."""
        ada, ben, *_ = self.trainers
        models = {ada: quality(1), ben: quality(3)}
        if phase in (Phase.POSTED, Phase.DRAW):
            challenge = self.post()
            if phase == Phase.DRAW:
                self.chain.mine(SEED_DELAY + 1)
        elif phase in (Phase.COMMIT, Phase.REVEAL):
            challenge = self.open()
            for trainer, model in models.items():
                self.commit(challenge, trainer, model)
            if phase == Phase.REVEAL:
                self.pass_phase(challenge)
        elif phase == Phase.CLAIM:
            challenge = self.to_claims(models)
        elif phase in (Phase.UNSEAL, Phase.NOMINATE):
            challenge = self.to_unseal(models)
            if phase == Phase.NOMINATE:
                self.pass_phase(challenge)
        else:
            challenge = self.to_audit(models)
            if phase in (Phase.SETTLE, Phase.CLOSED):
                self.audit_all(challenge, ada)
            if phase == Phase.CLOSED:
                self.settle(challenge)
        assert self.phase(challenge) == phase
        return challenge

    def withdraw_all(self, token: str = ETHER) -> None:
        """Pay out every credit in a token, each to its owner."""
        for owner in (self.poster, self.auditor, self.stranger, *self.trainers):
            if self.credit(owner, token):
                self.market.withdraw(token, owner, sender=owner)

    def assert_over(self, token: str = ETHER) -> None:
        """Nothing is escrowed any more, and after every withdrawal the market holds the burned sums to the wei."""
        assert self.escrowed(token) == 0
        self.assert_solvent(token)
        self.withdraw_all(token)
        assert int(self.market.credited(token)) == 0
        assert self.holdings(token) == self.burned(token)

    def audit_lie(
        self,
        challenge: int,
        liar: str,
        slot: int,
        mask: int = EVERY_SAMPLE,
        *,
        sender: str | None = None,
        **options: Any,
    ) -> bool:
        """Audit a candidate who unsealed predictions that are all right."""
        lie = self.lie(challenge, liar)
        return self.audit(challenge, liar, slot, mask, predictions=lie, sender=sender, **options)

    def ripe_calls(self, caller: str) -> dict[str, bytes]:
        """Calldata that `caller` could send to the market now with success: what a callback would try."""
        market, ben = self.market, self.trainers[1]
        self.chain.env.set_balance(caller, 1000 * ETH)
        deserted, withheld = self.open(), self.open()
        self.commit(withheld, ben, quality(0))
        for _ in range(2):
            self.pass_phase(withheld)
        market.cancel(self.post(sender=caller), sender=caller)
        drawable, token = self.post(), self.token.address
        committable = self.open(token=token)
        self.token.mint(caller, 1000 * ETH)
        self.token.approve(market.address, 2**256 - 1, sender=caller)
        calls = {
            "draw": market.draw.prepare_calldata(drawable),
            "settle": market.settle.prepare_calldata(deserted),
            "release": market.release.prepare_calldata(withheld, 0),
            "withdraw": market.withdraw.prepare_calldata(ETHER, self.stranger),
            "post": market.post.prepare_calldata(self.terms(token=token, reward=1, poster_bond=1).as_tuple()),
            "commit": market.commit.prepare_calldata(committable, b"\x01" * 32),
            "credit": market.credit.prepare_calldata(ETHER, caller),
        }
        for name, data in calls.items():
            with self.chain.env.anchor():
                result = self.chain.env.execute_code(market.address, sender=caller, data=data)
                assert not result.is_error, f"{name} is not ripe"
        return calls
