"""Plays calls on the market and on its model side by side: same answer, same reason, same events, same state.

Where the market is called is a backend's affair, see `backends.py`.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from boa.util.abi import Address
from eth_hash.auto import keccak
from vyper.warnings import VyperWarning

from fuzz.backends import HISTORY, HISTORY_CODE, Backend, Boa, Done, Revm, block_hash, chosen, remembered, revm
from fuzz.model import PAYEE_TAKES, Coin, Life, Market, Refused, Surroundings
from fuzz.witness import Call, Witness
from tests.world import HIGH_STEPS, HOUR, MOCKS, STEPS, TRAINERS, Site, Steps, build_site, data_set, predicted
from trainer import merkle, split
from trainer.abi import Abi, reason
from trainer.chain import compile_contract
from trainer.protocol import ETHER, Outcome, Phase, Terms

WEALTH = 10**42
FOREVER = 2**256 - 1
SHAPES = (
    (6, 2, 5, 1, STEPS),
    (3, 1, 2, 2, HIGH_STEPS),
    (4, 3, 1, 3, STEPS),
    (5, 2, 32, 3, HIGH_STEPS),
    (9, 4, 3, 2, STEPS),
)
"""Groups, hold-out, samples, bytes of a sample and engine of the data sets in play."""
LARGE = (40, 20, 13, 2, STEPS)
"""One whose right answers, slots and groups do not fit into a byte and four bits: dear, and so rare."""
PEOPLE = ("poster", "auditor", "stranger", *TRAINERS)
PROXY = "proxy"
"""An account that is a contract, and may refuse ether or call back when it gets any."""
ACTORS = (*PEOPLE, PROXY)


class Data:
    """A committed data set."""

    def __init__(self, groups: int, holdout: int, samples: int, width: int, steps: Steps) -> None:
        self.groups, self.holdout = data_set(groups, samples, width, steps.base), holdout
        self.samples, self.width, self.steps = samples, width, steps
        self.tree = merkle.Tree([g.leaf for g in self.groups])
        self.root, self.proof = self.tree.root, self.tree.proof


@dataclass
class Reached:
    """How often what happened, over all examples of a run; `gas` is the most a kind of call took."""

    calls: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    transitions: Counter[str] = field(default_factory=Counter)
    situations: Counter[str] = field(default_factory=Counter)
    manners: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    gas: Counter[str] = field(default_factory=Counter)
    examples: int = 0

    def add(self, other: "Reached") -> None:
        """Take over what another process reached."""
        for name, value in vars(other).items():
            if name == "gas":
                self.gas |= value
            elif name == "examples":
                self.examples += value
            else:
                getattr(self, name).update(value)

    @property
    def goals(self) -> Counter[str]:
        """Outcomes and events, and what else an example may be there to reach."""
        return self.outcomes + self.events + self.situations

    @property
    def market_calls(self) -> int:
        """Transactions that were compared with the rules."""
        return sum(self.calls.values()) + sum(self.refusals.values())


REACHED = Reached()


@dataclass(frozen=True)
class Table:
    """What is deployed once: the site, its interfaces, the data sets by root, a contract that forces ether.

    large: the data set of shape `LARGE`, which is among the others.
    engines: the two engines' addresses.
    slots: what the deployment wrote, by address.
    """

    site: Site
    tokens: tuple[str, str]
    market: Abi
    token: Abi
    proxy: Abi
    data: dict[bytes, Data]
    large: Data
    engines: dict[Steps, str]
    forcer: Any
    slots: dict[str, Sequence[int]]


@cache
def table() -> Table:
    """Deploy everything, once a process."""
    site = build_site()
    site.chain.env.set_code(HISTORY, HISTORY_CODE)
    with site.chain.active():
        tokens = site.token, compile_contract(MOCKS / "Token.vy").deploy()
        owners = [site.chain.account(name, WEALTH) for name in PEOPLE]
        for token in tokens:
            for owner in (*owners, site.actor.address):
                token.mint(owner, WEALTH)
            for owner in owners:
                token.approve(site.market.address, FOREVER, sender=owner)
            site.actor.act(token.address, token.approve.prepare_calldata(site.market.address, FOREVER), 0)
        site.chain.env.set_balance(site.actor.address, WEALTH)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VyperWarning)  # selfdestruct is deprecated, and the point
            forcer = compile_contract(MOCKS / "Forcer.vy")
            assert forcer.compiler_data.bytecode
    # titanoboa would dump the whole storage of a contract it knows at every revert
    contracts = (site.market, site.engine, site.other, site.actor, *tokens)
    for contract in contracts:
        site.chain.env._contracts.pop(contract.address.canonical_address)
    trace = site.chain.env.sstore_trace
    holders = [*owners, HISTORY, *(contract.address for contract in contracts)]
    slots = {str(a).lower(): tuple(trace.get(Address(a), ())) for a in holders}
    *small, large = (Data(*shape) for shape in (*SHAPES, LARGE))
    return Table(
        site=site,
        tokens=(tokens[0].address.lower(), tokens[1].address.lower()),
        market=Abi(site.market.abi),
        token=Abi(site.token.abi),
        proxy=Abi(site.actor.abi),
        data={data.root: data for data in (*small, large)},
        large=large,
        engines={STEPS: site.engine.address.lower(), HIGH_STEPS: site.other.address.lower()},
        forcer=forcer,
        slots=slots,
    )


@cache
def deployed(name: str) -> Backend:
    """A backend with everything on it, once a process."""
    return revm(table().site, table().slots) if name == Revm.name else Boa(table().site, table().forcer)


def backend(name: str | None = None) -> Backend:
    """The backend of that name, or the one that was asked for."""
    return deployed(name or chosen())


def fault(model: bytes, terms: Terms) -> str | None:
    """Why `StepEngine` refuses a model."""
    if len(model) != 2:
        return "engine: wrong length"
    if model[:1] not in b"MRG":
        return "engine: not a model"
    if (model[1] >> 4 & 3) + 1 != terms.sample_bytes:
        return "engine: sample bytes"
    if 8 >> (model[1] >> 6) != terms.input_bits:
        return "engine: input bits"
    return None if terms.classes == steps_of(terms).base + 4 else "engine: classes"


def steps_of(terms: Terms) -> Steps:
    """The engine that these terms name."""
    return next(steps for steps, address in table().engines.items() if address == terms.engine.lower())


def classify(model: bytes, sample: bytes, terms: Terms) -> int | str:
    """What `StepEngine` predicts, or why it reverts: without a reason where it runs out of gas."""
    if model[:1] == b"M":
        return predicted(model, sample[-1], steps_of(terms))
    return "engine: broken" if model[:1] == b"R" else ""


class Game:
    """One example: the market and its model from an empty start. Use inside the backend's `example()`."""

    def __init__(self, backend: Backend, note: Callable[[str], None] = lambda text: None) -> None:
        self.table, self.backend, self.note = table(), backend, note
        site = self.table.site
        self.chain = site.chain
        self.market, self.proxy = (x.address.lower() for x in (site.market, site.actor))
        self.coins = self.table.tokens
        self.tokens = (ETHER, *self.coins)
        self.emitter = bytes.fromhex(self.market[2:])
        self.who = {name: self.chain.account(name).lower() for name in PEOPLE} | {PROXY: self.proxy}
        self.names = {address: name for name, address in self.who.items()}
        around = Surroundings(
            market=self.market,
            chain_id=self.chain.chain_id,
            min_window=HOUR,
            engines=set(self.table.engines.values()),
            tokens=set(self.coins),
            block_hash=block_hash,
            data=self.table.data,
            fault=fault,
            classify=classify,
        )
        self.model = Market(around, self.chain.now, self.chain.block)
        self.witness = Witness({address: steps for steps, address in self.table.engines.items()})
        self.secrets: dict[tuple[int, str], tuple[bytes, bytes]] = {}
        self.forced = self.model.forced
        self.seen: dict[int, str] = {}
        """The phase each challenge was last seen in."""
        self.broken = False
        """A comparison failed: what comes after means nothing."""
        self.gas = 0
        """Gas inside the last call that succeeded."""
        self.purses = {(token, a): WEALTH for token in self.tokens for a in self.who.values()}

    def enroll(self, name: str) -> str:
        """One more actor, with ether."""
        address = self.chain.account(name).lower()
        self.backend.set_balance(address, WEALTH)
        self.who[name], self.names[address] = address, name
        self.purses |= {(token, address): WEALTH if token == ETHER else 0 for token in self.tokens}
        return address

    # ── time ──

    def mine(self, blocks: int = 1, seconds: int | None = None) -> None:
        """Let blocks and seconds pass; every challenge must be in the phase the rules put it in."""
        seconds = 12 * blocks if seconds is None else seconds
        self.note(f"mine({blocks}, {seconds})")
        self.broken = True
        self.model.pass_time(blocks, seconds)
        block = self.model.block
        self.backend.mine(block, self.model.now)
        for life in self.model.lives:
            if remembered(block, life.seed_block):
                self.backend.remember(life.seed_block)
            if life.phase != Phase.CLOSED:
                self.check_clock(life)
        self.broken = False

    # ── calls ──

    def send(self, name: str, args: tuple[Any, ...], sender: str, value: int = 0, gas: int | None = None) -> Done:
        """One call on the chain; a contract makes it when a stranger tells it to, with its own ether."""
        data = self.table.market.call(name, (args[0].as_tuple(),) if name == "post" else args)
        if sender == self.proxy:
            data = self.table.proxy.call("act", (self.market, data, value))
            return self.backend.call(self.proxy, data, self.who["stranger"], gas=gas)
        return self.backend.call(self.market, data, sender, value, gas)

    def call(self, name: str, *args: Any, sender: str, value: int = 0, gas: int | None = None) -> Any:
        """One call on both sides, compared; what it returned, or the `Refused` it met."""
        self.broken = True
        answer = self._call(name, args, sender, value, gas)
        self.broken = False
        return answer

    def _call(self, name: str, args: tuple[Any, ...], sender: str, value: int, gas: int | None) -> Any:
        shown = ", ".join(short(self.names.get(a, a) if isinstance(a, str) else a) for a in args)
        self.note(f"{name}({shown}) by {self.names[sender]}" + (f", {value} wei" if value else ""))
        starved = None if gas is None else self._starved(name, args, sender, value, gas)
        done = self.send(name, args, sender, value)
        if starved is not None and (starved.output or not starved.failed):
            assert (starved.failed, starved.output, starved.logs) == (done.failed, done.output, done.logs), (
                f"gas of {name}"
            )
        answer: Any
        try:
            answer = self.model.call(name, args, sender, value)
        except Refused as refused:
            answer = refused
        got = reason(done.output) if done.failed else None
        expected = answer.reason if isinstance(answer, Refused) else None
        assert got == expected, f"answer of {name}: market {got!r}, rules {expected!r}"
        if isinstance(answer, Refused):
            REACHED.refusals[answer.reason] += 1
            if value and name not in self.table.market.payable:
                REACHED.situations[f"ether with {name}"] += 1
            elif name == "audit" and not answer.reason:
                REACHED.situations["an engine out of gas"] += 1
            if name not in ("post", "withdraw") and args[0] < len(self.model.lives):
                self.check_clock(self.model.lives[args[0]])
            return answer
        self._compare(name, args, sender, value, done, answer)
        return answer

    def _starved(self, name: str, args: tuple[Any, ...], sender: str, value: int, gas: int) -> Done:
        """The same call with little gas, undone: it either changes nothing, or does what it does with plenty.

        Undone because how much gas a call takes is the chain's affair: what actors draw next must not hang on it.
        """
        with self.backend.undone():
            done = self.send(name, args, sender, value, gas)
            if done.failed and not done.output:
                REACHED.refusals["(out of gas)"] += 1
                self.check_state(args[0])
        return done

    def _compare(self, name: str, args: tuple[Any, ...], sender: str, value: int, done: Done, answer: Any) -> None:
        if answer is not None and sender != self.proxy:  # which keeps results to itself
            assert int.from_bytes(done.output, "big") == answer, f"result of {name}"
        logs = [(topics, data) for at, topics, data in done.logs if at == self.emitter]
        events = [self.table.market.event(topics, data) for topics, data in logs]
        assert events == self.model.events, f"events of {name}: market {events}, rules {self.model.events}"
        REACHED.calls[name] += 1
        REACHED.events.update(event[0] for event in events)
        REACHED.outcomes.update(Outcome(event[2]).name for event in events if event[0] == "Settled")
        self.gas = done.gas
        REACHED.gas[name] = max(REACHED.gas[name], self.gas)
        raw = b"".join(b"".join(topics) + data for topics, data in logs)
        self.witness.see(Call(name, sender, value, args, events, raw))
        if name == "withdraw":
            token, to = args
            if to != self.market:
                self.purses[token, to] += self.model.moved[1]
            self.check_money(token, sender)
            return
        life = self.model.lives[answer if name == "post" else args[0]]
        token = life.terms.token
        if name in ("post", "commit"):
            self.purses[token, sender] -= self.model.moved[0]
        if name == "draw":
            for g in range(life.terms.groups):
                slot = split.slot_of(life.key, g, life.terms.groups)
                assert self.read("slot_of", life.id, g) == [slot], "split: slot"
                # a comparison of the slot: it can go wrong at the border
                if slot in (0, life.terms.holdout - 1, life.terms.holdout):
                    assert self.read("is_holdout", life.id, g) == [slot < life.terms.holdout], "split: hold-out"
        others = [other.terms for other in self.model.lives if other.phase != Phase.CLOSED]
        if any(other.token != token for other in others):
            REACHED.situations["two tokens at once"] += 1
        if any(other.engine != life.terms.engine for other in others):
            REACHED.situations["two engines at once"] += 1
        if len(life.seals) > 16:
            REACHED.situations["more seals than four bits count"] += 1
        if any(event[0] == "Committed" and event[5] > life.terms.opening for event in events):
            REACHED.situations["a reward that rose"] += 1
        if any(event[0] == "Settled" and event[4] < life.terms.reward for event in events):
            REACHED.situations["a part of the reward goes back"] += 1
        if life.phase == Phase.CLOSED and life.candidate and life.seals[life.candidate].reward > life.seals[0].reward:
            REACHED.situations["a winner who waited longer than another"] += 1
        if any(event[0] == "Unsealed" and event[3] > 255 for event in events):
            REACHED.situations["more right answers than a byte counts"] += 1
        if name == "post":
            assert self.read("terms_of", life.id) == flat(life.terms.as_tuple())
        self.check_state(life.id)
        self.check_money(token, sender, *(event[2] for event in events if event[0] == "Credited"))

    def tell(self, contract: str, data: bytes) -> None:
        """A call of something that is not the market."""
        done = self.backend.call(contract, data, self.who["stranger"])
        assert not done.failed, "a mock broke"

    def misbehave(self, token: str, flaw: int, blocked: str = ETHER, data: bytes = b"") -> None:
        """Give a token manners; what it calls back is the market."""
        self.note(f"token {self.coins.index(token)} has flaw {flaw}" + (f", calls {data.hex()}" if data else ""))
        self.tell(token, self.table.token.call("break_with", (flaw, blocked, self.market, data)))
        self.model.coins[token] = Coin(flaw, blocked)
        REACHED.manners[f"token {flaw}"] += 1

    def behave(self, mode: int, data: bytes = b"") -> None:
        """Tell the proxy what to do when it is sent ether."""
        self.note(f"proxy has mode {mode}" + (f", calls {data.hex()}" if data else ""))
        self.tell(self.proxy, self.table.proxy.call("behave", (mode, self.market, data)))
        self.model.manners[self.proxy] = mode
        REACHED.manners[f"payee {mode}"] += 1

    def force(self, token: str, amount: int) -> None:
        """Give the market money it did not ask for."""
        self.note(f"force({short(token)}, {amount})")
        if token == ETHER:
            self.backend.force(self.market, amount)
        else:
            self.tell(token, self.table.token.call("mint", (self.market, amount)))
        self.forced[token] += amount
        REACHED.calls["force"] += 1
        self.check_money(token)

    # ── comparisons ──

    def read(self, name: str, *args: Any) -> list[int]:
        """The words a view answers."""
        out = self.backend.view(self.market, self.table.market.call(name, args))
        assert out is not None, f"{name}{args} reverted"
        return [int.from_bytes(out[i : i + 32]) for i in range(0, len(out), 32)]

    def check_clock(self, life: Life) -> None:
        """One phase at every instant: the one the rules know."""
        name = Phase(life.phase).name or ""
        REACHED.phases[name] += 1
        before = self.seen.get(life.id, "")
        if name != before:
            REACHED.transitions[f"{before} → {name}".strip()] += 1
            self.seen[life.id] = name
        phase, ends, seals, leader, candidate, unaudited, outcome = self.read("clock_of", life.id)
        assert Phase(phase) == life.phase, f"phase: market {Phase(phase)!r}, rules {life.phase!r}"
        expected = FOREVER if life.ends is None else life.ends
        assert ends == expected, f"end of {life.phase!r}: market {ends}, rules {expected}"
        assert (seals, leader, candidate) == (
            len(life.seals),
            0 if life.leader is None else life.leader + 1,
            0 if life.candidate is None else life.candidate + 1,
        ), "clock: seals, leader, candidate"
        assert unaudited == life.unaudited, "clock: samples left to audit"
        assert outcome == life.outcome, "clock: outcome"

    def check_state(self, id: int) -> None:
        """All that can be read of a challenge."""
        life = self.model.lives[id]
        self.check_clock(life)
        assert self.read("challenge", id) == flat(self.model.challenge_view(life)), "challenge"
        for index in range(len(life.seals) + 1):
            assert self.read("seals", id, index) == flat(self.model.seal_view(life, index)), f"seal {index}"
        if life.candidate is not None:
            for slot in range(life.terms.holdout):
                assert self.read("executed", id, life.candidate, slot) == [life.executed[life.candidate, slot]]

    def check_everything(self) -> None:
        """All that can be read, of every challenge and every actor."""
        assert self.read("challenges") == [len(self.model.lives)]
        for life in self.model.lives:
            self.check_state(life.id)
            for slot in range(life.terms.holdout):
                labels, samples = life.revealed.get(slot, (bytes(32), b""))
                digest = keccak(samples) if samples else bytes(32)
                assert self.read("holdout", life.id, slot) == flat((labels, digest)), "hold-out"
                for index in range(len(life.seals)):
                    assert self.read("executed", life.id, index, slot) == [life.executed[index, slot]], "executed"
            for address in self.who.values():
                place = [i + 1 for i, seal in enumerate(life.seals) if seal.trainer == address]
                assert self.read("seal_of", life.id, address) == (place or [0]), "seal of"
        for token in self.tokens:
            self.check_money(token, *self.who.values())

    def check_money(self, token: str, *owners: str) -> None:
        """Solvency: the market holds escrow, credits and burned sums; more only by what was forced on it."""
        books = tuple(self.read(column, token)[0] for column in ("escrowed", "credited", "burned"))
        assert books == self.model.sums(token), f"books: market {books}, rules {self.model.sums(token)}"
        holds = self.holds(token, self.market)
        assert holds == sum(books) + self.forced[token], f"solvency: holds {holds}, books {books}"
        for owner in owners:
            assert self.read("credit", token, owner) == [self.model.credit[token, owner]], "credit"
            assert self.holds(token, owner) == self.purses[token, owner], "purse"

    def holds(self, token: str, owner: str) -> int:
        """Somebody's money outside the market's books."""
        if token == ETHER:
            return self.backend.balance(owner)
        out = self.backend.view(token, self.table.token.call("balanceOf", (owner,)))
        assert out is not None, "balance of a token"
        return int.from_bytes(out)

    def probe(self, life: Life) -> None:
        """One phase: of the calls that belong to a phase, only those of the present one do not answer "wrong phase"."""
        REACHED.rules["probe"] += 1
        empty, i = bytes(32), life.id
        calls = {
            "cancel": (i,),
            "draw": (i,),
            "commit": (i, empty),
            "reveal": (i, 0, empty, empty, [], b""),
            "claim": (i, 0),
            "unseal": (i, empty, [], b""),
            "audit": (i, [], 0, [], 0, b""),
            "nominate": (i, 2**256 - 1),
            "settle": (i,),
        }
        allowed = dict(zip(calls, list(Phase)[:9], strict=True))
        for name, args in calls.items():
            if name in ("draw", "settle") and allowed[name] == life.phase:
                continue  # would succeed; that they do is seen elsewhere
            done = self.send(name, args, self.who["stranger"])
            assert done.failed, f"one phase: {name} took garbage"
            why = reason(done.output)
            late = why == "market: wrong phase"
            assert late == (allowed[name] != life.phase), f"one phase: {name} in {life.phase!r}: {why!r}"
        self.refuse_ether()
        self.check_state(life.id)

    def refuse_ether(self) -> None:
        """No call but two takes ether, and nothing does that is no call."""
        abi = self.table.market
        calls = {name: selector + bytes(256) for name, selector in abi.selectors.items() if name not in abi.payable}
        for name, data in {**calls, "nothing": b""}.items():
            done = self.backend.call(self.market, data, self.who["stranger"], 1)
            assert done.failed, f"stray ether: {name} took it"
            assert not done.output, f"stray ether: {name} looked at more than the ether"

    # ── exit ──

    def leave(self) -> None:
        """From here, time and calls that nobody can refuse empty the market."""
        self.check_everything()
        stranger = self.who["stranger"]
        rounds = 0
        while any(life.phase != Phase.CLOSED for life in self.model.lives):
            for life in self.model.lives:
                if life.phase == Phase.SETTLE:
                    self.call("settle", life.id, sender=stranger)
            open_lives = [life for life in self.model.lives if life.phase != Phase.CLOSED]
            if any(life.ends is None for life in open_lives):
                self.mine(8192)
            elif open_lives:
                self.mine(1, max(1, max(life.ends or 0 for life in open_lives) - self.model.now))
            rounds += 1
            assert rounds < 50, "exit: the market never empties"
        for life in self.model.lives:
            for index, seal in enumerate(life.seals):
                if seal.bond:
                    self.call("release", life.id, index, sender=stranger)
        for token in self.tokens:
            assert self.read("escrowed", token) == [0], "exit: something is still escrowed"
        self.witness.exited()
        # so far no token had to help; to be paid, one needs a token that pays and an account that takes
        for coin in self.coins:
            self.misbehave(coin, 0)
        self.behave(PAYEE_TAKES)
        for token, owner in [key for key, amount in self.model.credit.items() if amount]:
            self.call("withdraw", token, owner, sender=owner)
        for token in self.tokens:
            assert self.holds(token, self.market) == self.read("burned", token)[0] + self.forced[token], "exit: a rest"
        for contract, abi in ((self.proxy, self.table.proxy), *((coin, self.table.token) for coin in self.coins)):
            assert self.backend.view(contract, abi.call("reentered", ())) == bytes(32), "the lock let a call in"
        self.check_everything()
        self.witness.privacy(self.backend.words(self.market))


def flat(value: Any) -> list[int]:
    """A static value as the words of its ABI encoding."""
    if isinstance(value, tuple):
        return [word for part in value for word in flat(part)]
    if isinstance(value, str):
        return [int(value, 16)]
    if isinstance(value, bytes):
        return [int.from_bytes(value, "big")]
    return [int(value)]


def short(value: Any) -> str:
    """An argument as a note shows it."""
    if isinstance(value, bytes):
        return value.rstrip(b"\0").hex()[:16] or "0"
    if isinstance(value, Terms):
        return f"Terms({value.groups}/{value.holdout}/{value.samples} {value.rule!r} full={value.full_audit})"
    if isinstance(value, list | tuple):
        return f"[{len(value)}]"
    return str(value)
