"""The hold-out is what was committed: all of it, nothing else, and not only the part that suits the poster."""

from dataclasses import replace

import pytest
from eth_hash.auto import keccak

from tests.unchanged import refused
from tests.world import ETH, GROUPS, HOLDOUT, SAMPLES, World, group, quality
from trainer import merkle
from trainer.protocol import Outcome, Phase

BOND, POSTER_BOND = ETH + 1, 3 * ETH + 1


@pytest.mark.parametrize("shown", range(HOLDOUT))
def test_withholding_any_part_costs_the_bond_and_frees_the_trainers(world: World, shown: int) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_phase(Phase.REVEAL)
    for g in world.held_out(challenge)[:shown]:
        world.reveal(challenge, g)
    world.pass_phase(challenge)
    with refused(world, "market: wrong phase"):
        world.reveal(challenge, world.held_out(challenge)[-1])
    assert world.settle(challenge) == Outcome.WITHHELD
    world.release_all(challenge)
    assert world.credit(world.poster) == 10 * ETH
    assert world.credit(ada) == world.credit(ben) == BOND
    assert world.burned() == POSTER_BOND + 14
    world.assert_over()


def test_a_poster_cannot_reveal_only_the_samples_he_likes(world: World) -> None:
    """A group is shown whole or not at all."""
    challenge = world.to_phase(Phase.REVEAL)
    g = world.held_out(challenge)[0]
    for kept in (g.samples[:-1], g.samples[1:], b""):
        with refused(world, "reveal: wrong length of samples"):
            world.reveal(challenge, replace(g, samples=kept))


def test_uncommitted_samples_cannot_be_appended(world: World) -> None:
    challenge = world.to_phase(Phase.REVEAL)
    g = world.held_out(challenge)[0]
    with refused(world, "reveal: wrong length of samples"):
        world.reveal(challenge, replace(g, samples=g.samples + b"\x07"))
    labels = g.labels[:SAMPLES] + b"\x01" + g.labels[SAMPLES + 1 :]
    with refused(world, "reveal: bad label word"):
        world.reveal(challenge, replace(g, labels=labels))


def test_uncommitted_groups_cannot_be_shown(world: World) -> None:
    challenge = world.to_phase(Phase.REVEAL)
    g = world.held_out(challenge)[0]
    made_up = group(g.index, bytes(SAMPLES))
    with refused(world, "reveal: not the committed group"):
        world.reveal(challenge, made_up)
    labels = bytes((b + 1) & 3 for b in g.labels[:SAMPLES]).ljust(32, b"\0")
    with refused(world, "reveal: not the committed group"):
        world.reveal(challenge, replace(g, labels=labels))


def test_groups_of_the_training_set_cannot_stand_in(world: World) -> None:
    challenge = world.to_phase(Phase.REVEAL)
    held_out = {g.index for g in world.held_out(challenge)}
    for g in world.groups:
        if g.index not in held_out:
            with refused(world, "reveal: group is not held out"):
                world.reveal(challenge, g)


def test_one_group_cannot_be_shown_under_two_indices(world: World) -> None:
    """The index is part of the leaf and steers the proof."""
    challenge = world.to_phase(Phase.REVEAL)
    first, second = world.held_out(challenge)
    world.reveal(challenge, first)
    stolen = replace(first, index=second.index)
    for proof in (world.tree.proof(first.index), world.tree.proof(second.index)):
        with refused(world, "reveal: not the committed group"):
            world.market.reveal(
                challenge, stolen.index, stolen.salt, stolen.labels, proof, stolen.samples, sender=world.poster
            )


def test_a_group_committed_twice_counts_by_its_index(world: World) -> None:
    """A poster may repeat samples, but then both are in his root before the draw."""
    world.groups = [replace(world.groups[0], index=i) for i in range(GROUPS)]
    world.tree = merkle.Tree([g.leaf for g in world.groups])
    challenge = world.open(root=world.tree.root)
    world.commit(challenge, world.trainers[0], quality(0))
    world.reveal_all(challenge)
    assert world.phase(challenge) == Phase.CLAIM


