# pragma version 0.4.3
"""
@title dense_lanes: words of lanes, for dense models
@license MIT
@notice
    A chunk is read as 256 bits: 16 lanes of 16 bits, or 10 lanes of 24 bits above 16 bits that belong to what follows.
    Its terms are cut out by shift and mask, always 12 at a time: a block.

    Why 12: it is a multiple of 3 and of 4, one of which divides every number of terms in a chunk, and 12 products of
    words fit a lane without a carry:
        16-bit lanes: 12 * 16 * 15 * 15 = 43,200 < 2**16
        24-bit lanes: 12 * 10 * 255 * 255 = 7,803,000 < 2**24
"""


@internal
@pure
def _places(number: uint256, stride: uint256, bits: uint256, chunks: uint256) -> uint256[8]:
    """
    @notice Where the terms of a block are found: in 3 places of 4 terms if the stride is 16, else in 4 places of 3.
    @param number The number of the block.
    @param stride Bits of a lane.
    @param bits Distance of two terms in a chunk.
    @param chunks Chunks in a row.
    @return Four byte offsets of a chunk, and four right shifts; a place behind the row is its beginning shifted away.
    """
    places: uint256 = 4
    size: uint256 = 30
    step: uint256 = unsafe_mul(3, bits)
    if stride == 16:
        places = 3
        size = 32
        step = unsafe_mul(4, bits)
    found: uint256[8] = [0, 0, 0, 0, 256, 256, 256, 256]
    # no overflow: number <= 36, chunks <= 144, step >= 3
    bit: uint256 = unsafe_mul(unsafe_mul(number, places), step)
    for i: uint256 in range(places, bound=4):
        chunk: uint256 = unsafe_div(bit, stride)
        if chunk < chunks:
            found[i] = unsafe_mul(chunk, size)
            found[unsafe_add(4, i)] = unsafe_sub(bit, unsafe_mul(chunk, stride))
        bit = unsafe_add(bit, step)
    return found


@internal
@pure
def _spread(
    a: uint256,
    b: uint256,
    c: uint256,
    d: uint256,
    bits: uint256,
    mask: uint256,
    stride: uint256,
) -> uint256[12]:
    """
    @notice Cuts a block of terms from chunks.
    @param a First place: a chunk, shifted right so that the first of its terms stands under the mask.
    @param b Second place.
    @param c Third place.
    @param d Fourth place; unused if the stride is 16.
    @param bits Distance of two terms.
    @param mask The lanes of a term.
    @param stride Bits of a lane.
    @return The block.
    """
    # 3 * 8: no overflow
    two: uint256 = unsafe_mul(bits, 2)
    if stride == 16:
        three: uint256 = unsafe_mul(bits, 3)
        return [
            a & mask,
            a >> bits & mask,
            a >> two & mask,
            a >> three & mask,
            b & mask,
            b >> bits & mask,
            b >> two & mask,
            b >> three & mask,
            c & mask,
            c >> bits & mask,
            c >> two & mask,
            c >> three & mask,
        ]
    return [
        a & mask,
        a >> bits & mask,
        a >> two & mask,
        b & mask,
        b >> bits & mask,
        b >> two & mask,
        c & mask,
        c >> bits & mask,
        c >> two & mask,
        d & mask,
        d >> bits & mask,
        d >> two & mask,
    ]
