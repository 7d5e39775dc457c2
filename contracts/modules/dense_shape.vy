# pragma version 0.4.3
"""
@title dense_shape: header and geometry of a dense model
@license MIT
@notice
    The first 32 bytes of a model say everything about its shape; where each byte stands follows from them.
    The format is in `contracts/README.md`.
"""

MAX_LAYERS: constant(uint256) = 7
MAX_WIDTH: constant(uint256) = 4096
MAX_CLASSES: constant(uint256) = 256
MAX_SHIFT: constant(uint256) = 31

HEADER_BYTES: constant(uint256) = 32
BIAS_BYTES: constant(uint256) = 4
# "ASAY" and version 1: 0x4153415901
MAGIC: constant(uint256) = 280569665793

# Lowest bit of each lane: 16 lanes of 16 bits, 10 lanes of 24 bits.
ONES_16: constant(uint256) = max_value(uint256) // (2**16 - 1)
ONES_24: constant(uint256) = (2**240 - 1) // (2**24 - 1)


struct Shape:
    layers: uint256
    input_bits: uint256
    activation_bits: uint256
    weight_bits: uint256
    widths: uint256[8]
    shifts: uint256[6]


# How a layer's rows lie in the model.
struct Plan:
    # a row multiplies so many inputs, of so many bits
    inputs: uint256
    bits: uint256
    # so many rows
    rows: uint256
    # a word holds `lanes` lanes of `stride` bits; `ones` has the lowest bit of each
    stride: uint256
    lanes: uint256
    ones: uint256
    # multiplications of words in a row
    terms: uint256
    # chunks in a row, terms in a chunk, bytes of a chunk and of a row with its bias
    chunks: uint256
    depth: uint256
    chunk_bytes: uint256
    row_bytes: uint256


@internal
@pure
def _shape(header: uint256) -> Shape:
    """
    @notice Reads a header, or reverts.
    @param header The first 32 bytes of a model.
    @return Shapes within every range of the format.
    """
    assert header >> 216 == MAGIC, "engine: bad magic or version"
    s: Shape = Shape(
        layers=header >> 208 & 255,
        input_bits=header >> 200 & 255,
        activation_bits=header >> 192 & 255,
        weight_bits=header >> 184 & 255,
        widths=empty(uint256[8]),
        shifts=empty(uint256[6]),
    )
    assert s.layers >= 1 and s.layers <= MAX_LAYERS, "engine: bad number of layers"
    # 278 = 2**1 + 2**2 + 2**4 + 2**8, 276 without 2**1
    assert s.input_bits <= 8 and 278 >> s.input_bits & 1 == 1, "engine: bad input bits"
    assert s.activation_bits <= 8 and 278 >> s.activation_bits & 1 == 1, "engine: bad activation bits"
    assert s.weight_bits <= 8 and 276 >> s.weight_bits & 1 == 1, "engine: bad weight bits"
    assert s.layers > 1 or s.activation_bits == s.input_bits, "engine: bad activation bits"
    for i: uint256 in range(8):
        width: uint256 = header >> (168 - 16 * i) & 65535
        if i <= s.layers:
            assert width >= 1 and width <= MAX_WIDTH, "engine: bad width"
        else:
            assert width == 0, "engine: unused width not zero"
        s.widths[i] = width
    for i: uint256 in range(6):
        rescale: uint256 = header >> (48 - 8 * i) & 255
        if i + 1 < s.layers:
            assert rescale <= MAX_SHIFT, "engine: bad shift"
        else:
            assert rescale == 0, "engine: unused shift not zero"
        s.shifts[i] = rescale
    assert header & 255 == 0, "engine: last byte not zero"
    classes: uint256 = s.widths[s.layers]
    assert classes >= 2 and classes <= MAX_CLASSES, "engine: bad number of classes"
    assert s.widths[0] * s.input_bits % 8 == 0, "engine: input not whole bytes"
    return s


@internal
@pure
def _plan(s: Shape, layer: uint256) -> Plan:
    """
    @notice Where a layer's rows stand.
    @param s A shape.
    @param layer Below s.layers.
    @return At most 432 terms and 144 chunks.
    """
    p: Plan = empty(Plan)
    p.inputs = s.widths[layer]
    p.rows = s.widths[layer + 1]
    p.bits = s.activation_bits
    if layer == 0:
        p.bits = s.input_bits
    p.stride = 24
    p.lanes = 10
    p.ones = ONES_24
    if p.bits <= 4 and s.weight_bits <= 4:
        p.stride = 16
        p.lanes = 16
        p.ones = ONES_16
    if layer == 0:
        # a sample is split by shift and mask, so many terms from a chunk of it
        split: uint256 = p.stride // p.bits
        period: uint256 = split * p.lanes
        p.terms = (p.inputs + period - 1) // period * split
    else:
        p.terms = (p.inputs + p.lanes - 1) // p.lanes
    p.depth = p.stride // s.weight_bits
    p.chunks = (p.terms + p.depth - 1) // p.depth
    p.chunk_bytes = p.stride * p.lanes // 8
    p.row_bytes = p.chunks * p.chunk_bytes + BIAS_BYTES
    return p
