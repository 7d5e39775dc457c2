# pragma version 0.4.3
"""
@title dense_layout: header and geometry of a dense model
@license MIT
@notice
    The first 32 bytes of a model say everything about its shape; where each byte stands follows from them.
    The format is in `contracts/README.md`.
"""

MAX_LAYERS: constant(uint256) = 7
MAX_WIDTH: constant(uint256) = 4096
MAX_CLASSES: constant(uint256) = 256
MAX_SHIFT: constant(uint256) = 31

BIAS_BYTES: constant(uint256) = 4
# "ASAY" and version 2: 0x4153415902
MAGIC: constant(uint256) = 280569665794

# Lowest bit of each lane: 16 lanes of 16 bits, 10 lanes of 24 bits, 8 lanes of 32 bits.
ONES_16: constant(uint256) = max_value(uint256) // (2**16 - 1)
ONES_24: constant(uint256) = (2**240 - 1) // (2**24 - 1)
ONES_32: constant(uint256) = max_value(uint256) // (2**32 - 1)

# Terms of a slot, and of one with inputs and weights of 8 bits.
SLOT_TERMS: constant(uint256) = 24
WIDE_SLOT_TERMS: constant(uint256) = 27


struct Shape:
    layers: uint256
    input_bits: uint256
    activation_bits: uint256
    weight_bits: uint256
    widths: uint256[8]
    shifts: uint256[6]


# How a layer's inputs and rows lie in words.
struct Plan:
    # a row multiplies so many inputs, of so many bits; so many rows
    inputs: uint256
    bits: uint256
    rows: uint256
    # a word holds `lanes` lanes of `stride` bits; `ones` has the lowest bit of each
    stride: uint256
    lanes: uint256
    ones: uint256
    # words of inputs cut from one chunk of a sample, whole chunks of a sample, inputs behind them
    split: uint256
    whole: uint256
    rest: uint256
    # lanes that the rest takes of each word cut from it, such words in a term, such words
    run: uint256
    merged: uint256
    pieces: uint256
    # multiplications of words in a row
    terms: uint256
    # terms of a slot but the last, slots
    step: uint256
    slots: uint256
    # terms in a chunk of a row, bytes of a chunk and of a row
    depth: uint256
    chunk_bytes: uint256
    row_bytes: uint256


@internal
@pure
def _fields(header: uint256) -> Shape:
    """
    @notice Reads a header and believes it.
    @param header The first 32 bytes of a model.
    @return Shapes of any size.
    """
    s: Shape = Shape(
        layers=header >> 208 & 255,
        input_bits=header >> 200 & 255,
        activation_bits=header >> 192 & 255,
        weight_bits=header >> 184 & 255,
        widths=empty(uint256[8]),
        shifts=empty(uint256[6]),
    )
    for i: uint256 in range(8):
        s.widths[i] = header >> (168 - 16 * i) & 65535
    for i: uint256 in range(6):
        s.shifts[i] = header >> (48 - 8 * i) & 255
    return s


@internal
@pure
def _shape(header: uint256) -> Shape:
    """
    @notice Reads a header, or reverts.
    @param header The first 32 bytes of a model.
    @return Shapes within every range of the format.
    """
    assert header >> 216 == MAGIC, "engine: bad magic or version"
    s: Shape = self._fields(header)
    assert s.layers >= 1 and s.layers <= MAX_LAYERS, "engine: bad number of layers"
    # 278 = 2**1 + 2**2 + 2**4 + 2**8, 276 without 2**1
    assert s.input_bits <= 8 and 278 >> s.input_bits & 1 == 1, "engine: bad input bits"
    assert s.activation_bits <= 8 and 278 >> s.activation_bits & 1 == 1, "engine: bad activation bits"
    assert s.weight_bits <= 8 and 276 >> s.weight_bits & 1 == 1, "engine: bad weight bits"
    assert s.layers > 1 or s.activation_bits == s.input_bits, "engine: bad activation bits"
    for i: uint256 in range(8):
        if i <= s.layers:
            assert s.widths[i] >= 1 and s.widths[i] <= MAX_WIDTH, "engine: bad width"
        else:
            assert s.widths[i] == 0, "engine: unused width not zero"
    for i: uint256 in range(6):
        if i + 1 < s.layers:
            assert s.shifts[i] <= MAX_SHIFT, "engine: bad shift"
        else:
            assert s.shifts[i] == 0, "engine: unused shift not zero"
    assert header & 255 == 0, "engine: last byte not zero"
    classes: uint256 = s.widths[s.layers]
    assert classes >= 2 and classes <= MAX_CLASSES, "engine: bad number of classes"
    assert s.widths[0] * s.input_bits % 8 == 0, "engine: input not whole bytes"
    return s


@internal
@pure
def _is_wide(s: Shape) -> bool:
    """
    @notice Whether a number has 8 bits: all lanes are wider then, and another contract runs the network.
    @param s A shape.
    @return False if no number has more than 4 bits.
    """
    return s.input_bits > 4 or s.activation_bits > 4 or s.weight_bits > 4


@internal
@pure
def _plan(s: Shape, layer: uint256) -> Plan:
    """
    @notice Where a layer's rows stand.
    @dev In lanes of 16 bits the last slot takes a 25th term (a 17th, if a slot has 16) rather than leave it alone.
    @param s A shape.
    @param layer Below s.layers.
    @return Numbers below 2**16, but for `ones`.
    """
    p: Plan = empty(Plan)
    p.inputs = s.widths[layer]
    p.rows = s.widths[layer + 1]
    p.bits = s.activation_bits if layer > 0 else s.input_bits
    if not self._is_wide(s):
        p.stride = 16
        p.lanes = 16
        p.ones = ONES_16
    elif layer == 0:
        p.stride = 24
        p.lanes = 10
        p.ones = ONES_24
    else:
        p.stride = 32
        p.lanes = 8
        p.ones = ONES_32
    p.step = SLOT_TERMS
    if layer == 0:
        p.split = p.stride // p.bits
        p.whole = p.inputs // (p.split * p.lanes)
        p.rest = p.inputs % (p.split * p.lanes)
        p.terms = p.whole * p.split
        if p.rest > 0:
            p.run = (p.rest + p.split - 1) // p.split
            p.merged = p.lanes // p.run
            p.pieces = min(p.rest, p.split)
            p.terms += (p.pieces + p.merged - 1) // p.merged
    else:
        p.terms = (p.inputs + p.lanes - 1) // p.lanes
    p.depth = p.stride // s.weight_bits
    # a slot is made of whole chunks
    if p.split == 16 or p.depth == 16:
        p.step = 16
    if p.split == 3 and p.depth == 3:
        p.step = WIDE_SLOT_TERMS
    # at least 1, as step > 1
    p.slots = max((p.terms + p.step - (2 if p.stride == 16 else 1)) // p.step, 1)
    p.chunk_bytes = p.stride * p.lanes // 8
    p.row_bytes = (p.terms + p.depth - 1) // p.depth * p.chunk_bytes
    return p
