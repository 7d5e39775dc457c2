"""One call of the market, run by halmos from an arbitrary state: all its ends, each with its conditions.

Arbitrary are the whole storage, the caller, the value, the time, the block, and all arguments that a property leaves
open. What is assumed beside the property's own words:

- keccak has no collisions, and a hash plus a small offset meets no other slot (halmos' rules for storage);
- gas never runs out, and a call that reverts changes nothing (the EVM's rule);
- a token and an engine answer anything at all (below), and do not call back: the market's lock keeps them out, which is
  a property of its own;
- multiplications, divisions and remainders of two unknowns may give anything that keeps a few true bounds: that allows
  more ends than there are, never fewer.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halmos import sevm
from halmos.__main__ import mk_solver
from halmos.bitvec import HalmosBitVec as BV
from halmos.bytevec import ByteVec
from halmos.calldata import FunctionInfo
from halmos.config import ConfigSource, default_config
from halmos.sevm import (
    EMPTY_BALANCE,
    SEVM,
    Block,
    CallContext,
    CallOutput,
    Contract,
    Exec,
    Message,
    SolidityStorage,
    f_mul,
    f_sha3_512_name,
    normalize,
)
from halmos.sevm import Path as Conditions
from halmos.utils import EVM, con
from z3 import (
    ULE,
    ULT,
    Z3_OP_ITE,
    And,
    Array,
    BitVec,
    BitVecRef,
    BitVecSort,
    BoolRef,
    Concat,
    Extract,
    Function,
    Goal,
    If,
    Implies,
    Not,
    Select,
    SolverFor,
    Then,
    ZeroExt,
    is_app_of,
    is_bv_value,
    simplify,
)

BUILD = Path(__file__).parents[2] / "build" / "prove"
MARKET, TOKEN, ENGINE = con(0xA55A, 160), con(0x70CE, 160), con(0xE6E, 160)
# EIP-2935: where the hashes of old blocks are read
HISTORY = con(0x0000F90827F1C53A10CB7A02335B175320002935, 160)
BESIDE = (TOKEN, ENGINE, HISTORY)
TURNS = 4096  # of a loop whose end is not known; one with more is an error, not a proof
SECONDS = 60  # for one question to the solver


class Unproven(Exception):
    """The machine or the solver gave up."""


@dataclass(frozen=True)
class Wrote:
    """One store: into which variable, under which keys, at which word of the struct, and what was there."""

    slot: int
    keys: tuple[BitVecRef, ...]
    word: int
    old: BitVecRef
    new: BitVecRef


# quotient and remainder, not worked out
DIV = Function("quotient", BitVecSort(256), BitVecSort(256), BitVecSort(256))
MOD = Function("remainder", BitVecSort(256), BitVecSort(256), BitVecSort(256))


class VyperStorage(SolidityStorage):
    """Vyper hashes the slot before the key, Solidity the key before the slot. Every store is noted."""

    @classmethod
    def decode(cls, ex: Exec, loc: Any) -> Any:
        loc = normalize(loc)
        if loc.decl().name() == f_sha3_512_name:
            base, key = Extract(511, 256, loc.arg(0)), Extract(255, 0, loc.arg(0))
            return (*cls.decode(ex, simplify(base)), simplify(key), con(0))
        return super().decode(ex, loc)

    @classmethod
    def store(cls, ex: Exec, storage: Any, addr: Any, loc: Any, val: Any) -> None:
        if storage is ex.storage:
            old = cls.load(ex, storage, addr, loc)
            slot, keys, count, _ = cls.get_key_structure(ex, loc)
            word = simplify(keys[-1]).as_long() if count else 0
            ex.context.trace.append(Wrote(slot, tuple(keys[0::2]), word, old, val))
        super().store(ex, storage, addr, loc, val)


class Machine(SEVM):
    """halmos' machine, beside whose market a token and an engine answer whatever they like."""

    def __init__(self, answer: Callable[[int, int], ByteVec], *, turns: int, opaque: bool) -> None:
        config = default_config().with_overrides(
            ConfigSource.command_line, loop=turns, solver_timeout_branching=0.03, no_status=True
        )
        super().__init__(config, FunctionInfo("Market", "call", "call()", "00000000"))
        self.storage_model = VyperStorage
        self.answer, self.opaque = answer, opaque

    def arith(self, ex: Exec, op: int, w1: Any, w2: Any) -> Any:
        """Multiply by a truth value exactly, as Vyper's max and min do; where a property wants to recognise quotients
        and remainders, leave them as they are written."""
        if op == EVM.MUL and not (w1.is_concrete or w2.is_concrete):
            for truth, other in ((as_word(w1), as_word(w2)), (as_word(w2), as_word(w1))):
                if is_app_of(truth, Z3_OP_ITE) and is_bv_value(truth.arg(1)) and is_bv_value(truth.arg(2)):
                    return BV(If(truth.arg(0), truth.arg(1) * other, truth.arg(2) * other), size=256)
        if op == EVM.DIV and not w1.is_concrete and as_word(w1).decl().eq(f_mul[256]):
            # of a product that did not overflow, or the call had reverted: a * b / c is at most a where b is at most c
            a, b = as_word(w1).children()
            quotient, c = super().arith(ex, op, w1, w2), as_word(w2)
            ex.path.append(Implies(And(c != 0, ULE(b, c)), ULE(as_word(quotient), a)))
            return quotient
        if not self.opaque or op not in (EVM.DIV, EVM.MOD) or (w1.is_concrete and w2.is_concrete):
            return super().arith(ex, op, w1, w2)
        return BV((DIV if op == EVM.DIV else MOD)(as_word(w1), as_word(w2)), size=256)

    def call(self, ex: Exec, op: int, to_alias: Any, stack: Any) -> None:
        if to_alias is None or not any(to_alias.eq(other) for other in BESIDE):
            super().call(ex, op, to_alias, stack)
            return
        _gas, _to = ex.st.pop(), ex.st.pop()
        value = ex.st.popi() if op == EVM.CALL else con(0)
        given, size = ex.mloc(check_size=False), ex.int_of(ex.st.pop())
        wanted, room = ex.mloc(check_size=False), ex.int_of(ex.st.pop())
        data = ex.st.mslice(given, size)
        count = ex.new_call_id()
        answer, succeeds = self.answer(count, room), BitVec(f"succeeds_{count}", 256)
        ex.path.append((succeeds == 0) | (succeeds == 1))
        ex.st.push_any(succeeds)
        ex.st.set_mslice(wanted, answer)
        message = Message(to_alias, ex.this(), ex.origin(), value, data, op, is_static=op == EVM.STATICCALL)
        ex.context.trace.append(CallContext(message=message, output=CallOutput(data=answer), depth=2))
        ex.advance()
        stack.push(ex)


