#pragma version 0.4.3
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
def _spread(from_: uint256[4], bits: uint256, mask: uint256, stride: uint256) -> uint256[12]:
    """
    @notice Cuts a block of terms from chunks.
    @param from_ Chunks, shifted right so that the first wanted term stands under the mask: 3 with four terms each
        if the stride is 16, else 4 with three terms each.
    @param bits Distance of two terms.
    @param mask The lanes of a term.
    @param stride Bits of a lane.
    @return The block.
    """
    # 3 * 8: no overflow
    two: uint256 = unsafe_mul(bits, 2)
    a: uint256 = from_[0]
    b: uint256 = from_[1]
    c: uint256 = from_[2]
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
    d: uint256 = from_[3]
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
