"""post: the terms and their bounds, and what is escrowed."""

from typing import Any

import boa
import pytest

from tests.unchanged import refused, unchanged
from tests.world import ALL, ETH, GROUPS, HOLDOUT, HOUR, SAMPLES, World, step_engine
from trainer.protocol import ETHER, SEED_DELAY, Phase, Rule

YEAR = 365 * 24 * HOUR
PAYLOAD = 124 * 1024
TOP = 2**128 - 1
HUGE = 2**256 - 1
WINDOWS = ("commit", "reveal", "claim", "unseal", "audit", "nominate")


def test_post_escrows_reward_and_bond_and_fixes_the_terms(world: World) -> None:
    terms = world.terms()
    before = world.chain.env.get_balance(world.poster)
    challenge = world.post()
    [(name, event)] = world.events()
    assert name == "Posted"
    assert (event["id"], event["poster"]) == (0, world.poster)
    assert event["seed_block"] == world.chain.block + SEED_DELAY
    assert event["terms"] == world.stored(challenge)
    stored = tuple(world.stored(challenge))
    assert (*stored[:-1], tuple(stored[-1])) == terms.as_tuple()
    assert world.escrowed() == terms.reward + terms.poster_bond == world.holdings()
    assert world.chain.env.get_balance(world.poster) == before - terms.reward - terms.poster_bond
    assert world.market.challenge(challenge).poster == world.poster
    assert world.market.challenge(challenge).seed_block == world.chain.block + SEED_DELAY
    assert world.phase(challenge) == Phase.POSTED
    world.assert_solvent()


def test_ids_count_from_zero(world: World) -> None:
    assert [world.post(), world.post(), world.post()] == [0, 1, 2]
    assert world.market.challenges() == 3


def test_post_in_a_token_takes_exactly_reward_and_bond(world: World) -> None:
    before = world.token.balanceOf(world.poster)
    world.post(token=world.token.address, reward=5, poster_bond=3)
    assert world.token.balanceOf(world.poster) == before - 8
    assert world.escrowed(world.token.address) == 8
    assert world.escrowed() == 0
    world.assert_solvent(world.token.address)


