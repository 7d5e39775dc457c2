# pragma version 0.4.3
# pragma optimize gas
"""
@title ConvolutionValidator: what a convolutional model must be, and what it costs
@license MIT
@notice
    The half of the convolution engine that is slow and strict: `validate` accepts exactly the byte strings that
    `trainer/encode_convolution.py` decodes, one for each network, and bounds the gas of `predict`. `validate_trunk` does
    the same for trunks, which have no head. The file formats are in `README.md`, the arithmetic in
    `trainer/convolution.py`.

    No storage, no calls, and nobody owns it.
"""

# header, layers and geometry
from .modules import convolution_layout

MAX_BYTES: constant(uint256) = 126976
MAX_LAYERS: constant(uint256) = 23
MAX_OUTPUTS: constant(uint256) = 256
# chunks of a row: of 4 patches of each of 128 channels
MAX_CHUNKS: constant(uint256) = 256
# the market adds less than half a million to it: an audit of one sample takes at most 12 M
MAX_COST: constant(uint256) = 11_500_000
# A step adds up to 0.8 M to what a trunk costs and to 16 a byte of it and its sample, and 2**24 is what a transaction may
# ask for: a call leaves a 64th behind.
MAX_TRUNK_COST: constant(uint256) = 15_500_000
# every |accumulator| stays below
MAX_ACCUMULATOR: constant(uint256) = 2**24
# what a stored bias is above the bias
LIFT: constant(uint256) = 2**30
# what the engine holds: slots of weights of an output, blocks of planes, words of the head
MAX_SLOTS: constant(uint256) = 128
MAX_BLOCKS: constant(uint256) = 384
MAX_TRUNK_BLOCKS: constant(uint256) = 1024
# bytes of the last planes of a trunk
MAX_PLANES: constant(uint256) = 16384
MAX_HEAD: constant(uint256) = 1024
# words of a class of the head
MAX_HEAD_WORDS: constant(uint256) = 256

ALL: constant(uint256) = max_value(uint256)
# the lowest bit of every field of 4 and of 8 bits
NIBBLES: constant(uint256) = max_value(uint256) // 15
OCTETS: constant(uint256) = max_value(uint256) // 255
PAIRS_8: constant(uint256) = max_value(uint256) // 17
PAIRS_16: constant(uint256) = max_value(uint256) // 257

# gas of one sample, see _cost
GAS_CALL: constant(uint256) = 330_000
GAS_TRUNK: constant(uint256) = 720_000
GAS_LAYER: constant(uint256) = 6_000
GAS_SAMPLE_WORD: constant(uint256) = 620
GAS_KERNEL: constant(uint256) = 1_750
GAS_POINT: constant(uint256) = 250
GAS_SEEN: constant(uint256) = 800
GAS_SEEN_BESIDE: constant(uint256) = 700
GAS_TILE: constant(uint256) = 1_200
GAS_SLOT: constant(uint256) = 600
GAS_PRODUCT: constant(uint256) = 160
GAS_FINISH: constant(uint256) = 1_400
GAS_SKIP: constant(uint256) = 400
GAS_HALVED: constant(uint256) = 1_850
GAS_MADE: constant(uint256) = 600
GAS_HEAD_PART: constant(uint256) = 550
GAS_HEAD_WORD: constant(uint256) = 560
GAS_CLASS: constant(uint256) = 500
GAS_PACKED: constant(uint256) = 650

# Of a network: convolutions, and the planes before and behind each.
struct Plan:
    shape: convolution_layout.Shape
    layers: DynArray[convolution_layout.Layer, MAX_LAYERS]
    channels: uint256[24]
    heights: uint256[24]
    widths: uint256[24]
    splits: uint256[24]
    # words of the head
    terms: uint256
    # bytes of the file
    size: uint256


