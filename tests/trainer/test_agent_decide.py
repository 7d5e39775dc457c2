"""What an agent does next, for any state of the world: no node, no clock, no model."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent_terms import ENDS, ETH, ME, OTHER, challenge, seal, terms
from trainer.agent.decide import AFTER_CLAIMS, IDLE, MARGIN, Act, Situation, decide
from trainer.agent.odds import Odds
from trainer.index import Challenge
from trainer.protocol import Outcome, Phase, Rule

GOOD = Odds(right=95, rows=100, reach=0.99, win=0.99, profit=ETH // 2, at_risk=ETH // 4)


def at(found: Challenge, now: int = ENDS - 1800, **known: Any) -> Situation:
    """What is known of a challenge, half an hour before its phase ends."""
    clock = found.clock(now, 100)
    base = Situation(me=ME, challenge=found, clock=clock, now=now, head=100, depth=12, study_seconds=900, left=ETH)
    return replace(base, **known)


def act(found: Challenge, now: int = ENDS - 1800, **known: Any) -> Act:
    return decide(at(found, now, **known)).act


# ── entering ──


def test_it_trains_then_commits_what_pays() -> None:
    found = challenge(Phase.COMMIT)
    assert act(found) == Act.STUDY
    assert act(found, studying="in training") == Act.WAIT
    assert act(found, odds=GOOD) == Act.COMMIT


@pytest.mark.parametrize(
    ("known", "code"),
    [
        ({"odds": replace(GOOD, profit=0)}, "unprofitable"),
        ({"odds": GOOD, "left": ETH // 4 - 1}, "budget"),
        ({"odds": GOOD, "barrier": "a stranger"}, "barrier"),
        ({"odds": GOOD, "head": 25}, "young"),
        ({"now": ENDS - MARGIN - 899}, "no time"),
        ({"odds": GOOD, "now": ENDS - MARGIN}, "late"),
        ({"unready": "no mirror"}, "unready"),
    ],
)
def test_it_stays_out_for_one_reason_each(known: dict[str, Any], code: str) -> None:
    found = decide(at(challenge(Phase.COMMIT), **known))
    assert (found.act in IDLE, found.code) == (True, code)


RISING = {"opening": ETH // 10}


def test_it_waits_for_a_reward_that_rises_to_what_it_wants() -> None:
    poor, rich = replace(GOOD, profit=-1), GOOD
    early = ENDS - 3000
    first = challenge(Phase.COMMIT, terms=terms(rule=Rule.FIRST, **RISING))
    found = decide(at(first, early, odds=poor, risen=rich))
    assert (found.act, found.code, found.part) == (Act.WAIT, "rising", True)
    assert act(first, early, odds=poor, risen=poor) == Act.IGNORE
    assert act(first, early, odds=rich, risen=rich) == Act.COMMIT, "who waits longer may come second"
    wanted = {"odds": rich, "least": rich.profit + 1}
    assert act(first, early, risen=replace(rich, profit=rich.profit + 1), **wanted) == Act.WAIT
    assert act(first, early, risen=rich, **wanted) == Act.IGNORE
    assert act(first, early, odds=rich, least=rich.profit) == Act.COMMIT


def test_where_the_best_wins_it_seals_late() -> None:
    best = challenge(Phase.COMMIT, terms=terms(**RISING))
    rich = replace(GOOD, profit=ETH)
    assert decide(at(best, ENDS - 361, odds=GOOD, risen=rich)).code == "rises"
    assert act(best, ENDS - 360, odds=GOOD, risen=rich) == Act.COMMIT
    # of two alike the earlier wins: a poster must not buy the last place with a wei
    hundredth = GOOD.profit // 100
    assert act(best, ENDS - 3000, odds=GOOD, risen=replace(GOOD, profit=GOOD.profit + hundredth)) == Act.COMMIT
    assert act(best, ENDS - 3000, odds=GOOD, risen=replace(GOOD, profit=GOOD.profit + hundredth + 1)) == Act.WAIT
    flat = challenge(Phase.COMMIT)
    assert act(flat, ENDS - 3000, odds=GOOD, risen=GOOD) == Act.COMMIT


@pytest.mark.parametrize("barrier", ["", "no"])
def test_a_study_that_is_late_is_given_up_whatever_the_phase(barrier: str) -> None:
    study = {"studying": "its model is in training", "barrier": barrier}
    opened = challenge(Phase.COMMIT)
    assert act(opened, now=ENDS - MARGIN - 1, **study) in IDLE
    found = decide(at(opened, now=ENDS - MARGIN, **study))
    assert (found.act, found.why) == (Act.GIVE_UP, "it is too late to commit, and its model is in training")
    for phase in Phase:
        seals = (seal(0, OTHER, claim=60),)
        late = challenge(phase, seals=seals, clock={"candidate": 1})
        if late.clock(ENDS - 1800, 100).phase != Phase.COMMIT:
            assert act(late, **study) == Act.GIVE_UP
            assert act(late) != Act.GIVE_UP


def test_it_never_enters_its_own_challenge() -> None:
    assert act(challenge(Phase.COMMIT, poster=ME), odds=GOOD) == Act.WAIT


@given(
    profit=st.integers(-(2**80), 2**80),
    at_risk=st.integers(0, 2**80),
    left=st.integers(-(2**80), 2**80),
    head=st.integers(0, 200),
    now=st.integers(ENDS - 7200, ENDS - 1),
    barrier=st.sampled_from(["", "no"]),
    studying=st.sampled_from(["", "in training"]),
)
def test_it_never_enters_at_a_loss_or_beyond_its_budget(
    profit: int, at_risk: int, left: int, head: int, now: int, barrier: str, studying: str
) -> None:
    known = at(
        challenge(Phase.COMMIT),
        now,
        odds=replace(GOOD, profit=profit, at_risk=at_risk),
        left=left,
        head=head,
        barrier=barrier,
        studying=studying,
    )
    enters = decide(known).act == Act.COMMIT
    deep = head - 14 >= 12
    assert enters == (profit > 0 and at_risk <= left and deep and now < ENDS - MARGIN and not barrier and not studying)


def test_a_saved_seal_is_committed_whatever_the_odds_say_now() -> None:
    # it was decided, and its transaction may be on the way
    assert act(challenge(Phase.COMMIT), signed=True, odds=replace(GOOD, profit=-1)) == Act.COMMIT
    # a seal that was saved and never signed is weighed like any other
    assert act(challenge(Phase.COMMIT), sealed=True, odds=replace(GOOD, profit=-1)) != Act.COMMIT
    assert act(challenge(Phase.COMMIT, seals=(seal(),)), sealed=True) == Act.WAIT
    assert act(challenge(Phase.COMMIT), now=ENDS - 5, sealed=True, signed=True) == Act.IGNORE


# ── after the commits ──


def test_it_claims_what_it_reaches() -> None:
    found = challenge(Phase.CLAIM, seals=(seal(),))
    assert act(found, sealed=True) == Act.SCORE
    assert decide(at(found, sealed=True, reached=50)).number == 50
    assert act(found, sealed=True, reached=39) == Act.WAIT
    assert act(challenge(Phase.CLAIM, seals=(seal(claim=50, claimed=50),)), sealed=True, reached=50) == Act.WAIT


@given(reached=st.integers(0, 64), rule=st.sampled_from(list(Rule)), threshold=st.integers(1, 64))
def test_it_never_claims_more_than_it_reaches_nor_below_the_threshold(reached: int, rule: Rule, threshold: int) -> None:
    chosen = terms(rule=rule, threshold=threshold)
    found = decide(at(challenge(Phase.CLAIM, seals=(seal(),), terms=chosen), sealed=True, reached=reached))
    if reached < threshold:
        assert found.act == Act.WAIT
    else:
        assert (found.act, found.number) == (Act.CLAIM, threshold if rule == Rule.FIRST else reached)


def test_only_the_candidate_unseals() -> None:
    seals = (seal(0, OTHER, claim=60, claimed=60), seal(1, claim=50, claimed=50))
    assert act(challenge(Phase.UNSEAL, seals=seals, clock={"candidate": 2}), sealed=True) == Act.UNSEAL
    assert act(challenge(Phase.UNSEAL, seals=seals, clock={"candidate": 1}), sealed=True) == Act.WAIT


def test_it_executes_its_own_samples_where_the_terms_demand_it() -> None:
    seals = (seal(claim=50, claimed=50),)
    clock = {"candidate": 1, "unaudited": 64}
    assert act(challenge(Phase.AUDIT, seals=seals, clock=clock)) == Act.EXECUTE
    assert act(challenge(Phase.AUDIT, seals=seals, clock=clock, terms=terms(full_audit=False))) == Act.WAIT


def test_it_looks_at_others_and_proves_what_pays() -> None:
    seals = (seal(0, OTHER, claim=60, claimed=60),)
    found = challenge(Phase.AUDIT, seals=seals, clock={"candidate": 1, "unaudited": 64})
    assert act(found) == Act.CHECK
    assert act(found, false=0) == Act.WAIT
    assert act(found, false=1, bounty=10, proof=9) == Act.PROVE
    assert act(found, false=1, bounty=10, proof=10) == Act.WAIT
    rival = replace(found, seals=[*seals, seal(1, claim=50, claimed=50)])
    assert act(rival, false=1, bounty=0, proof=10) == Act.PROVE, "its own claim is next"
    assert act(rival, false=1, bounty=0, proof=10, left=9) == Act.WAIT, "not beyond the budget"
    assert act(rival, false=1, bounty=11, proof=10, left=9) == Act.PROVE, "it pays for itself"


def test_it_nominates_itself_unless_a_better_claim_is_up() -> None:
    seals = (seal(0, OTHER, fell="fraud", bond=0), seal(1, OTHER, claim=55, claimed=55), seal(2, claim=50, claimed=50))
    found = challenge(Phase.NOMINATE, seals=seals)
    assert decide(at(found)).number == 2
    assert decide(at(found)).act == Act.NOMINATE
    assert act(challenge(Phase.NOMINATE, seals=seals, clock={"leader": 2})) == Act.WAIT
    assert act(challenge(Phase.NOMINATE, seals=seals, clock={"leader": 3})) == Act.WAIT
    worse = (seals[0], replace(seals[1], claim=45), seals[2])
    assert act(challenge(Phase.NOMINATE, seals=worse, clock={"leader": 2})) == Act.NOMINATE
    assert act(challenge(Phase.NOMINATE, seals=seals[:2])) == Act.WAIT


def test_a_poster_nominates_the_best_claim_there_is() -> None:
    seals = (seal(0, OTHER, claim=45, claimed=45), seal(1, OTHER, claim=55, claimed=55))
    found = decide(at(challenge(Phase.NOMINATE, seals=seals, poster=ME), home=True))
    assert (found.act, found.number) == (Act.NOMINATE, 1)


def test_who_fell_by_time_alone_is_not_nominated() -> None:
    # the logs still let the claim stand: the next call writes the fall down
    seals = (seal(0, claim=60, claimed=60), seal(1, OTHER, claim=55, claimed=55))
    found = challenge(Phase.UNSEAL, seals=seals, clock={"candidate": 1})
    late = at(found, ENDS + 10)
    assert (late.clock.phase, found.fallen(late.now)) == (Phase.NOMINATE, 1)
    assert decide(late).act == Act.WAIT
    poster = decide(replace(late, challenge=replace(found, poster=ME), me=ME, home=True))
    assert (poster.act, poster.number) == (Act.NOMINATE, 1)


def test_it_settles_and_frees_its_bond() -> None:
    mine = (seal(claim=50, claimed=50),)
    decided = {"outcome": Outcome.WON, "candidate": 1}
    assert act(challenge(Phase.SETTLE, seals=mine, clock=decided)) == Act.SETTLE
    assert act(challenge(Phase.SETTLE, clock=decided)) == Act.FINISHED
    assert act(challenge(Phase.SETTLE, poster=ME, clock=decided), home=True) == Act.SETTLE
    assert act(challenge(Phase.CLOSED, seals=mine)) == Act.RELEASE
    assert act(challenge(Phase.CLOSED, seals=(seal(bond=0, released=True),))) == Act.FINISHED
    assert act(challenge(Phase.CLOSED)) == Act.FINISHED


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase & AFTER_CLAIMS])
def test_a_seal_without_a_claim_is_released_as_soon_as_it_may(phase: Phase) -> None:
    seals = (seal(0, OTHER, claim=60, claimed=60), seal(1))
    assert act(challenge(phase, seals=seals, clock={"candidate": 1, "outcome": Outcome.WON})) == Act.RELEASE


# ── the poster ──


def test_a_poster_draws_publishes_and_reveals_what_was_posted_from_its_home() -> None:
    assert act(challenge(Phase.DRAW, poster=ME), home=True) == Act.DRAW
    assert act(challenge(Phase.DRAW, poster=ME), home=True, head=25) == Act.WAIT, "its seed may change"
    assert act(challenge(Phase.DRAW)) == Act.WAIT
    found = challenge(Phase.COMMIT, poster=ME)
    assert act(found, home=True, publishable=True, drawn=88) == Act.PUBLISH
    assert act(found, home=True, publishable=True, drawn=89) == Act.WAIT, "another draw would give all away"
    assert act(challenge(Phase.REVEAL, poster=ME), home=True) == Act.REVEAL
    assert act(challenge(Phase.REVEAL, poster=ME)) == Act.WAIT


@given(
    phase=st.sampled_from(list(Phase)),
    now=st.integers(ENDS - 7200, ENDS + 30_000),
    home=st.booleans(),
    sealed=st.booleans(),
    claims=st.lists(st.none() | st.integers(40, 64), max_size=4),
    mine=st.integers(0, 4),
    candidate=st.integers(0, 4),
    leader=st.integers(0, 4),
    reached=st.none() | st.integers(0, 64),
    false=st.none() | st.integers(0, 64),
)
def test_every_state_has_an_answer_that_its_phase_allows(
    phase: Phase,
    now: int,
    home: bool,
    sealed: bool,
    claims: list[int | None],
    mine: int,
    candidate: int,
    leader: int,
    reached: int | None,
    false: int | None,
) -> None:
    seals = tuple(
        seal(index, ME if index == mine else f"0x{index:040x}", claim=claim, claimed=claim)
        for index, claim in enumerate(claims)
    )
    # a candidate and a leader have claims
    claimed = [one.index + 1 for one in seals if one.claim]
    clock = {
        "candidate": candidate if candidate in claimed and phase in (Phase.UNSEAL, Phase.AUDIT) else 0,
        "leader": leader if leader in claimed and phase in (Phase.CLAIM, Phase.NOMINATE) else 0,
        "unaudited": 64,
    }
    if phase in (Phase.UNSEAL, Phase.AUDIT) and not clock["candidate"]:
        return
    found = challenge(phase, seals=seals, clock=clock, poster=ME if home else OTHER)
    known = at(found, now, home=home, sealed=sealed, reached=reached, false=false, odds=GOOD)

    decision = decide(known)

    here = known.clock.phase
    allowed = {
        Act.DRAW: Phase.DRAW,
        Act.STUDY: Phase.COMMIT,
        Act.COMMIT: Phase.COMMIT,
        Act.PUBLISH: Phase.COMMIT,
        Act.REVEAL: Phase.REVEAL,
        Act.SCORE: Phase.CLAIM,
        Act.CLAIM: Phase.CLAIM,
        Act.UNSEAL: Phase.UNSEAL,
        Act.CHECK: Phase.AUDIT,
        Act.EXECUTE: Phase.AUDIT,
        Act.PROVE: Phase.AUDIT,
        Act.NOMINATE: Phase.NOMINATE,
        Act.SETTLE: Phase.SETTLE,
        Act.RELEASE: AFTER_CLAIMS | Phase.CLOSED,
    }
    assert decision.act in IDLE or here & allowed[decision.act]
    if decision.act == Act.RELEASE:
        chosen = known.seals[decision.number]
        assert chosen.bond
        assert here == Phase.CLOSED or not chosen.claim
    if decision.act == Act.NOMINATE:
        assert known.seals[decision.number].claim
    assert decision.why
