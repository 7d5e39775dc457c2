"""reveal: exactly the committed groups, of the hold-out only, each once."""

from dataclasses import replace

import boa
import pytest
from eth_hash.auto import keccak

from tests.unchanged import refused, unchanged
from tests.world import ETH, GROUPS, HOLDOUT, HOUR, SAMPLES, Group, World, data_set, quality
from trainer import merkle
from trainer.protocol import ETHER, Phase


@pytest.fixture
def challenge(world: World) -> int:
    return world.to_phase(Phase.REVEAL)


def reveal(world: World, challenge: int, g: Group, proof: tuple[bytes, ...] | None = None) -> None:
    proof = world.tree.proof(g.index) if proof is None else proof
    world.market.reveal(challenge, g.index, g.salt, g.labels, proof, g.samples, sender=world.poster)


def test_reveal_keeps_labels_and_the_hash_of_the_samples(world: World, challenge: int) -> None:
    for slot, g in enumerate(world.held_out(challenge)[:-1]):
        world.reveal(challenge, g)
        events = world.events()
        assert events == [
            (
                "Revealed",
                {
                    "id": challenge,
                    "slot": slot,
                    "group": g.index,
                    "salt": g.salt,
                    "labels": g.labels,
                    "samples": g.samples,
                },
            )
        ]
        assert tuple(world.market.holdout(challenge, slot)) == (g.labels, keccak(g.samples))
        assert world.market.challenge(challenge).revealed == slot + 1
        assert world.phase(challenge) == Phase.REVEAL
    assert world.credit(world.poster) == 0


def test_the_last_group_frees_the_poster_bond_and_opens_the_claims(world: World, challenge: int) -> None:
    escrowed = world.escrowed()
    first, last = world.held_out(challenge)
    world.reveal(challenge, last)
    world.reveal(challenge, first)
    assert world.events()[1:] == [
        ("Credited", {"token": ETHER, "owner": world.poster, "amount": 3 * ETH + 1}),
        ("HoldoutComplete", {"id": challenge, "ends": world.chain.now + HOUR}),
    ]
    assert world.credit(world.poster) == 3 * ETH + 1
    assert world.escrowed() == escrowed - 3 * ETH - 1
    assert world.phase(challenge) == Phase.CLAIM
    assert world.clock(challenge).ends == world.chain.now + HOUR
    world.assert_solvent()


def test_anyone_who_has_a_group_may_reveal_it(world: World, challenge: int) -> None:
    for g, sender in zip(world.held_out(challenge), (world.stranger, world.trainers[0]), strict=True):
        world.reveal(challenge, g, sender=sender)
    assert world.credit(world.poster) == 3 * ETH + 1
    assert world.credit(world.stranger) == world.credit(world.trainers[0]) == 0


def test_a_group_is_revealed_once(world: World, challenge: int) -> None:
    g = world.held_out(challenge)[0]
    world.reveal(challenge, g)
    with refused(world, "reveal: already revealed"):
        world.reveal(challenge, g)


def test_training_groups_are_refused(world: World, challenge: int) -> None:
    held_out = {g.index for g in world.held_out(challenge)}
    training = [g for g in world.groups if g.index not in held_out]
    assert len(training) == GROUPS - HOLDOUT
    for g in training:
        with refused(world, "reveal: group is not held out"):
            world.reveal(challenge, g)


def test_anything_but_the_committed_group_is_refused(world: World, challenge: int) -> None:
    g, other = world.held_out(challenge)
    flipped = bytes([g.samples[0] ^ 1]) + g.samples[1:]
    bent = [
        replace(g, index=other.index),
        replace(g, index=GROUPS),
        replace(g, index=2**256 - 1),
        replace(g, index=g.index + 8),
        replace(g, salt=other.salt),
        replace(g, labels=bytes([g.labels[0] ^ 1]) + g.labels[1:]),
        replace(g, samples=flipped),
        replace(g, samples=other.samples),
    ]
    proof = world.tree.proof(g.index)
    for fake in bent:
        with refused(world, "reveal: not the committed group"):
            reveal(world, challenge, fake, proof)
    for bad in (
        (),
        proof[:-1],
        (*proof, bytes(32)),
        (*proof, *proof),
        proof[::-1],
        (bytes(32), *proof[1:]),
        world.tree.proof(other.index),
    ):
        with refused(world, "reveal: not the committed group"):
            reveal(world, challenge, g, bad)
    reveal(world, challenge, g)