def any_word(count: int, room: int) -> ByteVec:
    """An answer of one word, or as many as fit."""
    return ByteVec(BitVec(f"answer_{count}", 8 * room)) if room else ByteVec()


class Slots:
    """Storage by name, before or after a call."""

    def __init__(self, market: "Market", data: Any) -> None:
        self.market, self.data = market, data

    def __call__(self, name: str, *keys: Any, word: int = 0) -> BitVecRef:
        slot = self.market.slots[name]
        if not keys:
            held = (slot, 0, 0)
            return self.data[held] if held in self.data else BitVec(f"storage_{MARKET_HEX}_{slot}_0_0_00", 256)
        parts = [part for key in keys for part in (as_word(key), con(0))]
        parts[-1] = con(word)
        shape = (slot, len(parts), 256 * len(parts))
        whole = self.data[shape] if shape in self.data else VyperStorage.empty(MARKET, slot, tuple(parts))
        return Select(whole, simplify(Concat(*parts)))


# halmos 0.3.3 hands its own vector to the solver here
sevm.f_blockhash = lambda number: BLOCK_HASH(as_word(number))
BLOCK_HASH = Function("block_hash", BitVecSort(256), BitVecSort(256))
MARKET_HEX = "0x" + f"{MARKET.as_long():040x}"


def as_word(value: Any) -> BitVecRef:
    """A word for an int or a narrower vector."""
    if isinstance(value, int):
        return con(value)
    if isinstance(value, BV):
        value = value.as_z3()
    return ZeroExt(256 - value.size(), value) if value.size() < 256 else value


@dataclass(frozen=True)
class End:
    """One way a call can end. Only ends that succeed are kept: one that reverts changes nothing."""

    conditions: list[BoolRef]
    before: Slots
    after: Slots
    wrote: list[Wrote]
    sent: list[tuple[BitVecRef, BitVecRef]]  # receiver, ether
    calls: list[CallContext]
    output: ByteVec
    hashed: list[Any]
    state: Exec

    def moved(self, name: str, *keys: Any, word: int = 0) -> BitVecRef:
        """By how much all entries of a variable rose together, of those whose first keys are these: the sum over all
        stores of new - old, which is exact whatever the entries' keys."""
        slot, total = self.before.market.slots[name], con(0)
        for store in self.wrote:
            if store.slot == slot and store.word == word:
                same = And(*[as_word(key) == mine for key, mine in zip(keys, store.keys, strict=False)])
                total = total + If(same, store.new - store.old, con(0))
        return simplify(total)


