"""An account that takes part in a market by itself: finds out what is known, has it decided, and carries it out."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from eth_abi.abi import encode

from trainer.agent import study
from trainer.agent.barriers import MOST_BYTES, audit_seconds, barrier
from trainer.agent.budget import used
from trainer.agent.decide import IDLE, Act, Decision, Situation, decide
from trainer.agent.loop import Loop, Tell, Turn
from trainer.agent.odds import WITHDRAW_GAS, gas_of, odds
from trainer.agent.studies import Studies
from trainer.agent.study import Judged, Wish
from trainer.client import VALIDATE, Unsealed
from trainer.errors import DataError, Reverted
from trainer.fingerprints import identify
from trainer.index import Challenge
from trainer.node.outbox import DONE, FAILED, Record
from trainer.protocol import ETHER, Phase
from trainer.roles import auditor, data, poster, trainer
from trainer.roles.auditor import Finding
from trainer.roles.desk import Desk

RETRY_SECONDS = 60.0
"""Seconds after which training groups that could not be fetched are asked for again."""
WORTH_A_WITHDRAWAL = 100
"""A credit is worth so many times the gas of taking it out before it is taken out while challenges are open."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an agent may do.

    budget:        wei that it may lose.
    depth:         blocks after which a post and its draw are taken for final.
    sources:       places of training groups: folders, http(s)://… or ipfs://CID.
    publish:       folder, or `ipfs`, for training groups of its own posts; None for nowhere.
    wish:          what to train.
    rates:         by token, wei that its smallest unit is worth; others are not entered.
    study_seconds: seconds that a training may take; then it is ended.
    most_bytes:    samples of a data set that is entered, packed as the market has them.
    least_profit:  wei that it must expect of a challenge, to enter it.
    """

    budget: int
    depth: int = 12
    sources: Sequence[str] = ()
    publish: str | None = None
    wish: Wish = field(default_factory=Wish)
    rates: Mapping[str, Fraction] = field(default_factory=lambda: {ETHER: Fraction(1)})
    study_seconds: int = 900
    most_bytes: int = MOST_BYTES
    least_profit: int = 0


class Agent(Loop):
    """One account on one market."""

    def __init__(self, desk: Desk, plan: Plan, tell: Tell, *, poll: float) -> None:
        """Nothing is looked at yet."""
        super().__init__(desk, tell, poll=poll)
        self.plan, self.me, self.studies = plan, desk.me, Studies(plan.study_seconds)
        # all of these can be worked out again
        self._engines: dict[str, str | None] = {}
        self._costs: dict[Path, int | str] = {}
        self._judged: dict[Path, Judged] = {}
        self._reached: dict[tuple[int, bytes | None, bytes], int] = {}
        self._findings: dict[tuple[int, bytes | None, bytes | None], tuple[Finding, int]] = {}
        self._published: set[tuple[int, bytes | None]] = set()
        self._unready: dict[Path, tuple[float, str]] = {}
        self._price = 0

    @property
    def lock(self) -> Path:
        """The file that only one agent of this account holds."""
        return self.desk.directory / f"agent-{self.me}.lock"

    def rest(self, seconds: float) -> None:
        """Let time pass; a study that ends makes it shorter."""
        if self.studies.busy():
            self.studies.wait(seconds)
        else:
            time.sleep(seconds)

    def turn(self) -> Turn:
        """Do the one next thing in every challenge, the most urgent first."""
        open_ = self.tend()
        self.desk.index.sync()
        if open_:
            keys = ", ".join(record.key.partition("/")[2] for record in open_)
            self.once("open", keys, "waiting", f"waiting until {keys} counts", transactions=keys)
            return Turn(False, True, True)
        self._told.pop("open", None)
        rpc = self.desk.chain.rpc
        self._price = rpc.base_fee() + rpc.tip()
        challenges = self.desk.index.challenges()
        self._forget(challenges)
        head, now = self.desk.chain.block, self.desk.chain.now
        decisions, acted, part = [], False, False
        for challenge in challenges:
            if challenge.stored.phase == Phase.CLOSED and not self._bonded(challenge):
                continue
            by = challenge.clock(now, head + 1).ends if self._bonded(challenge) else None
            decision = self.apart(challenge.id, by, partial(self._decision, challenge))
            # of what cannot be looked at nobody knows
            part |= decision is None or decision.part
            if decision is not None:
                decisions.append((challenge.id, decision))
        for number, decision in sorted(decisions, key=lambda one: one[1].by or 2**63):
            self._explain(number, decision)
            if decision.act in IDLE:
                continue
            if self._carry_out(number, decision):
                acted = True
            elif self.pending():
                # it was sent, and does not count yet: nothing else is sent before
                return Turn(acted, True, True)
        if not acted:
            acted = self._withdraw(part)
        return Turn(acted, self.studies.busy(), part)

    def _forget(self, challenges: Sequence[Challenge]) -> None:
        """End the studies of what is not open any more, or was drawn again after its draw was undone."""
        stages = self.studies.stages()
        alive = {self._place(one) for one in challenges if one.stored.phase != Phase.CLOSED} if stages else set()
        for directory in set(stages) - alive:
            self.studies.give_up(directory)
            self.tell("given up", f"{directory.name}: given up: its challenge is closed, or was undone")

    def _place(self, challenge: Challenge) -> Path:
        return study.directory_for(self.desk.directory, challenge, self.me)

    def _bonded(self, challenge: Challenge) -> bool:
        return any(seal.trainer == self.me and seal.bond for seal in challenge.seals)

    # ── what is known ──

    def _decision(self, challenge: Challenge) -> Decision:
        return decide(self.situation(challenge))

    def situation(self, challenge: Challenge) -> Situation:
        """What is known of a challenge now."""
        desk = self.desk
        head, now = desk.chain.block, desk.chain.now
        clock = challenge.clock(now, head + 1)
        home = challenge.poster == self.me and poster.is_home(desk, challenge.id)
        stages = self.studies.stages()
        known = Situation(
            me=self.me,
            challenge=challenge,
            clock=clock,
            now=now,
            head=head,
            depth=self.plan.depth,
            study_seconds=self.plan.study_seconds,
            home=home,
            sealed=trainer.directory_of(desk, challenge.id).is_dir(),
            signed=_alive(desk.record(f"commit/{challenge.id}")),
            studying=str(stages.get(self._place(challenge), "")) if stages else "",
        )
        if clock.phase == Phase.COMMIT:
            return self._before_commits_end(known)
        if clock.phase == Phase.CLAIM and known.seal is not None:
            return replace(known, reached=self._reached.get((challenge.id, challenge.key, known.seal.hash)))
        if clock.phase == Phase.AUDIT:
            finding, gas = self._findings.get((challenge.id, challenge.model, challenge.predictions), (None, 0))
            rate = self.plan.rates.get(challenge.terms.token, Fraction(0))
            return replace(
                known,
                false=None if finding is None else finding.false,
                proof=gas * self._price,
                bounty=int(challenge.terms.trainer_bond // 2 * rate),
                left=self._left(),
            )
        return known

    def _before_commits_end(self, known: Situation) -> Situation:
        challenge = known.challenge
        if known.home:
            drawn = [event.block for event in self.desk.index.events(challenge.id) if event.name == "Drawn"]
            publishable = self.plan.publish is not None and (challenge.id, challenge.key) not in self._published
            return replace(known, drawn=drawn[-1] if drawn else None, publishable=publishable)
        if known.seal is not None or known.signed or challenge.poster == self.me:
            return known
        directory = self._place(challenge)
        failed = self.studies.failed.get(directory)
        if isinstance(failed, DataError):
            # terms that no recipe fits, or rows that take too long
            return replace(known, barrier=str(failed))
        if failed is not None:
            self._unready[directory] = time.monotonic() + RETRY_SECONDS, str(failed)
            del self.studies.failed[directory]
        until, why = self._unready.get(directory, (0.0, ""))
        if time.monotonic() < until:
            known = replace(known, unready=why)
        plan, terms = self.plan, challenge.terms
        engine = self._engine(terms.engine)
        why_not = barrier(terms, engine, kinds=plan.wish.kinds(), rates=plan.rates, most_bytes=plan.most_bytes)
        known = replace(known, barrier=why_not)
        if known.barrier or known.studying or not self._load(directory):
            return known
        return self._weighed(known, directory)

    def _weighed(self, known: Situation, directory: Path) -> Situation:
        """With the odds of a model that was trained."""
        judged, terms = self._judged[directory], known.challenge.terms
        cost = self._cost(known.challenge, directory)
        if isinstance(cost, str):
            return replace(known, barrier=f"its engine refuses the model that was trained ({cost})")
        if len(judged.model) > terms.model_bytes:
            return replace(known, barrier=f"the model has {len(judged.model)} bytes, it takes {terms.model_bytes}")
        audit = 0
        if terms.full_audit:
            gas = self.full_audit(known.challenge, judged.model, cost)
            if audit_seconds(len(gas)) > terms.windows.audit:
                return replace(
                    known,
                    barrier=f"its full audit would take {len(gas)} transactions, and has {terms.windows.audit} s",
                )
            audit = sum(gas)
        now, whole = (
            odds(
                terms,
                reward=reward,
                right=judged.right,
                rows=judged.rows,
                rivals=len(known.challenge.seals),
                gas=gas_of(terms, len(judged.model), audit),
                price=self._price,
                rate=self.plan.rates[terms.token],
            )
            for reward in (terms.reward_at(known.now, known.clock.ends), terms.reward)
        )
        return replace(known, odds=now, risen=whole, least=self.plan.least_profit, left=self._left())

    def _left(self) -> int:
        """Wei of the budget that nothing has used."""
        records = self.desk.chain.outbox_of(self.me).records()
        return self.plan.budget - used(self.desk.index.challenges(), records, self.me, self.plan.rates)

    def full_audit(self, challenge: Challenge, model: bytes, cost: int) -> list[int]:
        """Gas of each transaction of a full audit, at most."""
        terms = challenge.terms
        shown = Unsealed(seal=0, score=0, model=model, predictions=(), cost=cost)
        cap = self.desk.settings.gas_cap
        group = terms.samples * terms.sample_bytes
        return [
            min(
                cap,
                21_000
                + auditor.OVERHEAD
                + auditor.CALLDATA_GAS * (len(model) + len(masks) * group)
                + cost * sum(mask.bit_count() for mask in masks.values()),
            )
            for masks in auditor.plan(terms, shown, {}, gas_cap=cap)
        ]

    def _engine(self, address: str) -> str | None:
        if address not in self._engines:
            self._engines[address] = identify(address, self.desk.chain.rpc.code)
        return self._engines[address]

    def _load(self, directory: Path) -> bool:
        if directory not in self._judged:
            found = study.load(directory)
            if found is None:
                return False
            self._judged[directory] = found
        return True

    def _cost(self, challenge: Challenge, directory: Path) -> int | str:
        """Gas of a sample as the engine puts it; what it says where it refuses the model."""
        if directory not in self._costs:
            terms, model = challenge.terms, self._judged[directory].model
            arguments = model, terms.sample_bytes, terms.input_bits, terms.classes
            asked = VALIDATE + encode(["bytes", "uint256", "uint256", "uint256"], arguments)
            try:
                self._costs[directory] = int.from_bytes(self.desk.chain.rpc.view(terms.engine, asked))
            except Reverted as error:
                self._costs[directory] = error.reason or "no reason given"
        return self._costs[directory]

    # ── what is done ──

    def _explain(self, number: int, decision: Decision) -> None:
        verb = {Act.WAIT: "waits", Act.IGNORE: "is left out"}.get(decision.act, decision.act.value)
        self.once(
            number,
            f"{decision.act} {decision.code}",
            "decision",
            f"{number}: {verb}: {decision.why}",
            challenge=number,
            act=decision.act.value,
            why=decision.why,
        )

    def _carry_out(self, number: int, decision: Decision) -> bool:
        """Do it, if it is still what there is to do."""
        fresh = self.apart(number, decision.by, lambda: self._decision(self.desk.challenge(number)))
        if fresh is None or (fresh.act, fresh.number) != (decision.act, decision.number):
            return False
        return (
            self.attempt(number, fresh.act.value, fresh.by, lambda: self._do(number, fresh)) and fresh.act != Act.STUDY
        )

    def _do(self, number: int, decision: Decision) -> None:
        desk, client = self.desk, self.desk.client
        match decision.act:
            case Act.STUDY:
                self._study(desk.index.challenge(number))
            case Act.GIVE_UP:
                self.studies.give_up(self._place(desk.index.challenge(number)))
            case Act.SCORE:
                self._score(number)
            case Act.CHECK:
                self._check(number)
            case Act.PUBLISH:
                assert self.plan.publish is not None, "only then it is decided"
                done = data.publish(desk, number, None, self.plan.publish)
                self._published.add((number, desk.index.challenge(number).key))
                self.tell("published", f"{number}: {done.source}", challenge=number, source=str(done.source))
            case Act.DRAW:
                self._sent(number, "draw", client.draw(number, sender=self.me))
            case Act.REVEAL:
                poster.reveal(desk, number, None, lambda what, receipt: self._sent(number, f"reveal {what}", receipt))
            case Act.COMMIT:
                self._commit(number)
            case Act.CLAIM:
                self._sent(number, "claim", trainer.claim(desk, number, decision.number)[1])
            case Act.UNSEAL:
                self._sent(number, "unseal", trainer.unseal(desk, number))
            case Act.EXECUTE:
                for masks, receipt in auditor.execute(desk, number):
                    self._sent(number, f"audit slots {', '.join(map(str, masks))}", receipt)
            case Act.PROVE:
                challenge = desk.index.challenge(number)
                finding, _ = self._findings[(number, challenge.model, challenge.predictions)]
                self._sent(number, "prove", auditor.prove(desk, number, finding))
            case Act.NOMINATE:
                self._sent(number, "nominate", client.nominate(number, decision.number, sender=self.me))
            case Act.SETTLE:
                self._sent(number, "settle", client.settle(number, sender=self.me))
            case Act.RELEASE:
                self._sent(number, "release", client.release(number, decision.number, sender=self.me))
            case _:
                raise AssertionError(f"nothing to do for {decision.act}")

    def _sent(self, number: int, what: str, receipt: object) -> None:
        gas, transaction = getattr(receipt, "transaction_gas", 0), getattr(receipt, "transaction", "")
        self.tell(
            "transaction",
            # what is taken out is of no one challenge
            f"{number}: " * (number >= 0) + f"{what}: {gas:,} gas, {transaction}",
            challenge=number,
            what=what,
            gas=gas,
            transaction=transaction,
        )

    def _study(self, found: Challenge) -> None:
        engine = self._engine(found.terms.engine)
        assert engine is not None, "a stranger is a barrier"
        directory, settings, plan = self._place(found), self.desk.settings, self.plan
        self.studies.begin(
            directory,
            lambda ticket: study.work(found, engine, settings, plan.sources, plan.wish, directory, ticket),
            by=self.desk.clock(found).ends,
        )

    def _commit(self, number: int) -> None:
        desk, challenge = self.desk, self.desk.index.challenge(number)
        if _alive(desk.record(f"commit/{number}")):
            self._sent(number, "commit", desk.client.commit(trainer.seal_of(desk, number)))
            return
        judged = self._judged[self._place(challenge)]
        self._sent(number, "commit", trainer.commit(desk, number, judged.network))

    def _score(self, number: int) -> None:
        challenge = self.desk.index.challenge(number)
        seal = next(seal for seal in challenge.seals if seal.trainer == self.me)
        self._reached[(number, challenge.key, seal.hash)] = trainer.reaches(self.desk, number)

    def _check(self, number: int) -> None:
        finding = auditor.check(self.desk, number)
        challenge = self.desk.index.challenge(number)
        gas = auditor.proof_gas(self.desk, number, finding.network)
        self._findings[(number, challenge.model, challenge.predictions)] = finding, gas
        self.tell(
            "checked",
            f"{number}: {finding.false} of {finding.samples} predictions are false",
            challenge=number,
            compared=finding.samples,
            false=finding.false,
        )

    def _withdraw(self, part: bool) -> bool:
        """Take out what is credited, once it is worth its gas."""
        outbox = self.desk.chain.outbox_of(self.me)
        done = False
        for token, rate in self.plan.rates.items():
            credit = self.desk.index.credits(token).get(self.me, 0)
            if credit * rate <= WITHDRAW_GAS * self._price * (WORTH_A_WITHDRAWAL if part else 1):
                continue
            before = f"{self.desk.address}/withdraw/{token}/"
            count = sum(record.key.startswith(before) and record.state == DONE for record in outbox.records())

            def withdraw(token: str = token, count: int = count) -> None:
                self._sent(-1, "withdraw", self.desk.client.withdraw(token, sender=self.me, key=f"{token}/{count}"))

            done |= self.attempt(-1, "withdraw", None, withdraw)
        return done


def _alive(record: Record | None) -> bool:
    """Whether a transaction was signed and did not fail."""
    return record is not None and record.state != FAILED
