# pragma version 0.4.3
# pragma optimize gas
"""
@title DenseValidator: what a dense model must be, and what it costs
@license MIT
@notice
    The half of the dense engine that is slow and strict: `validate` accepts exactly the byte strings that
    `trainer/encode.py` decodes, one for each network, and bounds the gas of `predict`. The file format is in
    `README.md`, the arithmetic in `trainer/integer.py`.

    No storage, no calls, and nobody owns it.
"""

# header and geometry
from .modules import dense_layout

MAX_BYTES: constant(uint256) = 126976
MAX_CLASSES: constant(uint256) = 256
MAX_LAYERS: constant(uint256) = 7
# the market adds less than half a million to it: an audit of one sample takes at most 12 M
MAX_COST: constant(uint256) = 11_500_000
# every |accumulator| stays below
MAX_ACCUMULATOR: constant(uint256) = 2**24
# what a stored bias is above the bias
LIFT: constant(uint256) = 2**30

MAX_ROWS: constant(uint256) = 4096
MAX_CHUNKS: constant(uint256) = 144
MAX_TERMS: constant(uint256) = 512
# words of a kind of a sample's tail that share a term
MAX_MERGED: constant(uint256) = 16

# even fields of 2, 4, 8 and 16 bits
PAIRS_2: constant(uint256) = max_value(uint256) // 5
PAIRS_4: constant(uint256) = max_value(uint256) // 17
PAIRS_8: constant(uint256) = max_value(uint256) // 257
PAIRS_16: constant(uint256) = max_value(uint256) // 65537

