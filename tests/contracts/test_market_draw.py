"""draw: the seed, the key, and the split it gives."""

import boa
from eth_abi import encode
from eth_hash.auto import keccak

from tests.unchanged import refused
from tests.world import GROUPS, HOLDOUT, HOUR, World
from trainer import split
from trainer.protocol import SEED_DELAY, Phase


def expected_key(world: World, challenge: int) -> bytes:
    seed = world.chain.block_hash(world.market.challenge(challenge).seed_block)
    return keccak(
        encode(
            ["bytes32", "uint256", "address", "uint256"],
            [seed, world.chain.chain_id, world.market.address, challenge],
        )
    )


def test_draw_keeps_the_key_and_opens_the_commits(world: World) -> None:
    challenge = world.post()
    world.chain.mine(SEED_DELAY + 1)
    world.market.draw(challenge, sender=world.stranger)
    events = world.events()
    key = expected_key(world, challenge)
    assert events == [("Drawn", {"id": challenge, "key": key, "ends": world.chain.now + HOUR})]
    assert world.market.challenge(challenge).key == key
    assert world.phase(challenge) == Phase.COMMIT
    assert world.clock(challenge).ends == world.chain.now + HOUR


def test_split_is_the_permutation_of_the_key(world: World) -> None:
    challenge = world.open()
    key = world.market.challenge(challenge).key
    slots = [world.market.slot_of(challenge, g) for g in range(GROUPS)]
    assert slots == [split.slot_of(key, g, GROUPS) for g in range(GROUPS)]
    assert sorted(slots) == list(range(GROUPS))
    assert [world.market.is_holdout(challenge, g) for g in range(GROUPS)] == [slot < HOLDOUT for slot in slots]


def test_challenges_of_one_block_have_different_keys(world: World) -> None:
    first, second = world.post(), world.post()
    world.chain.mine(SEED_DELAY + 1)
    for challenge in (first, second):
        world.market.draw(challenge, sender=world.stranger)
    assert world.market.challenge(first).seed_block == world.market.challenge(second).seed_block
    assert world.market.challenge(first).key != world.market.challenge(second).key


def test_draw_before_and_in_the_seeds_block_is_refused(world: World) -> None:
    challenge = world.post()
    world.chain.mine(SEED_DELAY - 1)
    with refused(world, "market: wrong phase"):
        world.market.draw(challenge, sender=world.stranger)
    world.chain.mine()
    with refused(world, "draw: no hash of the seed block"):
        world.market.draw(challenge, sender=world.stranger)
    world.chain.mine()
    world.market.draw(challenge, sender=world.stranger)


def test_a_challenge_is_drawn_once(world: World) -> None:
    challenge = world.open()
    with refused(world, "market: wrong phase"):
        world.market.draw(challenge, sender=world.poster)


def test_the_split_is_unknown_before_the_draw(world: World) -> None:
    challenge = world.post()
    for view in (world.market.slot_of, world.market.is_holdout):
        with boa.reverts("market: not drawn"):
            view(challenge, 0)


def test_groups_that_do_not_exist_have_no_slot(world: World) -> None:
    challenge = world.open()
    for view in (world.market.slot_of, world.market.is_holdout):
        for group in (GROUPS, 2**256 - 1):
            with boa.reverts("market: no such group"):
                view(challenge, group)