@external
@view
def validate(model: Bytes[MAX_BYTES], sample_bytes: uint256, input_bits: uint256, classes: uint256) -> uint256:
    """
    @notice Reverts with a reason "engine: ..." unless the model is the canonical encoding of a network for this input.
    @param model The model file.
    @param sample_bytes Bytes of a sample.
    @param input_bits Bits of an input feature.
    @param classes Number of classes.
    @return Upper bound of the execution gas of `predict` for one sample.
    """
    p: Plan = self._plan(model, convolution_layout.MAGIC)
    assert p.shape.input_bits == input_bits, "engine: other input bits"
    size: uint256 = p.shape.channels * p.shape.height * p.shape.width * input_bits
    assert size // 8 == sample_bytes, "engine: other sample size"
    assert p.shape.classes == classes, "engine: other number of classes"
    gas: uint256 = self._cost(p)
    assert gas <= MAX_COST, "engine: sample costs too much"
    assert len(model) == p.size, "engine: wrong length"

    at: uint256 = self._kernels(model, p)
    bits: uint256 = p.shape.weight_bits
    top: uint256 = ~(ALL << p.shape.activation_bits)
    depth: uint256 = 32 // bits
    words: uint256 = (p.terms + depth - 1) // depth
    blanks: uint256[MAX_HEAD_WORDS] = self._head_blanks(p, words, depth)
    biases: uint256 = at
    at += 4 * classes
    for o: uint256 in range(classes, bound=MAX_OUTPUTS):
        sum: uint256 = 0
        for i: uint256 in range(words, bound=MAX_HEAD_WORDS):
            word: uint256 = extract32(model, at, output_type=uint256)
            at += 32
            blank: uint256 = blanks[i]
            assert word & blank == 0, "engine: field not canonical"
            # as if it were a weight of zero
            word |= blank & (NIBBLES << 3 if bits == 4 else OCTETS << 7)
            sum += self._magnitudes(word, 0, 256, bits)
        bound: uint256 = self._reach(sum * top, extract32(model, biases + 4 * o, output_type=uint256) >> 224)
    return gas


@external
@view
def validate_trunk(trunk: Bytes[MAX_BYTES]) -> (uint256, uint256):
    """
    @notice Reverts with a reason "engine: ..." unless these bytes are the canonical encoding of a trunk.
    @param trunk The file.
    @return Upper bound of the execution gas of `run` for one sample; bytes of the last planes.
    """
    p: Plan = self._plan(trunk, convolution_layout.TRUNK_MAGIC)
    gas: uint256 = self._cost(p)
    assert len(trunk) == p.size, "engine: wrong length"
    # both in one payload, at most 2**18
    taken: uint256 = len(trunk) + p.shape.channels * p.shape.height * p.shape.width * p.shape.input_bits // 8
    assert taken <= MAX_BYTES, "engine: no room for a sample"
    assert gas + 16 * taken <= MAX_TRUNK_COST, "engine: sample costs too much"
    at: uint256 = self._kernels(trunk, p)
    last: uint256 = p.shape.count
    # at most 256 * 32 * 32 * 8
    size: uint256 = p.channels[last] * p.heights[last] * p.widths[last] * p.shape.activation_bits
    assert size % 8 == 0, "engine: planes not whole bytes"
    assert size // 8 <= MAX_PLANES, "engine: planes too large"
    return gas, size // 8


@external
@view
def cost(model: Bytes[MAX_BYTES]) -> uint256:
    """
    @notice Upper bound of the execution gas of `predict` for one sample, from the shapes alone.
    @param model A model; only its header and its descriptors are read.
    @return Gas, without the base fee of a transaction and its calldata.
    """
    return self._cost(self._plan(model, convolution_layout.MAGIC))


@internal
@pure
def _kernels(model: Bytes[MAX_BYTES], p: Plan) -> uint256:
    """
    @notice Reads the weights and biases of all convolutions, or reverts.
    @param model A file of the length that its header asks for.
    @param p The network.
    @return Where they end.
    """
    bits: uint256 = p.shape.weight_bits
    at: uint256 = convolution_layout._start(p.shape.count)
    # of the layers that see planes of one size
    bound: uint256 = 0
    begin: uint256 = 0
    for number: uint256 in range(p.shape.count, bound=MAX_LAYERS):
        layer: convolution_layout.Layer = p.layers[number]
        rows: convolution_layout.Rows = convolution_layout._rows(layer, p.channels[number], bits)
        top: uint256 = ~(ALL << (p.shape.activation_bits if number > 0 else p.shape.input_bits))
        added: uint256 = 0
        if layer.skip > 0:
            added = ~(ALL << (p.shape.activation_bits if layer.skip > 1 else p.shape.input_bits)) << layer.lift
        biases: uint256 = at
        at += 4 * layer.outputs
        for o: uint256 in range(layer.outputs, bound=MAX_OUTPUTS):
            sum: uint256 = 0
            for i: uint256 in range(rows.chunks, bound=MAX_CHUNKS):
                at += rows.chunk_bytes
                word: uint256 = extract32(model, at - 32, output_type=uint256) & ~(ALL << (8 * rows.chunk_bytes))
                sum += self._magnitudes(word, self._blanks(layer.size, rows, i, bits), 8 * rows.chunk_bytes, bits)
            reach: uint256 = self._reach(
                sum * top + added, extract32(model, biases + 4 * o - 28, output_type=uint256) & (2**32 - 1)
            )
            bound = max(bound, reach)
        if layer.halve > 0 or number + 1 == p.shape.count:
            split: uint256 = convolution_layout._split(p.widths[number], bound)
            for i: uint256 in range(MAX_LAYERS):
                if i >= begin and i <= number:
                    assert p.layers[i].split == split, "engine: split not canonical"
            begin = number + 1
            bound = 0
    return at


