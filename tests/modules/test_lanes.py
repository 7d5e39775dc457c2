"""Words of classes and masks of samples, against Python on the bytes one by one."""

from random import Random
from typing import Any

import pytest

BOUNDS = (2, 3, 4, 10, 127, 128, 129, 255, 256)
LENGTHS = (1, 2, 15, 16, 17, 31, 32)


def words(rng: Random, count: int) -> list[bytes]:
    """Random words, with bytes near the edges more often than chance has them."""
    edges = bytes((0, 1, 2, 3, 9, 126, 127, 128, 129, 254, 255))
    drawn = [
        bytes(rng.choice(edges) if rng.random() < 0.7 else rng.randrange(256) for _ in range(32)) for _ in range(count)
    ]
    return [bytes(32), b"\xff" * 32, b"\x7f" * 32, b"\x80" * 32, *drawn]


def well_formed(word: bytes, samples: int, classes: int) -> bool:
    return all(c < classes for c in word[:samples]) and not any(word[samples:])


@pytest.mark.parametrize("classes", BOUNDS)
def test_every_byte_in_every_lane_is_measured_against_the_classes(module: Any, classes: int) -> None:
    for byte in sorted({0, 1, classes - 2, classes - 1, classes, classes + 1, 127, 128, 254, 255} & set(range(256))):
        for lane in (0, 1, 14, 15, 16, 17, 30, 31):
            word = bytes(lane) + bytes([byte]) + bytes(31 - lane)
            assert module.internal._well_formed(word, 32, classes) == (byte < classes)


def test_every_number_of_classes_has_one_edge(module: Any) -> None:
    for classes in range(2, 257):
        assert module.internal._well_formed(bytes([classes - 1]) * 32, 32, classes)
        if classes < 256:
            lane = classes % 32
            word = bytearray([classes - 1]) * 32
            word[lane] = classes
            assert not module.internal._well_formed(bytes(word), 32, classes)


def test_lanes_past_the_samples_are_empty(module: Any) -> None:
    for samples in range(1, 33):
        full = b"\x01" * samples + bytes(32 - samples)
        assert module.internal._well_formed(full, samples, 2)
        for lane in {samples, 31} - {32}:
            word = full[:lane] + b"\x01" + full[lane + 1 :]
            assert module.internal._well_formed(word, samples, 2) == (lane < samples)


def test_adversarial_words_are_judged_like_their_bytes(module: Any) -> None:
    rng = Random(1)
    for word in words(rng, 250):
        samples, classes = rng.randint(1, 32), rng.randint(2, 256)
        clean = bytes(b % classes for b in word[:samples]).ljust(32, b"\0")
        for w in (word, clean):
            assert module.internal._well_formed(w, samples, classes) == well_formed(w, samples, classes)


def test_every_difference_of_two_bytes_is_one_difference(module: Any) -> None:
    for bits in range(256):
        a = bytes(17) + bytes([bits]) + bytes(14)
        assert module.internal._matches(a, bytes(32), 32) == (32 if bits == 0 else 31)


@pytest.mark.parametrize("samples", LENGTHS)
def test_equal_bytes_are_counted_over_the_samples(module: Any, samples: int) -> None:
    rng = Random(samples)
    for a, b in zip(words(rng, 40), reversed(words(rng, 40)), strict=True):
        mixed = bytes(x if rng.random() < 0.5 else y for x, y in zip(a, b, strict=True))
        a, mixed = a[:samples].ljust(32, b"\0"), mixed[:samples].ljust(32, b"\0")
        expected = sum(a[i] == mixed[i] for i in range(samples))
        assert module.internal._matches(a, mixed, samples) == expected


def test_differing_samples_are_those_of_the_mask(module: Any) -> None:
    rng = Random(3)
    for a, b in zip(words(rng, 120), reversed(words(rng, 120)), strict=True):
        mixed = bytes(x if rng.random() < 0.6 else y for x, y in zip(a, b, strict=True))
        mask = rng.choice((0, 1, 1 << 31, 2**32 - 1, rng.randrange(2**32)))
        expected = sum(1 << i for i in range(32) if mask >> i & 1 and a[i] != mixed[i])
        assert module.internal._differing(a, mixed, mask) == expected


def test_masks_are_counted(module: Any) -> None:
    rng = Random(4)
    single = [1 << i for i in range(32)]
    for mask in [
        0,
        2**32 - 1,
        *single,
        *(2**32 - 1 ^ bit for bit in single),
        *(rng.randrange(2**32) for _ in range(200)),
    ]:
        assert module.internal._count(mask) == mask.bit_count()


def test_a_cut_takes_32_bytes_from_anywhere(module: Any) -> None:
    rng = Random(7)
    for count in range(1, 9):
        drawn = [rng.randbytes(32) for _ in range(count)]
        for start in {0, 1, 5, 31, 32 * count - 1, rng.randrange(32 * count), rng.randrange(32 * count)}:
            expected = b"".join(drawn)[start : start + 32].ljust(32, b"\0")
            assert module.internal._cut(drawn, start) == expected
