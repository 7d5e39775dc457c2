# pragma version 0.4.3
"""
@title Words of classes and masks of samples
@license MIT
@notice A group's labels or predictions are one word: byte i is the class of sample i, bytes from the number of
        samples on are zero. In a mask, bit i stands for sample i.
"""

# 16 lanes of 16 bits with a one in each: 0x0001 0001 …
ONES: constant(uint256) = max_value(uint256) // 65535
# The low byte of each lane, so that a sum of two bytes stays in its lane.
BYTES: constant(uint256) = ONES * 255
# The bit a sum of two bytes carries into.
CARRIES: constant(uint256) = ONES * 256
# The lowest bit of each of the 32 bytes: 0x0101 …
LOW_BITS: constant(uint256) = max_value(uint256) // 255


@internal
@pure
def _well_formed(word: bytes32, samples: uint256, classes: uint256) -> bool:
    """
    @dev Whether every byte is below `classes` and every byte from `samples` on is zero.
    @param word The classes.
    @param samples Number of samples, 1 to 32.
    @param classes Number of classes, 2 to 256.
    """
    lanes: uint256 = convert(word, uint256)
    # samples <= 32: the shift is 8 to 256; a shift of 256 gives zero
    if lanes << (8 * samples) != 0:
        return False
    # a lane is at most 255 + 254 < 2**16; bit 8 is set when byte + 256 - classes >= 256
    room: uint256 = unsafe_mul(ONES, 256 - classes)
    low: uint256 = unsafe_add(lanes & BYTES, room)
    high: uint256 = unsafe_add((lanes >> 8) & BYTES, room)
    return (low | high) & CARRIES == 0


@internal
@pure
def _matches(a: bytes32, b: bytes32, samples: uint256) -> uint256:
    """
    @dev How many of the first `samples` bytes are equal; bytes beyond must be zero in both words.
    @param a One word of classes.
    @param b The other.
    @param samples Number of samples, 1 to 32.
    """
    # fold every byte's bits onto its lowest bit; the shifts move 7 bits down in all, so no other byte's bits arrive
    bits: uint256 = convert(a, uint256) ^ convert(b, uint256)
    bits |= bits >> 4
    bits |= bits >> 2
    bits |= bits >> 1
    # at most 32 ones are added in the top byte, everything above 2**256 falls away
    different: uint256 = unsafe_mul(bits & LOW_BITS, LOW_BITS) >> 248
    return samples - different


@internal
@pure
def _differing(a: bytes32, b: bytes32, mask: uint256) -> uint256:
    """
    @dev The samples of `mask` whose bytes differ, as a mask.
    @param a One word of classes.
    @param b The other.
    @param mask Samples to compare, below 2**32.
    """
    bits: uint256 = convert(a, uint256) ^ convert(b, uint256)
    wrong: uint256 = 0
    for i: uint256 in range(32):
        if (bits >> (248 - 8 * i)) & 255 != 0:
            wrong |= 1 << i
    return wrong & mask


@internal
@pure
def _cut(words: DynArray[bytes32, 8], start: uint256) -> bytes32:
    """
    @dev 32 bytes from byte `start` of the words on, zeros behind their end.
    @param words Classes of consecutive samples.
    @param start Below 32 * len(words).
    """
    at: uint256 = start // 32
    # 0 to 248; a shift by 256 gives zero
    skip: uint256 = 8 * (start % 32)
    bits: uint256 = convert(words[at], uint256) << skip
    if at + 1 < len(words):
        bits |= convert(words[at + 1], uint256) >> (256 - skip)
    return convert(bits, bytes32)


@internal
@pure
def _count(mask: uint256) -> uint256:
    """
    @dev The number of samples in a mask below 2**32 (population count).
    @param mask Samples.
    """
    # pairs, nibbles, then bytes; every partial count fits its field
    x: uint256 = mask - ((mask >> 1) & 1431655765)
    x = (x & 858993459) + ((x >> 2) & 858993459)
    x = (x + (x >> 4)) & 252645135
    # at most 32 in each byte of a 56-bit product
    return ((x * 16843009) >> 24) & 63
