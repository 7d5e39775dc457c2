"""The clock: for random clocks and windows, at every second, the one phase that a reader of the rules would name."""

from dataclasses import astuple, dataclass, replace
from itertools import groupby
from random import Random
from typing import Any

import pytest

from trainer.chain import Chain
from trainer.index import clock as port
from trainer.protocol import SEED_REACH, Outcome, Phase, Windows

ORDER = list(Phase)
START = 1_750_000_000


@dataclass(frozen=True)
class Clock:
    """Field for field `phases.Clock`."""

    phase: Phase
    ends: int
    seals: int
    leader: int
    candidate: int
    unaudited: int
    outcome: int = 0


def decided(clock: Clock, outcome: Outcome) -> Clock:
    return replace(clock, phase=Phase.SETTLE, outcome=outcome, ends=2**256 - 1)


def one_step(clock: Clock, windows: Windows, full: bool) -> tuple[Clock, int]:
    """What happens at a clock's end, once; and 1 + the seal of a candidate who falls by it."""
    nobody = replace(clock, leader=0, candidate=0, unaudited=0, phase=Phase.NOMINATE)
    match clock.phase:
        case Phase.COMMIT if clock.seals == 0:
            return decided(clock, Outcome.DESERTED), 0
        case Phase.COMMIT:
            return replace(clock, phase=Phase.REVEAL, ends=clock.ends + windows.reveal), 0
        case Phase.REVEAL:
            return decided(clock, Outcome.WITHHELD), 0
        case Phase.CLAIM if clock.leader == 0:
            return decided(clock, Outcome.UNCLAIMED), 0
        case Phase.NOMINATE if clock.leader == 0:
            return decided(clock, Outcome.UNNOMINATED), 0
        case Phase.CLAIM | Phase.NOMINATE:
            ends = clock.ends + windows.unseal
            return replace(clock, phase=Phase.UNSEAL, candidate=clock.leader, leader=0, ends=ends), 0
        case Phase.AUDIT if not full:
            return decided(clock, Outcome.WON), 0
        case Phase.UNSEAL | Phase.AUDIT:
            return replace(nobody, ends=clock.ends + windows.nominate), clock.candidate
    raise AssertionError(clock.phase)


def at(clock: Clock, windows: Windows, full: bool, when: int) -> tuple[Clock, int]:
    """Every end on the way, one after another."""
    late = 0
    while clock.phase != Phase.SETTLE and when >= clock.ends:
        clock, fell = one_step(clock, windows, full)
        late = late or fell
    return clock, late


def drawn(rng: Random) -> tuple[Clock, Windows, bool]:
    """A clock that calls can store, and windows."""
    phase = rng.choice((Phase.COMMIT, Phase.REVEAL, Phase.CLAIM, Phase.UNSEAL, Phase.AUDIT, Phase.NOMINATE))
    seals = rng.choice((0, 1, 5)) if phase == Phase.COMMIT else rng.randint(1, 5)
    leads = phase in (Phase.CLAIM, Phase.NOMINATE) and rng.random() < 0.6
    turn = phase in (Phase.UNSEAL, Phase.AUDIT)
    clock = Clock(
        phase=phase,
        ends=START + rng.choice((1, 2, 100, 3600)),
        seals=seals,
        leader=rng.randint(1, seals) if leads else 0,
        candidate=rng.randint(1, seals) if turn else 0,
        unaudited=rng.randint(0, 64) if phase == Phase.AUDIT else 0,
    )
    return clock, windows(rng), rng.random() < 0.5


def windows(rng: Random) -> Windows:
    names = ("commit", "reveal", "claim", "unseal", "audit", "nominate")
    return Windows(**{name: rng.choice((1, 2, 7, 3600)) for name in names})


def edges(clock: Clock, lengths: Windows, full: bool) -> list[int]:
    """Seconds around every end that the clock meets."""
    moments = {START}
    while clock.phase != Phase.SETTLE:
        moments |= {clock.ends - 1, clock.ends, clock.ends + 1}
        clock, _ = one_step(clock, lengths, full)
    return [*sorted(m for m in moments if m >= START), 2**40]


def test_every_second_has_the_phase_of_the_rules(module: Any, bench: Chain) -> None:
    rng = Random(1)
    for _ in range(60):
        clock, lengths, full = drawn(rng)
        before = 0
        for when in edges(clock, lengths, full):
            bench.env.evm.patch.timestamp = when
            got, late = module.internal._at(astuple(clock), astuple(lengths), full)
            expected, fell = at(clock, lengths, full, when)
            assert tuple(got) == astuple(expected)
            assert late == fell
            # the clock of who only reads logs
            assert port.at(port.Clock(*astuple(clock)), lengths, full, when) == (tuple(got), late)
            assert int(got.phase).bit_count() == 1
            # a candidate's fall is the one way back, and it needs a nomination to go on from there
            place = ORDER.index(Phase(got.phase))
            assert place >= before or Phase(got.phase) == Phase.UNSEAL
            before = place


def test_every_second_of_short_windows(module: Any, bench: Chain) -> None:
    rng = Random(2)
    lengths = Windows(commit=2, reveal=3, claim=2, unseal=3, audit=2, nominate=4)
    for _ in range(20):
        clock, _, full = drawn(rng)
        clock = replace(clock, ends=START + 2)
        seen = []
        for when in range(START, START + 16):
            bench.env.evm.patch.timestamp = when
            got, late = module.internal._at(astuple(clock), astuple(lengths), full)
            assert (tuple(got), late) == (astuple(at(clock, lengths, full, when)[0]), at(clock, lengths, full, when)[1])
            assert got.ends > when
            seen.append(Phase(got.phase))
        # each phase is one stretch without a gap; only a nominated candidate who is late brings one back
        stretches = [phase for phase, _ in groupby(seen)]
        again = stretches[:3] == [Phase.NOMINATE, Phase.UNSEAL, Phase.NOMINATE]
        assert len(stretches) == len(set(seen)) + again


@pytest.mark.parametrize(
    ("block", "phase", "outcome"),
    [
        (999, Phase.POSTED, 0),
        (1000, Phase.DRAW, 0),
        (1001, Phase.DRAW, 0),
        (1000 + SEED_REACH, Phase.DRAW, 0),
        (1001 + SEED_REACH, Phase.SETTLE, Outcome.VOID),
        (2**60, Phase.SETTLE, Outcome.VOID),
    ],
)
def test_blocks_measure_the_time_before_the_draw(
    module: Any, bench: Chain, block: int, phase: Phase, outcome: int
) -> None:
    bench.env.evm.patch.block_number = block
    got = module.internal._drawing((int(Phase.DRAW), 0, 0, 0, 0, 0, 0), 1000)
    assert port.drawing(port.Clock(Phase.DRAW), 1000, block) == tuple(got)
    assert (Phase(got.phase), got.outcome) == (phase, outcome)


def test_a_fall_clears_the_turn_and_opens_a_window(module: Any) -> None:
    got = module.internal._nomination((int(Phase.AUDIT), 5, 4, 3, 2, 1, 0), 1000, 60)
    assert tuple(got) == (Phase.NOMINATE, 1060, 4, 0, 0, 0, 0)