# gas of one sample, see _cost; with lanes wider than 16 bits the engine passes the call on
GAS_CALL: constant(uint256) = 142_500
GAS_WIDE_CALL: constant(uint256) = 430_000
GAS_LAYER: constant(uint256) = 1_550
GAS_SLOT: constant(uint256) = 3_300
GAS_INPUT: constant(uint256) = 180
GAS_PIECE: constant(uint256) = 350
GAS_TURNED: constant(uint256) = 2_750
GAS_ROW: constant(uint256) = 680
GAS_MEET: constant(uint256) = 1_100
GAS_TERM: constant(uint256) = 58
GAS_FIELD: constant(uint256) = 210
# a call leaves 1/64 of the gas behind (EIP-150)
KEPT_BEHIND: constant(uint256) = 60


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
    assert len(model) >= 32, "engine: model too short"
    shape: dense_layout.Shape = dense_layout._shape(extract32(model, 0, output_type=uint256))
    assert shape.input_bits == input_bits, "engine: other input bits"
    assert shape.widths[0] * shape.input_bits // 8 == sample_bytes, "engine: other sample size"
    assert shape.widths[shape.layers] == classes, "engine: other number of classes"
    gas: uint256 = self._cost(shape)
    assert gas <= MAX_COST, "engine: sample costs too much"

    plan: dense_layout.Plan = empty(dense_layout.Plan)
    row: uint256 = 32
    for layer: uint256 in range(shape.layers, bound=MAX_LAYERS):
        plan = dense_layout._plan(shape, layer)
        row += plan.rows * (dense_layout.BIAS_BYTES + plan.row_bytes)
    assert len(model) == row, "engine: wrong length"

    row = 32
    w: uint256 = shape.weight_bits
    z: uint256 = 1 << (w - 1)
    for layer: uint256 in range(shape.layers, bound=MAX_LAYERS):
        plan = dense_layout._plan(shape, layer)
        most: uint256 = (1 << plan.bits) - 1
        # chunks stand at the lower end of the word that is read
        below: uint256 = 32 - plan.chunk_bytes
        chunk: uint256 = max_value(uint256) >> (8 * below)
        # lowest bit of every field, a field being the place of one weight
        fields: uint256 = chunk // ((1 << w) - 1)
        lows: uint256 = fields * (z - 1)
        # lowest bit of the fields that hold a weight
        used: uint256[MAX_CHUNKS] = empty(uint256[MAX_CHUNKS])
        for t: uint256 in range(plan.terms, bound=MAX_TERMS):
            used[t // plan.depth] |= self._used(plan, layer, t) << (w * (t % plan.depth))

        chunks: uint256 = (plan.terms + plan.depth - 1) // plan.depth
        biases: uint256 = row
        row += dense_layout.BIAS_BYTES * plan.rows
        for j: uint256 in range(plan.rows, bound=MAX_ROWS):
            at: uint256 = row - below
            sums: uint256 = 0
            for c: uint256 in range(chunks, bound=MAX_CHUNKS):
                v: uint256 = extract32(model, at, output_type=uint256) & chunk
                # at most 124 KiB
                at = unsafe_add(at, plan.chunk_bytes)
                real: uint256 = used[c]
                # a field's lowest bit becomes the OR of its bits; bits of the field above fall into higher ones
                any: uint256 = v
                if w == 8:
                    any |= any >> 4
                if w >= 4:
                    any |= any >> 2
                any |= any >> 1
                assert any & fields == real, "engine: lanes not canonical"
                # A field without its highest bit is a negative weight f - z: |f - z| = z - f = f + z - 2 f. Else f - z
                # are the low bits. Nothing leaves a field: f < z, and the result is at most z - 1.
                negative: uint256 = real ^ (v >> (w - 1) & fields)
                bits_below: uint256 = v & unsafe_mul(negative, unsafe_sub(z, 1))
                v = unsafe_sub(unsafe_add(v & lows, unsafe_mul(negative, z)), unsafe_mul(bits_below, 2))
                # 16-bit sums: at most 2 * 127, 4 * 7 or 8 * 1
                if w == 2:
                    v = unsafe_add(v & PAIRS_2, v >> 2 & PAIRS_2)
                if w <= 4:
                    v = unsafe_add(v & PAIRS_4, v >> 4 & PAIRS_4)
                v = unsafe_add(v & PAIRS_8, v >> 8 & PAIRS_8)
                # 144 * 254 < 2**16
                sums = unsafe_add(sums, v)
            sums = unsafe_add(sums & PAIRS_16, sums >> 16 & PAIRS_16)
            # modulo 2**32 - 1 is the sum of the 32-bit fields: 4096 * 127 < 2**32 - 1
            sums %= 2**32 - 1
            row += plan.row_bytes
            bias: uint256 = extract32(model, biases + dense_layout.BIAS_BYTES * j, output_type=uint256) >> 224
            bias = max(bias, LIFT) - min(bias, LIFT)
            assert sums * most + bias < MAX_ACCUMULATOR, "engine: accumulator too large"
    return gas


@external
@view
def cost(model: Bytes[MAX_BYTES]) -> uint256:
    """
    @notice Upper bound of the execution gas of `predict` for one sample, from the shapes alone.
    @param model A model; only its header is read.
    @return Gas, without the base fee of a transaction and its calldata.
    """
    assert len(model) >= 32, "engine: model too short"
    return self._cost(dense_layout._shape(extract32(model, 0, output_type=uint256)))


@external
@view
def logits(model: Bytes[MAX_BYTES], samples: Bytes[MAX_BYTES], index: uint256) -> DynArray[int256, MAX_CLASSES]:
    """
    @notice Accumulators of the last layer for one sample: slow and plain, weight by weight, for auditors and tests.
    @param model A model that `validate` accepts.
    @param samples Samples, concatenated.
    @param index Which sample.
    @return One number a class; the class is the largest one's index, the lowest on ties.
    """
    assert len(model) >= 32, "engine: model too short"
    shape: dense_layout.Shape = dense_layout._shape(extract32(model, 0, output_type=uint256))
    sample_bytes: uint256 = shape.widths[0] * shape.input_bits // 8
    count: uint256 = len(samples) // sample_bytes
    assert count * sample_bytes == len(samples), "engine: not whole samples"
    assert index < count, "engine: no such sample"
    z: int256 = convert(1 << (shape.weight_bits - 1), int256)

    plan: dense_layout.Plan = empty(dense_layout.Plan)
    row: uint256 = 32
    acc: int256 = 0
    term: uint256 = 0
    lane: uint256 = 0
    at: uint256 = 0
    inputs: DynArray[int256, MAX_ROWS] = []
    outputs: DynArray[int256, MAX_ROWS] = []
    for i: uint256 in range(shape.widths[0], bound=MAX_ROWS):
        at = i * shape.input_bits
        octet: uint256 = convert(slice(samples, index * sample_bytes + at // 8, 1), uint256)
        value: uint256 = octet >> (8 - shape.input_bits - at % 8) & ((1 << shape.input_bits) - 1)
        inputs.append(convert(value, int256))
    for layer: uint256 in range(shape.layers, bound=MAX_LAYERS):
        plan = dense_layout._plan(shape, layer)
        period: uint256 = plan.split * plan.lanes
        tail: uint256 = plan.whole * period
        biases: uint256 = row
        row += dense_layout.BIAS_BYTES * plan.rows
        outputs = []
        for j: uint256 in range(plan.rows, bound=MAX_ROWS):
            acc = 0
            for i: uint256 in range(plan.inputs, bound=MAX_ROWS):
                if layer > 0:
                    term = i // plan.lanes
                    lane = i % plan.lanes
                elif i < tail:
                    e: uint256 = period - 1 - i % period
                    term = i // period * plan.split + e % plan.split
                    lane = e // plan.split
                else:
                    piece: uint256 = (i - tail) % plan.split
                    term = plan.whole * plan.split + piece // plan.merged
                    lane = plan.lanes - 1 - (i - tail) // plan.split - plan.run * (piece % plan.merged)
                at = row + (term // plan.depth + 1) * plan.chunk_bytes - 32
                chunk: uint256 = extract32(model, at, output_type=uint256)
                at = plan.stride * (plan.lanes - 1 - lane) + shape.weight_bits * (term % plan.depth)
                stored: uint256 = chunk >> at & ((1 << shape.weight_bits) - 1)
                acc += (convert(stored, int256) - z) * inputs[i]
            row += plan.row_bytes
            bias: uint256 = extract32(model, biases + dense_layout.BIAS_BYTES * j, output_type=uint256) >> 224
            acc += convert(bias, int256) - convert(LIFT, int256)
            if layer + 1 < shape.layers:
                rescale: uint256 = shape.shifts[layer]
                acc = min(max(acc, 0) >> rescale, convert((1 << shape.activation_bits) - 1, int256))
            outputs.append(acc)
        inputs = outputs
    answer: DynArray[int256, MAX_CLASSES] = []
    for value: int256 in inputs:
        answer.append(value)
    return answer


@internal
@pure
def _cost(shape: dense_layout.Shape) -> uint256:
    """
    @notice Upper bound of the gas of one sample; the constants are measured, and held above measurements by the tests.
    @param shape A shape within the ranges of the format.
    @return Gas.
    """
    wide: bool = dense_layout._is_wide(shape)
    gas: uint256 = GAS_WIDE_CALL if wide else GAS_CALL
    for layer: uint256 in range(shape.layers, bound=MAX_LAYERS):
        plan: dense_layout.Plan = dense_layout._plan(shape, layer)
        parts: uint256 = (plan.rows + 127) // 128
        # of a term of inputs, cut from a sample or from activations, and of a term of a row
        load: uint256 = GAS_INPUT if layer == 0 else GAS_TURNED
        term: uint256 = GAS_TERM if plan.depth <= 4 else GAS_FIELD
        gas += GAS_LAYER + parts * (GAS_SLOT * plan.slots + load * plan.terms + GAS_PIECE * plan.pieces)
        gas += plan.rows * (GAS_ROW + GAS_MEET * plan.slots + term * plan.terms)
    if wide:
        gas += gas // KEPT_BEHIND
    return gas


@internal
@pure
def _used(plan: dense_layout.Plan, layer: uint256, term: uint256) -> uint256:
    """
    @notice Lowest bit of the lanes of a row's term that hold a weight; weight m stands in lane k - 1 - m.
    @param plan The layer's geometry.
    @param layer Its number.
    @param term Below plan.terms.
    @return A word of lanes.
    """
    k: uint256 = plan.lanes
    if layer > 0:
        real: uint256 = min(k, plan.inputs - term * k)
        # the upper lanes
        return plan.ones >> (plan.stride * (k - real)) << (plan.stride * (k - real))
    if term < plan.whole * plan.split:
        return plan.ones
    # pieces of a tail, one beside the other from the lowest lane up; a piece has every split-th input
    first: uint256 = (term - plan.whole * plan.split) * plan.merged
    used: uint256 = 0
    for i: uint256 in range(plan.merged, bound=MAX_MERGED):
        if first + i < plan.pieces:
            size: uint256 = (plan.rest - first - i + plan.split - 1) // plan.split
            used |= (plan.ones & ~(max_value(uint256) << (plan.stride * size))) << (plan.stride * plan.run * i)
    return used
