"""The draw cannot be chosen, repeated or awaited: one block's hash decides, however late it is read."""

import pytest

from tests.unchanged import refused
from tests.world import ETH, World, quality
from trainer import split
from trainer.protocol import SEED_DELAY, SEED_REACH, Outcome, Phase

HISTORY = "0x0000F90827F1C53a10cb7A02335B175320002935"
"""Where EIP-2935 keeps the hashes of the last 8,191 blocks, in slot number % 8191."""
HISTORY_CODE = bytes.fromhex(
    "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257"
    "611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
)


def keep_history(world: World, number: int, *, block_hash: bytes | None = None) -> None:
    """Put the history contract on the chain, with the hash of one block."""
    world.chain.env.set_code(HISTORY, HISTORY_CODE)
    word = int.from_bytes(world.chain.block_hash(number) if block_hash is None else block_hash, "big")
    world.chain.env.set_storage(HISTORY, number % 8191, word)


def key_on_time(world: World) -> bytes:
    """The key if the same challenge is drawn in the first block that can."""
    with world.chain.env.anchor():
        return bytes(world.market.challenge(world.open()).key)


@pytest.mark.parametrize("late", [1, 2, 255, 256, 257, 300, 8190, SEED_REACH])
def test_a_late_draw_gives_the_same_key_as_one_on_time(world: World, late: int) -> None:
    expected = key_on_time(world)
    challenge = world.post()
    seed_block = world.market.challenge(challenge).seed_block
    world.chain.mine(SEED_DELAY + late)
    assert world.chain.block == seed_block + late
    keep_history(world, seed_block)
    world.market.draw(challenge, sender=world.poster)
    assert world.market.challenge(challenge).key == expected


def test_a_block_out_of_reach_makes_the_challenge_void(world: World) -> None:
    challenge = world.post()
    seed_block = world.market.challenge(challenge).seed_block
    world.chain.mine(SEED_DELAY + SEED_REACH + 1)
    keep_history(world, seed_block)
    assert (world.phase(challenge), world.outcome(challenge)) == (Phase.SETTLE, Outcome.VOID)
    with refused(world, "market: wrong phase"):
        world.market.draw(challenge, sender=world.stranger)
    assert world.settle(challenge) == Outcome.VOID
    world.assert_over()


@pytest.mark.parametrize("late", [257, 300, SEED_REACH])
def test_without_a_history_contract_a_late_draw_is_refused(world: World, late: int) -> None:
    """A zero hash would give a key that the poster knew before he posted."""
    challenge = world.post()
    world.chain.mine(SEED_DELAY + late)
    with refused(world, "draw: no hash of the seed block"):
        world.market.draw(challenge, sender=world.poster)
    world.chain.mine(SEED_REACH)
    assert world.settle(challenge) == Outcome.VOID


def test_a_foreign_contract_at_the_historys_address_is_not_believed(world: World) -> None:
    challenge = world.post()
    seed_block = world.market.challenge(challenge).seed_block
    world.chain.mine(SEED_DELAY + 300)
    keep_history(world, seed_block)
    world.chain.env.set_code(HISTORY, HISTORY_CODE + b"\0")
    with refused(world, "draw: no hash of the seed block"):
        world.market.draw(challenge, sender=world.poster)


def test_a_hash_that_history_never_stored_is_refused(world: World) -> None:
    """The history contract answers zero for blocks before its fork."""
    challenge = world.post()
    seed_block = world.market.challenge(challenge).seed_block
    world.chain.mine(SEED_DELAY + 300)
    keep_history(world, seed_block, block_hash=bytes(32))
    with refused(world, "draw: no hash of the seed block"):
        world.market.draw(challenge, sender=world.poster)


def test_neither_the_caller_nor_his_moment_chooses_the_split(world: World) -> None:
    challenge = world.post()
    keys = set()
    for sender, blocks in ((world.poster, 1), (world.stranger, 1), (world.trainers[0], 77), (world.poster, 256)):
        with world.chain.env.anchor():
            world.chain.mine(SEED_DELAY + blocks)
            world.market.draw(challenge, sender=sender)
            keys.add(bytes(world.market.challenge(challenge).key))
    assert len(keys) == 1


def test_a_drawn_challenge_is_not_drawn_again(world: World) -> None:
    challenge = world.open()
    key = world.market.challenge(challenge).key
    for wait in (0, 1, 256):
        world.chain.mine(wait, seconds=0)
        with refused(world, "market: wrong phase"):
            world.market.draw(challenge, sender=world.poster)
    assert world.market.challenge(challenge).key == key


def test_a_poster_who_dislikes_the_seed_cannot_cancel(world: World) -> None:
    """From the seed's block on its hash may be known to whoever builds the block: cancelling is over by then."""
    challenge = world.post()
    world.chain.mine(SEED_DELAY)
    for _ in range(3):
        with refused(world, "market: wrong phase"):
            world.market.cancel(challenge, sender=world.poster)
        world.chain.mine()


def test_letting_a_bad_draw_lapse_costs_half_the_bond(world: World) -> None:
    """Anyone else may draw too, so that the poster must pay and also hope that nobody does."""
    challenge = world.post()
    world.chain.mine(SEED_DELAY + SEED_REACH + 1)
    assert world.settle(challenge) == Outcome.VOID
    bond = 3 * ETH + 1
    assert world.credit(world.poster) == 10 * ETH + bond // 2
    assert world.burned() == bond - bond // 2


def test_the_split_depends_on_chain_market_and_challenge(world: World) -> None:
    """One seed, and still three different splits: none can be prepared on another chain or market."""
    keys = [key_on_time(world)]
    with world.chain.env.anchor():
        world.post()
        keys.append(key_on_time(world))
    with world.chain.env.anchor():
        other = world.market.deployer.deploy(3600, [world.engine.address])
        here, world.market = world.market, other
        keys.append(key_on_time(world))
        world.market = here
    patch = world.chain.env.evm.patch
    chain_id, patch.chain_id = patch.chain_id, 31337
    keys.append(key_on_time(world))
    patch.chain_id = chain_id
    assert len(set(keys)) == 4


def test_the_hold_out_is_of_the_promised_size_whatever_the_seed(world: World) -> None:
    """No key draws a group twice, none too few: the split is a permutation."""
    seen = set()
    for challenge in [world.post() for _ in range(20)]:
        world.chain.mine(SEED_DELAY + 1)
        world.market.draw(challenge, sender=world.stranger)
        slots = [world.market.slot_of(challenge, g) for g in range(len(world.groups))]
        assert sorted(slots) == list(range(len(world.groups)))
        held = tuple(split.holdout(world.market.challenge(challenge).key, len(world.groups), 2))
        assert [slots[g] for g in held] == [0, 1]
        seen.add(held)
    assert len(seen) > 10


def test_nobody_seals_a_model_before_the_draw(world: World) -> None:
    challenge = world.post()
    for wait in (0, SEED_DELAY, 1):
        world.chain.mine(wait, seconds=12 * wait)
        with refused(world, "market: wrong phase"):
            world.commit(challenge, world.trainers[0], quality(0))
