"""What is claimed of every end of every call, from any valid state. Each is proven, or refuted, by a solver."""

from collections.abc import Callable, Sequence

from z3 import ULE, And, BitVecRef, BoolRef, BoolVal, If, Implies

from fuzz.prove import state
from fuzz.prove.machine import End, Market, Wrote, as_word, con, holds, satisfiable
from fuzz.prove.steps import ANY_SEAL, ID, Step

TRUE, FALSE = BoolVal(True), BoolVal(False)
Claim = Callable[[Market, Step, End], BoolRef]


def token_of(step: Step, end: End) -> BitVecRef:
    """The token that a call moves."""
    if step.method in ("post", "withdraw"):
        return step.arguments[0]
    return end.before("terms_of", ID, word=state.TOKEN)


def rise(end: End, column: str, token: BitVecRef) -> BitVecRef:
    """By how much one of a token's columns rose."""
    return end.after(column, token) - end.before(column, token)


def received(market: Market, step: Step, end: End) -> BitVecRef:
    """What came in less what went out, of the call's token: ether as the chain moves it, a token as it says itself."""
    token = token_of(step, end)
    ether = market.value
    for _, sent in end.sent:
        ether = ether - sent
    answers = [as_word(call.output.data.get_word(0)) for call in end.calls if len(call.output.data)]
    # balanceOf, the transfer, balanceOf
    change = (
        answers[-1] - answers[-3] if len(answers) >= 3 and step.method in ("post", "commit", "withdraw") else con(0)
    )
    return If(token == 0, ether, change)


def conserved(market: Market, step: Step, end: End) -> BoolRef:
    """Escrow, credits and what is burned grow together by exactly what the call brought in, and by nothing else; the
    sum of credits is the sum of all owners' credits; no other token's money moves; ether comes with no token."""
    token = token_of(step, end)
    columns = [rise(end, column, token) for column in ("escrowed", "credited", "burned")]
    every = [end.moved(column) for column in ("escrowed", "credited", "burned")]
    return And(
        columns[0] + columns[1] + columns[2] == received(market, step, end),
        *[of_all == of_token for of_all, of_token in zip(every, columns, strict=True)],
        end.moved("credit") == columns[1],
        end.moved("credit", token) == columns[1],
        Implies(token != 0, market.value == 0),
    )


def paid_once(market: Market, step: Step, end: End) -> BoolRef:
    """Escrow moves by exactly what the call's own challenge moves: its reward (held until it is closed), the poster's
    bond (until the hold-out is complete) and the bonds of its seals. A closed challenge stays as it is, so what it
    paid it cannot pay again."""
    token = token_of(step, end)
    if step.method == "withdraw":
        return And(rise(end, "escrowed", token) == 0, *[store.slot != market.slots["clock"] for store in end.wrote])
    own = state.stake(end.after, ID) - state.stake(end.before, ID) + end.moved("seals", ID, word=state.BOND)
    closed = end.before("clock", ID, word=state.PHASE) == state.CLOSED
    clock = [end.after("clock", ID, word=word) == end.before("clock", ID, word=word) for word in range(7)]
    return And(rise(end, "escrowed", token) == own, Implies(closed, And(*clock)))


def apart(market: Market, step: Step, end: End) -> BoolRef:
    """A call writes nothing of any challenge but its own, and after the post nothing of its terms."""
    ledger = [market.slots[name] for name in ("credit", "escrowed", "credited", "burned")]
    mine = [market.slots["challenges"]] if step.method == "post" else []
    fixed = [] if step.method == "post" else [market.slots["terms_of"]]

    def allowed(store: Wrote) -> BoolRef:
        if store.slot in ledger or store.slot in mine:
            return TRUE
        return store.keys[0] == ID if step.method != "withdraw" and store.slot not in fixed else FALSE

    return And(*[allowed(store) for store in end.wrote])


def in_phase(market: Market, step: Step, end: End) -> BoolRef:
    """A call that belongs to a phase succeeds in no other: the phase is a function of storage, time and block, so no
    two calls of different phases can both succeed at one moment."""
    if not step.phases:
        return TRUE
    return state.one_of(state.phase_at(end.before, ID, market.now, market.height), *step.phases)


def stays_valid(market: Market, step: Step, end: End) -> BoolRef:
    """The state that all other claims start from is one that every call leaves."""
    return state.valid(end.after, ID, ANY_SEAL)


def no_more_than_owed(market: Market, step: Step, end: End) -> BoolRef:
    """A withdrawal takes the caller's whole credit, leaves him none, and sends exactly that."""
    if step.method != "withdraw":
        return TRUE
    token, owner = step.arguments[0], market.sender
    owed = end.before("credit", token, owner)
    sent = con(0)
    for _, amount in end.sent:
        sent = sent + amount
    return And(
        end.after("credit", token, owner) == 0,
        owed != 0,
        rise(end, "credited", token) == -owed,
        ULE(owed, end.before("credited", token)),
        Implies(token == 0, sent == owed),
    )


CLAIMS: dict[str, Claim] = {
    "conserved": conserved,
    "paid once": paid_once,
    "apart": apart,
    "in phase": in_phase,
    "stays valid": stays_valid,
    "owed": no_more_than_owed,
}


def prove(market: Market, step: Step, end: End, name: str) -> bool:
    """Whether a claim holds at an end."""
    return holds(end.conditions, CLAIMS[name](market, step, end))


def happens(ends: Sequence[End]) -> bool:
    """Whether a call can succeed at all: of what never happens everything is true."""
    return any(satisfiable(end.conditions) for end in ends)


def clock(market: Market) -> bool:
    """At every time and block `clock_of` names exactly one phase: the one whose interval of time it is."""
    ends = market.call("clock_of", [ID], assume=lambda start: [state.valid(start, ID, ANY_SEAL)])
    told = [as_word(end.output.get_word(0)) for end in ends]
    return happens(ends) and all(
        holds(
            end.conditions,
            And(
                phase == state.phase_at(end.before, ID, market.now, market.height),
                phase != 0,
                phase & (phase - 1) == 0,
            ),
        )
        for end, phase in zip(ends, told, strict=True)
    )


def locked(market: Market, steps: Sequence[Step]) -> bool:
    """While one call is under way no other gets in: with the lock taken, no call succeeds."""
    return not any(market.call(step.method, step.arguments, value=market.value, locked=True) for step in steps)