class Market:
    """The bytecode of build/prove/NAME.json."""

    def __init__(self, name: str = "market") -> None:
        held = json.loads((BUILD / f"{name}.json").read_text())
        self.name, self.slots, self.selectors, self.lock = name, held["slots"], held["selectors"], held["lock"]
        self.code = Contract(bytes.fromhex(held["code"]))
        self.now, self.height = BitVec("timestamp", 256), BitVec("block_number", 256)
        self.sender, self.value = BitVec("sender", 160), BitVec("value", 256)
        self.paths = 0
        self.before = Slots(self, {})

    def call(
        self,
        method: str,
        arguments: Sequence[Any] = (),
        *,
        assume: Callable[[Slots], Sequence[BoolRef]] = lambda start: (),
        value: BitVecRef | None = None,
        answer: Callable[[int, int], ByteVec] = any_word,
        locked: bool = False,
        turns: int = TURNS,
        opaque: bool = False,
        known: Sequence[tuple[str, Any, int, int]] = (),
    ) -> list[End]:
        """All ends of a call that succeeds, from any storage that satisfies `assume`; `known` words are constants."""
        machine = Machine(answer, turns=turns, opaque=opaque)
        solver = mk_solver(machine.options)
        path = Conditions(solver)
        everyone = (MARKET, *BESIDE)
        storage = {address: machine.mk_storagedata() for address in everyone}
        storage[MARKET].symbolic = True
        transient = {address: machine.mk_storagedata() for address in everyone}
        if locked:
            transient[MARKET][self.lock, 0, 0] = con(1)
        path.extend([ULT(self.now, 2**64), ULT(self.height, 2**64), self.sender != MARKET])
        data = ByteVec(con(self.selectors[method], 32))
        for argument in arguments:
            data.append(as_word(argument))
        paid = con(0) if value is None else value
        message = Message(MARKET, self.sender, self.sender, paid, data, EVM.CALL)
        start = machine.mk_exec(
            code={MARKET: self.code} | {address: Contract(b"\x00") for address in BESIDE},
            storage=storage,
            transient_storage=transient,
            balance=EMPTY_BALANCE,
            block=Block(
                basefee=con(0),
                chainid=BitVec("chain_id", 256),
                coinbase=con(0, 160),
                difficulty=con(0),
                gaslimit=con(2**63 - 1),
                number=self.height,
                timestamp=self.now,
            ),
            context=CallContext(message=message),
            pgm=self.code,
            path=path,
        )
        for name, key, word, constant in known:
            hashed = start.sha3_data(Concat(con(self.slots[name]), as_word(key)))
            VyperStorage.store(start, start.storage, MARKET, simplify(hashed + word), con(constant))
        start.context.trace.clear()
        self.before = Slots(self, dict(storage[MARKET]._mapping))
        path.extend(assume(self.before))
        start.balance = Array("balance_any", BitVecSort(160), BitVecSort(256))
        ends = []
        for ex in machine.run(start):
            self.paths += 1
            context = ex.context
            if context.is_stuck():
                raise Unproven(f"{method}: {context.get_stuck_reason()}")
            if context.output.error is None:
                ends.append(self._end(ex))
        if machine.logs.bounded_loops and turns == TURNS:
            raise Unproven(f"{method}: a loop with more than {TURNS} turns")
        return ends

    def _end(self, ex: Exec) -> End:
        calls = list(ex.context.subcalls())
        return End(
            conditions=list(ex.path.conditions),
            before=self.before,
            after=Slots(self, dict(ex.storage[MARKET]._mapping)),
            wrote=[step for step in ex.context.trace if isinstance(step, Wrote)],
            sent=[(call.message.target, as_word(call.message.value)) for call in calls if not call.message.is_static],
            calls=calls,
            output=ex.context.output.data,
            hashed=list(ex.sha3s),
            state=ex,
        )


def satisfiable(conditions: Sequence[BoolRef]) -> bool:
    """Whether all conditions can be true at once; Unproven if the solver cannot tell.

    z3 works the definitions in, yices decides. Storage is read by slot and keys here, not by hash, so what is known of
    hashes is left out: without it more is possible, never less.
    """
    goal = Goal()
    goal.add(*[condition for condition in conditions if "f_inv_sha3" not in condition.sexpr()])
    (goal,) = Then("simplify", "propagate-values", "solve-eqs", "simplify")(goal)
    if goal.inconsistent():
        return False
    solver = SolverFor("QF_AUFBV")
    solver.add(*goal)
    question = "(set-logic QF_AUFBV)\n" + solver.to_smt2()
    yices = Path(sys.executable).parent / "yices-smt2"
    try:
        done = subprocess.run([yices], input=question, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as late:
        raise Unproven(f"solver: no answer in {SECONDS} s") from late
    answer = done.stdout.strip()
    if answer not in ("sat", "unsat"):
        raise Unproven(f"solver: {answer or done.stderr.strip()}")
    return answer == "sat"


def holds(conditions: Sequence[BoolRef], claim: BoolRef) -> bool:
    """Whether `claim` follows from `conditions`."""
    return not satisfiable([*conditions, Not(claim)])