def test_a_proof_longer_than_any_tree_is_refused(world: World, challenge: int) -> None:
    g = world.held_out(challenge)[0]
    with unchanged(world), boa.reverts():
        reveal(world, challenge, g, (bytes(32),) * 21)


def test_empty_leaves_beyond_the_groups_are_no_groups(world: World, challenge: int) -> None:
    """Leaves GROUPS to 2**depth - 1 are zero words; none of them is a group, whatever is shown for it."""
    g = world.held_out(challenge)[0]
    siblings = [level[(GROUPS >> h) ^ 1] for h, level in enumerate(world.tree.levels[:-1])]
    with refused(world, "reveal: not the committed group"):
        reveal(world, challenge, replace(g, index=GROUPS), tuple(siblings))


def test_an_inner_node_is_no_group(world: World, challenge: int) -> None:
    """A shorter tree with the same root does not pass: leaves and nodes differ by prefix, proofs have one length."""
    g = world.held_out(challenge)[0]
    with refused(world, "reveal: not the committed group"):
        reveal(world, challenge, replace(g, index=g.index >> 1), world.tree.proof(g.index)[1:])


def test_wrong_lengths_of_samples_are_refused(world: World, challenge: int) -> None:
    g = world.held_out(challenge)[0]
    for samples in (b"", g.samples[:-1], g.samples + b"\0", g.samples * 2):
        with refused(world, "reveal: wrong length of samples"):
            reveal(world, challenge, replace(g, samples=samples))


def test_bad_label_words_are_refused(world: World, challenge: int) -> None:
    g = world.held_out(challenge)[0]
    for lane, value in ((0, 4), (0, 255), (SAMPLES - 1, 4), (SAMPLES, 1), (SAMPLES, 255), (31, 1), (31, 3)):
        labels = g.labels[:lane] + bytes([value]) + g.labels[lane + 1 :]
        with refused(world, "reveal: bad label word"):
            reveal(world, challenge, replace(g, labels=labels))


def test_a_committed_group_with_bad_labels_cannot_be_revealed(world: World) -> None:
    """Labels out of range, or hidden in an unused lane, cannot be revealed by anyone, though they are in the root."""
    for lane, value in ((0, 4), (SAMPLES, 1)):
        world.groups = [
            replace(g, labels=g.labels[:lane] + bytes([value]) + g.labels[lane + 1 :]) for g in world.groups
        ]
        world.tree = merkle.Tree([g.leaf for g in world.groups])
        challenge = world.open(root=world.tree.root)
        world.commit(challenge, world.trainers[0], quality(0))
        world.pass_phase(challenge)
        for g in world.held_out(challenge):
            with refused(world, "reveal: bad label word"):
                world.reveal(challenge, g)


def test_groups_of_the_largest_size_fill_the_label_word(world: World) -> None:
    world.groups = data_set(groups=3, samples=32)
    world.tree = merkle.Tree([g.leaf for g in world.groups])
    challenge = world.open(root=world.tree.root, groups=3, holdout=1, samples=32, threshold=32)
    world.commit(challenge, world.trainers[0], quality(0))
    world.reveal_all(challenge)
    world.claim(challenge, world.trainers[0], 32)
    world.pass_phase(challenge)
    world.unseal(challenge, world.trainers[0])
    assert world.audit(challenge, world.trainers[0], 0, 2**32 - 1)
    assert world.phase(challenge) == Phase.SETTLE
