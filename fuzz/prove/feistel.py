"""The split is injective: no two groups of a challenge get one slot, whatever the key.

For a given number of groups G the market's `slot_of` runs with any key and any group. The keccak inputs of a path show
every half that its network goes through, so each round is there as a term of the bytecode. keccak stays a function of
which nothing is known. Proven, for each G:

- each round, as a function of the half it changes, is injective, for any value of the other half and of the hash, and
  stays below its modulus;
- taking a number below a * b apart and putting the halves together are injective, and stay in range;
so one walk is a permutation of [0, a * b). A path ends at the first walk whose number is below G, and passes on larger
ones, so two groups that meet would have met at an earlier step, at last in themselves; and a * b - G < a, so that of a
different numbers one is below G: the loop never runs out.
"""

from collections.abc import Sequence

from z3 import UGE, ULT, And, BitVec, BitVecRef, BoolRef, Extract, If, Implies, simplify, substitute

from fuzz.prove import state
from fuzz.prove.machine import DIV, MOD, End, Market, Unproven, as_word, con, holds

ROUNDS = 16
ID, GROUP = BitVec("id", 256), BitVec("group", 256)
P, Q, H, P2, Q2, H2 = (BitVec(name, 256) for name in ("p", "q", "h", "p2", "q2", "h2"))


def sides(groups: int) -> tuple[int, int]:
    """⌈√G⌉ and ⌈G / a⌉."""
    a = 1
    while a * a < groups:
        a += 1
    return a, -(-groups // a)


def facts(term: BitVecRef, modulus: int) -> list[BoolRef]:
    """What is true of each remainder by `modulus` in a term: the remainder of a hash is below it, and below twice the
    modulus one subtraction is enough."""
    found, todo, seen = [], [term], set()
    while todo:
        part = todo.pop()
        if part.get_id() in seen:
            continue
        seen.add(part.get_id())
        todo += part.children()
        if part.decl().eq(MOD):
            value, by = part.children()
            if not by.eq(con(modulus)):
                raise Unproven("a remainder by something else")
            found += [
                ULT(part, modulus),
                Implies(ULT(value, 2 * modulus), part == If(ULT(value, modulus), value, value - modulus)),
            ]
    return found


def rounds(end: End) -> list[list[BitVecRef]]:
    """The hashes of each walk of a path."""
    hashes = [term for term in end.hashed if term.decl().name() == "f_sha3_768"]
    if len(hashes) % ROUNDS:
        raise Unproven("rounds are missing")
    return [hashes[i : i + ROUNDS] for i in range(0, len(hashes), ROUNDS)]


def half(hashed: BitVecRef) -> BitVecRef:
    """The half that went into a hash."""
    return simplify(Extract(255, 0, hashed.arg(0)))


def walk_is_permutation(hashes: Sequence[BitVecRef], start: BitVecRef, image: BitVecRef, a: int, b: int) -> bool:
    """Whether one walk, from a number to its image, is injective on [0, a * b) and stays in it, for any hashes."""
    chain = [MOD(start, con(a)), *[half(hashed) for hashed in hashes]]
    if not simplify(chain[1]).eq(simplify(DIV(start, con(a)))):
        return False
    for i in range(ROUNDS):
        modulus, other = (b, a) if i % 2 else (a, b)
        following = chain[i + 2] if i + 2 < len(chain) else image
        # the hash first: it holds the half
        whole = substitute(following, (hashes[i], H), (chain[i + 1], Q), (chain[i], P))
        again = substitute(whole, (P, P2))
        if i + 2 < len(chain):
            known = [*facts(whole, modulus), *facts(again, modulus), ULT(P, modulus), ULT(P2, modulus), ULT(Q, other)]
            if not holds(known, And(ULT(whole, modulus), Implies(whole == again, P == P2))):
                return False
            continue
        again = substitute(whole, (P, P2), (Q, Q2), (H, H2))
        known = [*facts(whole, modulus), *facts(again, modulus), Implies(Q == Q2, H == H2)]
        known += [ULT(P, modulus), ULT(P2, modulus), ULT(Q, other), ULT(Q2, other)]
        if not holds(known, And(ULT(whole, a * b), Implies(whole == again, And(P == P2, Q == Q2)))):
            return False
    return taken_apart(a, b)


def taken_apart(a: int, b: int) -> bool:
    """Whether quotient and remainder by a tell numbers below a * b apart, and are below b and a."""
    parts = [P2 * a + Q2 == P, ULT(Q2, a), ULT(P2, 2**128)]
    return holds([*parts, ULT(P, a * b)], ULT(P2, b)) and b * a < 2**128


def injective(market: Market, groups: int, *, walks: int | None = None) -> bool:
    """Whether `slot_of` is injective for this G: all walks if `walks` is left out, else the first few."""
    a, b = sides(groups)
    if not a * b - groups < a:
        return False
    known = [("terms_of", ID, state.GROUPS, groups)]
    turns = {} if walks is None else {"turns": walks}
    ends = market.call("slot_of", [ID, GROUP], known=known, opaque=True, assume=lambda start: [], **turns)
    met = set()
    for end in ends:
        number = GROUP
        for turn, hashes in enumerate(taken := rounds(end)):
            last = turn == len(taken) - 1
            image = image_of(end, taken, turn, a)
            if not walk_is_permutation(hashes, number, image, a, b):
                return False
            stays = ULT(image, groups) if last else UGE(image, groups)
            if not holds(end.conditions, And(ULT(GROUP, groups), stays)):
                return False
            number = image
        met.add(len(taken))
    return met == set(range(1, (a if walks is None else walks) + 1))


def image_of(end: End, walks: Sequence[Sequence[BitVecRef]], turn: int, a: int) -> BitVecRef:
    """The number a walk leads to: what the next one takes apart, or what is returned."""
    if turn == len(walks) - 1:
        return as_word(end.output.get_word(0))
    quotient = half(walks[turn + 1][0])
    if not quotient.decl().eq(DIV) or not quotient.arg(1).eq(con(a)):
        raise Unproven("a walk does not start with a quotient")
    return quotient.arg(0)