ACCEPTED: list[dict[str, Any]] = [
    {"reward": 1, "poster_bond": 1, "trainer_bond": 1, "seal_fee": 0},
    {"reward": TOP, "poster_bond": TOP, "trainer_bond": TOP, "seal_fee": TOP},
    {"rule": Rule.FIRST},
    {"threshold": 1},
    {"threshold": ALL},
    {"groups": HOLDOUT + 1},
    {"groups": 2**20},
    {"groups": 2, "holdout": 1},
    {"groups": 257, "holdout": 256, "windows": {"reveal": HOUR + HOUR * 256 // 60}},
    {"samples": 1, "threshold": HOLDOUT},
    {"samples": 32, "threshold": HOLDOUT * 32},
    *({"input_bits": bits} for bits in (1, 2, 4, 8)),
    {"classes": 2},
    {"classes": 256},
    {"sample_bytes": 1, "model_bytes": 1},
    {"samples": 1, "threshold": 1, "sample_bytes": PAYLOAD - 1, "model_bytes": 1},
    {"sample_bytes": 784, "model_bytes": PAYLOAD - SAMPLES * 784},
    {"model_bytes": PAYLOAD - SAMPLES},
    {
        "groups": 257,
        "holdout": 256,
        "model_bytes": 127 * 1024 - 256 * 32 - SAMPLES,
        "windows": {"reveal": HOUR + HOUR * 256 // 60},
    },
    {"full_audit": False},
    {"windows": dict.fromkeys(WINDOWS, YEAR)},
    {"windows": {**dict.fromkeys(WINDOWS, HOUR), "reveal": HOUR + HOUR * HOLDOUT // 60}},
]


@pytest.mark.parametrize("changes", ACCEPTED, ids=str)
def test_terms_at_their_bounds_are_accepted(world: World, changes: dict[str, Any]) -> None:
    world.chain.env.set_balance(world.poster, 2**130)
    challenge = world.post(**changes)
    assert world.phase(challenge) == Phase.POSTED
    world.assert_solvent()


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("terms: reward is zero", {"reward": 0}),
    ("terms: opening over the reward", {"reward": 5, "opening": 6}),
    ("terms: opening over the reward", {"opening": HUGE}),
    ("terms: poster bond is zero", {"poster_bond": 0}),
    ("terms: trainer bond is zero", {"trainer_bond": 0}),
    *(
        ("terms: amount over 2**128 - 1", {part: amount})
        for part in ("reward", "poster_bond", "trainer_bond", "seal_fee")
        for amount in (TOP + 1, HUGE)
    ),
    ("terms: rule unknown", {"rule": 0}),
    ("terms: rule unknown", {"rule": 3}),
    ("terms: root is empty", {"root": bytes(32)}),
    ("terms: too many groups", {"groups": 2**20 + 1}),
    ("terms: too many groups", {"groups": HUGE}),
    ("terms: hold-out is empty", {"holdout": 0}),
    ("terms: hold-out too large", {"groups": 1000, "holdout": 257}),
    ("terms: hold-out too large", {"holdout": HUGE}),
    ("terms: nothing left to train on", {"groups": HOLDOUT}),
    ("terms: nothing left to train on", {"groups": 0}),
    ("terms: group is empty", {"samples": 0}),
    ("terms: group too large", {"samples": 33}),
    ("terms: group too large", {"samples": HUGE}),
    ("terms: threshold is zero", {"threshold": 0}),
    ("terms: threshold impossible", {"threshold": ALL + 1}),
    ("terms: threshold impossible", {"threshold": HUGE}),
    *(("terms: input bits", {"input_bits": bits}) for bits in (0, 3, 5, 7, 9, 16, HUGE)),
    ("terms: too few classes", {"classes": 0}),
    ("terms: too few classes", {"classes": 1}),
    ("terms: too many classes", {"classes": 257}),
    ("terms: too many classes", {"classes": HUGE}),
    ("terms: sample is empty", {"sample_bytes": 0}),
    ("terms: sample too large", {"sample_bytes": PAYLOAD + 1}),
    ("terms: sample too large", {"sample_bytes": HUGE}),
    ("terms: model is empty", {"model_bytes": 0}),
    ("terms: model too large", {"model_bytes": PAYLOAD + 1}),
    ("terms: model too large", {"model_bytes": HUGE}),
    ("terms: group and model too large", {"sample_bytes": 784, "model_bytes": PAYLOAD - SAMPLES * 784 + 1}),
    ("terms: group and model too large", {"samples": 1, "threshold": 1, "sample_bytes": PAYLOAD, "model_bytes": 1}),
    ("terms: group and model too large", {"model_bytes": PAYLOAD}),
    ("terms: audit too large", {"groups": 257, "holdout": 256, "model_bytes": 127 * 1024 - 256 * 32 - SAMPLES + 1}),
    *(("terms: window too short", {"windows": {name: length}}) for name in WINDOWS for length in (0, HOUR - 1)),
    *(("terms: window too long", {"windows": {name: length}}) for name in WINDOWS for length in (YEAR + 1, HUGE)),
    ("terms: reveal window too short", {"windows": {"reveal": HOUR + HOUR * HOLDOUT // 60 - 1}}),
    ("terms: reveal window too short", {"groups": 257, "holdout": 256, "windows": {"reveal": 5 * HOUR + 959}}),
]


@pytest.mark.parametrize(("reason", "changes"), REFUSED, ids=str)
def test_terms_past_their_bounds_are_refused(world: World, reason: str, changes: dict[str, Any]) -> None:
    with refused(world, reason):
        world.post(value=0, **changes)


def test_terms_out_of_their_type_are_refused(world: World) -> None:
    for changes in ({"rule": 4}, {"rule": HUGE}):
        with unchanged(world), boa.reverts():
            world.post(value=0, **changes)


def test_an_engine_outside_the_list_is_refused(world: World) -> None:
    copy = step_engine().address
    for engine in (copy, world.stranger, world.market.address, ETHER):
        with refused(world, "terms: engine unknown"):
            world.post(engine=engine)


def test_a_token_without_code_is_refused(world: World) -> None:
    with refused(world, "terms: token has no code"):
        world.post(token=world.stranger)


def test_a_contract_that_is_no_token_is_refused(world: World) -> None:
    for token in (world.engine.address, world.market.address):
        with unchanged(world), boa.reverts():
            world.post(token=token)


def test_wrong_amounts_of_ether_are_refused(world: World) -> None:
    right = 13 * ETH + 1
    for value in (0, right - 1, right + 1):
        with refused(world, "ledger: wrong amount of ether"):
            world.post(value=value)


def test_ether_beside_a_token_is_refused(world: World) -> None:
    with refused(world, "ledger: ether beside a token"):
        world.post(token=world.token.address, value=1)


def test_a_poster_without_the_tokens_is_refused(world: World) -> None:
    with unchanged(world), boa.reverts():
        world.post(token=world.token.address, sender=world.stranger)


def test_unknown_challenges_have_no_clock(world: World) -> None:
    world.post()
    for challenge in (1, GROUPS, HUGE):
        with boa.reverts("market: no such challenge"):
            world.clock(challenge)