@pytest.mark.parametrize(("lane", "value"), [(0, 4), (0, 255), (SAMPLES - 1, 4), (SAMPLES, 1), (31, 255)])
def test_labels_nobody_can_predict_cost_the_poster_his_bond(world: World, lane: int, value: int) -> None:
    """A label past the classes, or in a lane no sample has, is committed and then cannot be revealed: withheld."""
    for i, g in enumerate(world.groups):
        world.groups[i] = replace(g, labels=g.labels[:lane] + bytes([value]) + g.labels[lane + 1 :])
    world.tree = merkle.Tree([g.leaf for g in world.groups])
    challenge = world.open(root=world.tree.root)
    world.commit(challenge, world.trainers[0], quality(0))
    world.pass_phase(challenge)
    for g in world.held_out(challenge):
        with refused(world, "reveal: bad label word"):
            world.reveal(challenge, g)
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.WITHHELD
    assert world.burned() == POSTER_BOND + 7


def test_a_root_of_nothing_costs_the_poster_his_bond(world: World) -> None:
    challenge = world.open(root=b"\x01" * 32)
    world.commit(challenge, world.trainers[0], quality(0))
    world.pass_phase(challenge)
    for g in world.held_out(challenge):
        with refused(world, "reveal: not the committed group"):
            world.reveal(challenge, g)
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.WITHHELD


def test_a_root_with_two_groups_under_one_index_shows_only_one(world: World) -> None:
    """A poster grafts a second data set into his root, one level deeper, to choose after the seals are in."""
    other = [group(g.index, bytes(SAMPLES)) for g in world.groups]
    graft = merkle.Tree([g.leaf for g in other])
    right = world.tree.levels[-2][1]
    root = keccak(b"\x01" + graft.root + right)
    challenge = world.open(root=root, holdout=5)
    world.commit(challenge, world.trainers[0], quality(0))
    world.pass_phase(challenge)
    # indices from 4 on lead to the right half with three siblings, to the left one with four
    index = next(g.index for g in world.held_out(challenge) if g.index >= 4)
    longer = (*graft.proof(index), right)
    fake, g = other[index], world.groups[index]
    with refused(world, "reveal: not the committed group"):
        world.market.reveal(challenge, index, fake.salt, fake.labels, longer, fake.samples, sender=world.poster)
    proof = (*world.tree.proof(index)[:-1], graft.root)
    world.market.reveal(challenge, index, g.salt, g.labels, proof, g.samples, sender=world.poster)
    assert world.market.challenge(challenge).revealed == 1


def test_the_hold_out_stays_closed_while_seals_are_taken(world: World) -> None:
    """Shown too early, the hold-out would be training data."""
    challenge = world.to_phase(Phase.COMMIT)
    for g in world.held_out(challenge):
        with refused(world, "market: wrong phase"):
            world.reveal(challenge, g)


def test_a_poster_who_wins_gets_no_more_than_he_paid(world: World) -> None:
    """He knows the hold-out and can win back his own reward: fees are gone, and he saw no other model."""
    ada = world.trainers[0]
    env = world.chain.env
    before = env.get_balance(world.poster)
    challenge = world.open()
    world.commit(challenge, world.poster, quality(0))
    world.commit(challenge, ada, quality(1))
    world.reveal_all(challenge)
    for trainer in (world.poster, ada):
        world.claim(challenge, trainer)
    world.pass_phase(challenge)
    world.unseal(challenge, world.poster)
    world.audit_all(challenge, world.poster)
    assert world.settle(challenge) == Outcome.WON
    world.release_all(challenge)
    assert world.credit(ada) == BOND
    world.assert_over()
    assert env.get_balance(world.poster) == before - 7
