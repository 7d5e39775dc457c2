"""Every call of the market that can change anything, with what is bounded in it.

Calls without arrays are unbounded: all their arguments are any words. The three with arrays get one group of one sample
of one byte, and a model of one byte; their terms are fixed to that, everything else stays open.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from halmos.bytevec import ByteVec
from z3 import BitVec, BitVecRef, BoolRef, Concat, Or

from fuzz.prove import state
from fuzz.prove.machine import ENGINE, TOKEN, End, Market, any_word, as_word, con

ID, SEAL = BitVec("id", 256), BitVec("seal", 256)
# any seal index: what holds of it holds of all
ANY_SEAL = BitVec("any_seal", 256)


def words(*names: str) -> list[Any]:
    """Arguments that may be anything."""
    return [BitVec(name, 256) for name in names]


def one_class(name: str) -> BitVecRef:
    """A word of classes that has one byte, the first."""
    return Concat(BitVec(name, 8), con(0, 248))


def one_prediction(count: int, room: int) -> ByteVec:
    """An engine's answer: one class in an array, or one word."""
    if room <= 32:
        return any_word(count, room)
    answer = ByteVec()
    for word in (con(32), con(1), one_class(f"answer_{count}")):
        answer.append(word)
    for _ in range(room // 32 - 3):
        answer.append(con(0))
    return answer


@dataclass(frozen=True)
class Step:
    """A call.

    phases: in which it may succeed; empty for a call that belongs to no challenge.
    known:  terms it is bounded to, by word.
    """

    method: str
    arguments: Sequence[Any]
    phases: tuple[int, ...] = ()
    known: dict[int, int] = field(default_factory=dict)
    answer: Callable[[int, int], ByteVec] = any_word

    def ends(self, market: Market) -> list[End]:
        """All its ends, from any valid state."""
        known = [("terms_of", ID, word, value) for word, value in self.known.items()]
        return market.call(
            self.method,
            self.arguments,
            value=market.value,
            assume=self.assumed,
            known=known,
            answer=self.answer,
        )

    def assumed(self, start: Any) -> list[BoolRef]:
        """The challenge is valid for every seal that the call can touch; its token and engine are among the known."""
        late = start("clock", ID, word=state.CANDIDATE) - 1
        leader = start("clock", ID, word=state.LEADER) - 1
        seals = [ANY_SEAL, late, leader, start("clock", ID, word=state.SEALS), SEAL]
        token = start("terms_of", ID, word=state.TOKEN)
        found = [state.valid(start, ID, seal) for seal in seals]
        found.append(Or(token == 0, token == as_word(TOKEN)))
        if self.method == "post":
            asked = self.arguments
            found += [start("challenges") == ID, start("clock", ID, word=state.PHASE) == 0]
            found += [Or(asked[0] == 0, asked[0] == as_word(TOKEN)), asked[16] == as_word(ENGINE)]
        elif self.known:
            found.append(start("terms_of", ID, word=state.ENGINE) == as_word(ENGINE))
        elif self.method == "withdraw":
            found.append(Or(self.arguments[0] == 0, self.arguments[0] == as_word(TOKEN)))
        return found


SMALL = {state.GROUPS: 2, state.HOLDOUT: 1, state.SAMPLES: 1, state.SAMPLE_BYTES: 1, state.CLASSES: 2}
MODEL = {**SMALL, state.MODEL_BYTES: 1}
BYTE, BYTES = BitVec("byte", 256), BitVec("bytes", 256)
STEPS = [
    Step("post", words(*[f"term_{i}" for i in range(24)])),
    Step("cancel", [ID], (state.POSTED,)),
    Step("draw", [ID], (state.DRAW,)),
    Step("commit", [ID, *words("hash")], (state.COMMIT,)),
    # proof: one node; samples: one byte
    Step(
        "reveal",
        [ID, *words("group", "salt", "labels"), 6 * 32, 8 * 32, 1, *words("node"), 1, BYTE],
        (state.REVEAL,),
        SMALL,
    ),
    Step("claim", [ID, *words("score")], (state.CLAIM,)),
    # predictions: one word; model: one byte
    Step(
        "unseal",
        [ID, *words("salt"), 4 * 32, 6 * 32, 1, *words("guess"), 1, BYTE],
        (state.UNSEAL,),
        MODEL,
        one_prediction,
    ),
    # slots: the first; mask: its sample; predictions: one class; payload: a byte of model and a byte of sample
    Step(
        "audit",
        [ID, 6 * 32, 1, 8 * 32, 1, 10 * 32, 1, 0, 1, one_class("guess"), 2, BYTES],
        (state.AUDIT,),
        MODEL,
        one_prediction,
    ),
    Step("nominate", [ID, SEAL], (state.NOMINATE,)),
    Step("settle", [ID], (state.SETTLE,)),
    Step("release", [ID, SEAL], (state.UNSEAL, state.AUDIT, state.NOMINATE, state.SETTLE, state.CLOSED)),
    Step("withdraw", words("token", "to")),
]
