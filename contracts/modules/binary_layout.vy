# pragma version 0.4.3
"""
@title binary_layout: header and geometry of a binary model
@license MIT
@notice
    A network whose inputs, activations and weights have one bit. Its header is that of a dense model with one bit a
    weight; its rows are packed as its samples are. The format is in `contracts/README.md`.
"""

# the header
from . import dense_layout

BIAS_BYTES: constant(uint256) = 4
# what a stored threshold is above the threshold
LIFT: constant(uint256) = 2**30

# Words of a slot: a word of 256 inputs is met as two words of 128 fields. A slot may have a quarter of a word more, which
# is met as one word of 64 fields.
SLOT_WORDS: constant(uint256) = 3
# at most so many bytes are a quarter
QUARTER_BYTES: constant(uint256) = 8


# How a layer's inputs and rows lie in words; numbers below 2**16, whatever the header.
struct Plan:
    # a row meets so many inputs; so many rows
    inputs: uint256
    rows: uint256
    # bytes of a row, and those behind its whole words
    row_bytes: uint256
    rest: uint256
    # words that are met as two, the last of them perhaps in part; a quarter behind them
    words: uint256
    quarter: bool
    # rounds in which a row meets them
    slots: uint256


@internal
@pure
def _shape(header: uint256) -> dense_layout.Shape:
    """
    @notice Reads a header, or reverts.
    @param header The first 32 bytes of a model.
    @return Shapes within every range of the format.
    """
    # The dense header has every rule but those for one bit. It knows no weights of one bit, so it is asked with two.
    weight_bits: uint256 = header >> 184 & 255
    lifted: uint256 = header
    if weight_bits == 1:
        lifted ^= 3 << 184
    s: dense_layout.Shape = dense_layout._shape(lifted)
    assert weight_bits == 1, "engine: bad weight bits"
    assert s.input_bits == 1, "engine: bad input bits"
    assert s.activation_bits == 1, "engine: bad activation bits"
    # one bit is clear below 2**shift: a lower bias says the same
    assert header >> 8 & (2**48 - 1) == 0, "engine: bad shift"
    s.weight_bits = 1
    return s


@internal
@pure
def _plan(s: dense_layout.Shape, layer: uint256) -> Plan:
    """
    @notice Where a layer's rows stand.
    @param s A shape.
    @param layer Below s.layers.
    @return Numbers below 2**16.
    """
    p: Plan = empty(Plan)
    p.inputs = s.widths[layer]
    p.rows = s.widths[layer + 1]
    p.row_bytes = (p.inputs + 7) // 8
    p.rest = p.row_bytes % 32
    p.quarter = p.rest > 0 and p.rest <= QUARTER_BYTES
    p.words = p.row_bytes // 32
    if p.rest > QUARTER_BYTES:
        p.words += 1
    p.slots = max((p.words + SLOT_WORDS - 1) // SLOT_WORDS, 1)
    return p