@internal
@pure
def _plan(model: Bytes[MAX_BYTES], magic: uint256) -> Plan:
    """
    @notice Reads header and descriptors, or reverts.
    @param model A file.
    @param magic Its first five bytes, which say whether it has a head.
    @return Shapes within every range of the format.
    """
    assert len(model) >= 32, "engine: model too short"
    header: uint256 = extract32(model, 0, output_type=uint256)
    assert header >> 216 == magic, "engine: bad magic or version"
    p: Plan = empty(Plan)
    s: convolution_layout.Shape = convolution_layout._fields(header)
    p.shape = s
    assert s.count >= 1 and s.count <= MAX_LAYERS, "engine: bad number of layers"
    # 278 = 2**1 + 2**2 + 2**4 + 2**8
    assert s.input_bits <= 8 and 278 >> s.input_bits & 1 == 1, "engine: bad input bits"
    assert s.activation_bits <= 8 and 278 >> s.activation_bits & 1 == 1, "engine: bad activation bits"
    assert s.weight_bits == 4 or s.weight_bits == 8, "engine: bad weight bits"
    assert s.channels >= 1 and s.channels <= convolution_layout.MAX_CHANNELS, "engine: bad channels"
    assert min(s.height, s.width) >= 1, "engine: bad size of an image"
    assert max(s.height, s.width) <= convolution_layout.MAX_SIDE, "engine: bad size of an image"
    if magic == convolution_layout.MAGIC:
        assert s.classes >= 2 and s.classes <= convolution_layout.MAX_CLASSES, "engine: bad number of classes"
    else:
        assert s.classes == 0, "engine: bad number of classes"
    assert header & (2**136 - 1) == 0, "engine: header not canonical"
    assert s.channels * s.height * s.width * s.input_bits % 8 == 0, "engine: input not whole bytes"
    p.size = convolution_layout._start(s.count)
    assert len(model) >= p.size, "engine: model too short"
    if s.count % 4 > 0:
        rest: uint256 = extract32(model, p.size - 32, output_type=uint256) & ~(ALL << (64 * (4 - s.count % 4)))
        assert rest == 0, "engine: header not canonical"

    p.channels[0] = s.channels
    p.heights[0] = s.height
    p.widths[0] = s.width
    blocks: uint256 = 1
    waiting: uint256 = 0
    for i: uint256 in range(s.count, bound=MAX_LAYERS):
        descriptor: uint256 = extract32(model, 8 + 8 * i, output_type=uint256)
        assert descriptor >> 32 & 254 == 0, "engine: bad layer"
        layer: convolution_layout.Layer = convolution_layout._layer(descriptor)
        channels: uint256 = p.channels[i]
        height: uint256 = p.heights[i]
        width: uint256 = p.widths[i]
        assert layer.outputs >= 1 and layer.outputs <= MAX_OUTPUTS, "engine: bad channels"
        assert not layer.depthwise or layer.outputs == channels, "engine: bad channels"
        assert layer.size == 1 or layer.size == 3 or layer.size == 5, "engine: bad kernel"
        assert layer.shift <= convolution_layout.MAX_SHIFT, "engine: bad shift"
        assert layer.halve <= 3, "engine: bad halving"
        assert layer.halve == 0 or (height % 2 == 0 and width % 2 == 0), "engine: bad halving"
        assert layer.skip <= i + 1, "engine: bad skip"
        if layer.skip == 0:
            assert layer.lift == 0, "engine: bad skip"
        else:
            j: uint256 = layer.skip - 1
            assert p.channels[j] == layer.outputs, "engine: bad skip"
            assert p.heights[j] == height and p.widths[j] == width, "engine: bad skip"
        assert layer.split >= 1 and layer.split <= convolution_layout.MAX_SPLIT, "engine: split not canonical"
        rows: convolution_layout.Rows = convolution_layout._rows(layer, channels, s.weight_bits)
        assert rows.slots <= MAX_SLOTS, "engine: kernels too large"
        p.layers.append(layer)
        p.size += layer.outputs * (4 + rows.row_bytes)
        part: uint256 = 2 if layer.halve > 0 else 1
        p.splits[i] = layer.split
        p.channels[i + 1] = layer.outputs
        p.heights[i + 1] = height // part
        p.widths[i + 1] = width // part
        tall: uint256 = layer.split * ((height + 7) // 8 + 1)
        blocks += channels * tall
        if layer.halve > 0:
            waiting = max(waiting, layer.outputs * tall)
    last: uint256 = s.count
    p.splits[last] = p.splits[last - 1]
    if p.layers[last - 1].halve > 0:
        p.splits[last] = convolution_layout._split(p.widths[last], 0)
    blocks += p.channels[last] * p.splits[last] * ((p.heights[last] + 7) // 8 + 1)
    if magic == convolution_layout.TRUNK_MAGIC:
        assert blocks + waiting <= MAX_TRUNK_BLOCKS, "engine: planes too large"
        return p
    assert blocks + waiting <= MAX_BLOCKS, "engine: planes too large"
    p.terms = p.channels[last] * p.heights[last] * ((p.widths[last] + 7) // 8)
    assert p.terms <= MAX_HEAD, "engine: head too large"
    depth: uint256 = 32 // s.weight_bits
    p.size += s.classes * (4 + 32 * ((p.terms + depth - 1) // depth))
    return p


@internal
@pure
def _magnitudes(word: uint256, blanks: uint256, size: uint256, bits: uint256) -> uint256:
    """
    @notice The sum of |weight| of a chunk.
    @param word Weights plus 2**(bits - 1), in fields.
    @param blanks Fields that must hold a weight of zero.
    @param size Bits of the chunk, zero above.
    @param bits 4 or 8.
    @return At most 64 * 127.
    """
    # of a stored x: x - z where that is not negative, else z - x; its highest bit is 1 only for x = 0
    if bits == 4:
        low: uint256 = NIBBLES & ~(ALL << size)
        below: uint256 = (~word >> 3) & low
        sizes: uint256 = unsafe_add((word & unsafe_mul(low, 7)) ^ unsafe_mul(below, 7), below)
        assert sizes & (low << 3) == 0 and sizes & blanks == 0, "engine: field not canonical"
        # bytes of at most 14; modulo 2**16 - 1 is the sum of the fields of 16 bits
        sizes = unsafe_add(sizes & PAIRS_8, (sizes >> 4) & PAIRS_8)
        return unsafe_add(sizes & PAIRS_16, (sizes >> 8) & PAIRS_16) % 65535
    low: uint256 = OCTETS & ~(ALL << size)
    below: uint256 = (~word >> 7) & low
    sizes: uint256 = unsafe_add((word & unsafe_mul(low, 127)) ^ unsafe_mul(below, 127), below)
    assert sizes & (low << 7) == 0 and sizes & blanks == 0, "engine: field not canonical"
    return unsafe_add(sizes & PAIRS_16, (sizes >> 8) & PAIRS_16) % 65535


@internal
@pure
def _blanks(size: uint256, rows: convolution_layout.Rows, chunk: uint256, bits: uint256) -> uint256:
    """
    @notice The fields of a chunk that no weight belongs to.
    @param size Side of the kernels.
    @param rows See `convolution_layout`.
    @param chunk Number of the chunk in its row.
    @param bits 4 or 8.
    @return All bits of those fields.
    """
    field: uint256 = ~(ALL << bits)
    if size == 1:
        used: uint256 = min(rows.count - 12 * chunk, 12)
        return (ALL << (used * bits)) & ~(ALL << (12 * bits))
    if size == 3:
        if rows.count - 2 * chunk == 1:
            return (ALL << (9 * bits)) & ~(ALL << (18 * bits))
        return 0
    # patches of a kernel of 5 x 5, which leaves a column and a row of 6 x 6; bit f stands for field f
    fields: uint256 = 0
    if chunk % 2 == 0:
        fields = (2**2 + 2**5 + 2**8) << 9
    else:
        fields = 2**6 + 2**7 + 2**8 + ((2**2 + 2**5 + 2**6 + 2**7 + 2**8) << 9)
    blanks: uint256 = 0
    for f: uint256 in range(18):
        if fields >> f & 1 == 1:
            blanks |= field << (f * bits)
    return blanks


@internal
@pure
def _head_blanks(p: Plan, words: uint256, depth: uint256) -> uint256[MAX_HEAD_WORDS]:
    """
    @notice The fields of a class of the head that no weight belongs to.
    @param p The network.
    @param words Words of a class.
    @param depth Terms of a word.
    @return All bits of those fields, word by word.
    """
    bits: uint256 = p.shape.weight_bits
    width: uint256 = p.widths[p.shape.count]
    parts: uint256 = (width + 7) // 8
    blanks: uint256[MAX_HEAD_WORDS] = empty(uint256[MAX_HEAD_WORDS])
    for i: uint256 in range(words, bound=MAX_HEAD_WORDS):
        used: uint256 = 0
        for j: uint256 in range(depth, bound=8):
            term: uint256 = i * depth + j
            if term < p.terms:
                there: uint256 = min(width - 8 * (term % parts), 8)
                # the lowest bit of each lane of 32 bits that is used
                lanes: uint256 = (ALL // (2**32 - 1)) & ~(ALL << (32 * there))
                used |= unsafe_mul(lanes, ~(ALL << bits)) << (bits * j)
        blanks[i] = ~used
    return blanks


@internal
@pure
def _reach(most: uint256, stored: uint256) -> uint256:
    """
    @notice Largest |accumulator|, or reverts.
    @param most Largest sum without the bias.
    @param stored The bias as it is stored.
    @return Below 2**24.
    """
    reach: uint256 = most + max(stored, LIFT) - min(stored, LIFT)
    assert reach < MAX_ACCUMULATOR, "engine: accumulator too large"
    return reach


@internal
@pure
def _cost(p: Plan) -> uint256:
    """
    @notice Upper bound of the gas of one sample.
    @param p The network.
    @return Gas.
    """
    gas: uint256 = GAS_CALL if p.shape.classes > 0 else GAS_TRUNK
    gas += p.shape.channels * (p.shape.height + 1) * p.splits[0] * GAS_SAMPLE_WORD
    for number: uint256 in range(p.shape.count, bound=MAX_LAYERS):
        layer: convolution_layout.Layer = p.layers[number]
        rows: convolution_layout.Rows = convolution_layout._rows(layer, p.channels[number], p.shape.weight_bits)
        tiles: uint256 = layer.split * ((p.heights[number] + 7) // 8)
        gas += GAS_LAYER + layer.outputs * rows.slots * GAS_KERNEL
        # of a row: channels of 1 x 1 are asked about by fours, patches are one, three or four
        products: uint256 = (rows.count + 3) // 4 * 4
        seen: uint256 = GAS_POINT
        if layer.size > 1:
            rest: uint256 = rows.count % 4
            products = 3 * (rows.count - rest + (rest if rest < 2 else 3))
            seen = GAS_SEEN + (GAS_SEEN_BESIDE if layer.split > 1 else 0)
        bunches: uint256 = layer.outputs
        if not layer.depthwise:
            together: uint256 = MAX_SLOTS // rows.slots
            bunches = (layer.outputs + together - 1) // together
        gas += bunches * tiles * (GAS_TILE + rows.count * seen)
        finish: uint256 = GAS_FINISH
        if layer.skip > 0:
            finish += GAS_SKIP
        gas += layer.outputs * tiles * (finish + rows.slots * GAS_SLOT + products * GAS_PRODUCT)
        if layer.halve > 0:
            gas += layer.outputs * tiles * (GAS_HALVED + GAS_MADE * p.splits[number + 1])
    last: uint256 = p.shape.count
    if p.shape.classes == 0:
        return gas + p.channels[last] * (p.heights[last] + 1) * p.splits[last] * GAS_PACKED
    # words of a row that have pixels in common, of the planes and of the head
    shared: uint256 = (p.widths[last] + 7) // 8 + p.splits[last] - 1
    gas += p.channels[last] * (p.heights[last] + 1) * shared * GAS_HEAD_PART
    depth: uint256 = 32 // p.shape.weight_bits
    return gas + p.shape.classes * (GAS_CLASS + (p.terms + depth - 1) // depth * GAS_HEAD_WORD)
