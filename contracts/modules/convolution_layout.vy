# pragma version 0.4.3
"""
@title convolution_layout: header, layers and geometry of a convolutional model
@license MIT
@notice
    The first bytes of a model say everything about its shape; where each byte stands follows from them.
    The format is in `contracts/README.md`.
"""

# "ASAY" and version 3: 0x4153415903
MAGIC: constant(uint256) = 280569665795
# the same and version 4
TRUNK_MAGIC: constant(uint256) = 280569665796
MAX_CONVOLUTIONS: constant(uint256) = 23
MAX_SIDE: constant(uint256) = 32
MAX_CHANNELS: constant(uint256) = 256
MAX_CLASSES: constant(uint256) = 256
MAX_SHIFT: constant(uint256) = 31
MAX_SPLIT: constant(uint256) = 4
MAX_LANE: constant(uint256) = 32
# pixels of a row that share a word
MAX_RUN: constant(uint256) = 16


struct Shape:
    count: uint256
    input_bits: uint256
    activation_bits: uint256
    weight_bits: uint256
    channels: uint256
    height: uint256
    width: uint256
    classes: uint256


# One convolution. `skip` is one more than the layer that is added, zero for none.
struct Layer:
    outputs: uint256
    size: uint256
    depthwise: bool
    shift: uint256
    halve: uint256
    skip: uint256
    split: uint256
    lift: uint256


# How the kernels of an output lie in the file, and what the engine makes of them.
struct Rows:
    # patches (or weights, of kernels of one) of a channel along a side; of an output; of a slot
    side: uint256
    count: uint256
    step: uint256
    slots: uint256
    # bytes of a chunk and of a row
    chunk_bytes: uint256
    chunks: uint256
    row_bytes: uint256


@internal
@pure
def _fields(header: uint256) -> Shape:
    """
    @notice Reads a header and believes it.
    @param header The first 32 bytes of a model.
    @return A shape of any size.
    """
    return Shape(
        count=header >> 208 & 255,
        input_bits=header >> 200 & 255,
        activation_bits=header >> 192 & 255,
        weight_bits=header >> 184 & 255,
        channels=header >> 168 & 65535,
        height=header >> 160 & 255,
        width=header >> 152 & 255,
        classes=header >> 136 & 65535,
    )


@internal
@pure
def _layer(descriptor: uint256) -> Layer:
    """
    @notice Reads a descriptor and believes it.
    @param descriptor 8 bytes of a model, in the lowest bits.
    @return A layer.
    """
    return Layer(
        outputs=descriptor >> 48 & 65535,
        size=descriptor >> 40 & 255,
        depthwise=descriptor >> 32 & 255 != 0,
        shift=descriptor >> 24 & 255,
        halve=descriptor >> 16 & 255,
        skip=descriptor >> 8 & 255,
        split=descriptor >> 4 & 15,
        lift=descriptor & 15,
    )


@internal
@pure
def _start(count: uint256) -> uint256:
    """
    @notice Where the first layer begins.
    @param count Convolutions.
    @return Bytes of header and descriptors.
    """
    return 32 + (count * 8 + 31) // 32 * 32


@internal
@pure
def _run(width: uint256, split: uint256) -> uint256:
    """
    @notice Pixels of a word.
    @param width Pixels of a row.
    @param split Words of a row, at least 1.
    @return An even number.
    """
    run: uint256 = (width + split - 1) // split
    return run + run % 2


@internal
@pure
def _lane(run: uint256) -> uint256:
    """
    @notice Bits of a pixel in a word, which has room for two pixels more.
    @param run Pixels of a word.
    @return At most 32.
    """
    return min(256 // (run + 2), MAX_LANE)


@internal
@pure
def _split(width: uint256, bound: uint256) -> uint256:
    """
    @notice The fewest words for a row whose lanes hold sums up to a bound, of either sign.
    @param width Pixels of a row, 1 to 32.
    @param bound Below 2**24.
    @return 1 to 4.
    """
    for split: uint256 in range(1, 5):
        run: uint256 = self._run(width, split)
        if run <= MAX_RUN and bound >> (self._lane(run) - 1) == 0:
            return split
    raise  # dev: rows of 32 in 4 words have lanes of 25 bits


@internal
@pure
def _rows(layer: Layer, inputs: uint256, weight_bits: uint256) -> Rows:
    """
    @notice Where the kernels of an output stand.
    @param layer A layer.
    @param inputs Channels before it.
    @param weight_bits 4 or 8.
    @return Numbers below 2**16 for layers within the ranges of the format.
    """
    r: Rows = empty(Rows)
    seen: uint256 = 1 if layer.depthwise else inputs
    if layer.size == 1:
        r.side = 1
        r.step = 12
        r.count = seen
        r.chunk_bytes = 12 * weight_bits // 8
        r.chunks = (seen + 11) // 12
    else:
        r.side = (layer.size + 2) // 3
        r.step = 4
        r.count = seen * r.side * r.side
        r.chunk_bytes = 18 * weight_bits // 8
        r.chunks = (r.count + 1) // 2
    r.slots = (r.count + r.step - 1) // r.step
    r.row_bytes = r.chunks * r.chunk_bytes
    return r
