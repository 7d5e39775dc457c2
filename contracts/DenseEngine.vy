# pragma version 0.4.3
# pragma optimize gas
"""
@title DenseEngine: runs integer networks of dense layers
@license MIT
@notice
    `validate` proves that a byte string is a model, once. `predict` then runs samples, as many as the caller's gas
    allows, and cannot fail. The file format is in `README.md`, the arithmetic in `trainer/integer.py`.

    How a row meets a sample. One 256-bit multiplication is a dot product: with input m in lane m of one word and weight
    m in lane k-1-m of the other, lane k-1 of the product is the sum of input m times weight m. Weights are stored with
    an offset z, so that no lane is ever negative, and the offset is taken off at the end:

        sum x * w + b  =  sum x * (w + z)  -  z * sum x  +  b

    1. The masked samples are cut into blocks of 12 terms; block b of sample s is words[base + b * samples + s].
    2. Four rows at a time (a bundle) are cut into blocks too, and meet that block of every sample.
    3. The four sums of a sample are collected in one word, 64 bits each; after the last block they become activations,
       written as the next layer's blocks, or compete for the class.

    The engine has no storage, makes no calls, and nobody owns it.
"""

from .interfaces import IEngine

# a block of terms from chunks
from .modules import dense_lanes

# header and geometry
from .modules import dense_shape

implements: IEngine

MAX_BYTES: constant(uint256) = 122880
MAX_GROUP: constant(uint256) = 32
MAX_CLASSES: constant(uint256) = 256
MAX_LAYERS: constant(uint256) = 7
MAX_COST: constant(uint256) = 12_000_000
# every |accumulator| stays below
MAX_ACCUMULATOR: constant(uint256) = 2**24

BLOCK: constant(uint256) = 12
BUNDLE: constant(uint256) = 4
# a row of 432 terms has 36 blocks
MAX_BLOCKS: constant(uint256) = 36
MAX_BUNDLES: constant(uint256) = 1024
MAX_ROWS: constant(uint256) = 4096
MAX_CHUNKS: constant(uint256) = 144
MAX_TERMS: constant(uint256) = 432
# blocks at a time, of all samples and layers
MAX_WORDS: constant(uint256) = 192

# even fields of 2, 4, 8 and 16 bits
PAIRS_2: constant(uint256) = max_value(uint256) // 5
PAIRS_4: constant(uint256) = max_value(uint256) // 17
PAIRS_8: constant(uint256) = max_value(uint256) // 257
PAIRS_16: constant(uint256) = max_value(uint256) // 65537

# gas of one sample, see _cost
GAS_CALL: constant(uint256) = 295_000
GAS_LAYER: constant(uint256) = 5_000
GAS_INPUT: constant(uint256) = 8_000
GAS_BUNDLE: constant(uint256) = 4_200
GAS_MEET: constant(uint256) = 8_000

LANE_64: constant(uint256) = 2**64 - 1
# the sign of a wrapped word
SIGN: constant(uint256) = 2**255
# lifts every accumulator, and the bias of rows that do not exist, above zero
LIFT: constant(uint256) = 2**64
# bias of a row that does not exist: its activation is zero, its class loses
NO_ROW: constant(uint256) = max_value(uint256) - 2**60 + 1


@external
@view
def validate(model: Bytes[MAX_BYTES], sample_bytes: uint256, input_bits: uint256, classes: uint256) -> uint256:
    """
    @notice Reverts with a reason "engine: ..." unless the model is the canonical encoding of a network for this input.
    @param model The model file.
    @param sample_bytes Bytes of a sample.
    @param input_bits Bits of an input feature.
    @param classes Number of classes.
    @return Upper bound of the execution gas of `predict` for one sample of a group.
    """
    assert len(model) >= 32, "engine: model too short"
    shape: dense_shape.Shape = dense_shape._shape(extract32(model, 0, output_type=uint256))
    assert shape.input_bits == input_bits, "engine: other input bits"
    assert shape.widths[0] * shape.input_bits // 8 == sample_bytes, "engine: other sample size"
    assert shape.widths[shape.layers] == classes, "engine: other number of classes"
    gas: uint256 = self._cost(shape)
    assert gas <= MAX_COST, "engine: sample costs too much"

    plan: dense_shape.Plan = empty(dense_shape.Plan)
    row: uint256 = 32
    for layer: uint256 in range(shape.layers, bound=MAX_LAYERS):
        plan = dense_shape._plan(shape, layer)
        row += plan.rows * plan.row_bytes
    assert len(model) == row, "engine: wrong length"

    row = 32
    w: uint256 = shape.weight_bits
    z: uint256 = 1 << (w - 1)
    for layer: uint256 in range(shape.layers, bound=MAX_LAYERS):
        plan = dense_shape._plan(shape, layer)
        most: uint256 = (1 << plan.bits) - 1
        # chunks stand at the upper end of the word that is read
        above: uint256 = 256 - 8 * plan.chunk_bytes
        # lowest bit of every field, a field being the place of one weight
        fields: uint256 = (max_value(uint256) >> above) // ((1 << w) - 1)
        lows: uint256 = fields * (z - 1)
        # lowest bit of the fields that hold a weight
        used: uint256[MAX_CHUNKS] = empty(uint256[MAX_CHUNKS])
        for t: uint256 in range(plan.terms, bound=MAX_TERMS):
            used[t // plan.depth] |= self._used(plan, layer, t) << (w * (t % plan.depth))

        for j: uint256 in range(plan.rows, bound=MAX_ROWS):
            at: uint256 = row
            sums: uint256 = 0
            for c: uint256 in range(plan.chunks, bound=MAX_CHUNKS):
                v: uint256 = extract32(model, at, output_type=uint256) >> above
                # at most 120 KiB
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
                below: uint256 = v & unsafe_mul(negative, unsafe_sub(z, 1))
                v = unsafe_sub(unsafe_add(v & lows, unsafe_mul(negative, z)), unsafe_mul(below, 2))
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
            bias: uint256 = extract32(model, row - 32, output_type=uint256) & (2**32 - 1)
            if bias >= 2**31:
                bias = 2**32 - bias
            assert sums * most + bias < MAX_ACCUMULATOR, "engine: accumulator too large"
    return gas


@external
@view
def cost(model: Bytes[MAX_BYTES]) -> uint256:
    """
    @notice Upper bound of the execution gas of `predict` for one sample of a group, from the shapes alone.
    @param model A model; only its header is read.
    @return Gas, without the base fee of a transaction and its calldata.
    """
    assert len(model) >= 32, "engine: model too short"
    return self._cost(dense_shape._shape(extract32(model, 0, output_type=uint256)))


@external
@view
def predict(model: Bytes[MAX_BYTES], samples: Bytes[MAX_BYTES], mask: uint256) -> bytes32:
    """
    @notice Classes of the masked samples of a group; samples outside the mask are not computed.
    @dev The answer is meaningful for a model that `validate` accepts.
    @param model A model that `validate` accepts.
    @param samples The group's samples, concatenated; at most 32.
    @param mask Bit i stands for sample i.
    @return Byte i is the class of sample i if the mask has it, else zero.
    """
    assert len(model) >= 32, "engine: model too short"
    shape: dense_shape.Shape = dense_shape._shape(extract32(model, 0, output_type=uint256))
    # at most 4096, at least 1
    sample_bytes: uint256 = shape.widths[0] * shape.input_bits // 8
    count: uint256 = len(samples) // sample_bytes
    assert count * sample_bytes == len(samples), "engine: not whole samples"
    assert count <= MAX_GROUP, "engine: too many samples"
    assert mask >> count == 0, "engine: mask beyond samples"
    total: uint256 = 0
    for i: uint256 in range(count, bound=MAX_GROUP):
        total += mask >> i & 1
    if total == 0:
        return empty(bytes32)
    # samples shorter than a word, at its upper end
    short: uint256 = 0
    if len(samples) < 32:
        for i: uint256 in range(len(samples), bound=32):
            short |= convert(slice(samples, i, 1), uint256) << (248 - 8 * i)
    plan: dense_shape.Plan = empty(dense_shape.Plan)
    # where the terms of a block are found, and chunks read from there
    place: uint256[8] = empty(uint256[8])
    from_: uint256[4] = empty(uint256[4])
    # a block of one sample, and of four rows
    xb: uint256[BLOCK] = empty(uint256[BLOCK])
    wb: uint256[BLOCK][BUNDLE] = empty(uint256[BLOCK][BUNDLE])
    # of four rows: the biases; of each sample: the sums, z * sum x, and the best class with its accumulator
    bias: uint256[BUNDLE] = empty(uint256[BUNDLE])
    sums: uint256[MAX_GROUP] = empty(uint256[MAX_GROUP])
    offsets: uint256[MAX_GROUP] = empty(uint256[MAX_GROUP])
    best: uint256[MAX_GROUP] = empty(uint256[MAX_GROUP])
    # where the bundle begins in the model, and the layer's inputs in words
    row: uint256 = 32
    base: uint256 = 0
    d0: uint256 = 0
    d1: uint256 = 0
    d2: uint256 = 0
    d3: uint256 = 0
    blocks: uint256 = 0
    out_blocks: uint256 = 0
    at: uint256 = 0
    v: uint256 = 0
    z: uint256 = 1 << (shape.weight_bits - 1)
    top: uint256 = 0
    low: uint256 = 0
    # the lanes of a term, and the unused bits below a chunk
    cut: uint256 = 0
    above: uint256 = 0
    # the inputs of all layers; last and no larger than useful, because memory is paid up to its declared end
    words: DynArray[uint256[BLOCK], MAX_WORDS] = []
    result: uint256 = 0

    # As many samples at a time as fit into `words`. A model within 120 KiB has less than 3,614 rows, so a sample takes
    # at most 36 + 3614 / 120 + 6 blocks.
    each: uint256 = 0
    for layer: uint256 in range(shape.layers, bound=MAX_LAYERS):
        plan = dense_shape._plan(shape, layer)
        each += (plan.terms + BLOCK - 1) // BLOCK
    assert each <= MAX_WORDS, "engine: model too wide"
    most: uint256 = MAX_WORDS // each
    passes: uint256 = (total + most - 1) // most
    most = (total + passes - 1) // passes
    remaining: uint256 = mask

    for turn: uint256 in range(passes, bound=MAX_GROUP):
        picked: DynArray[uint256, MAX_GROUP] = []
        for i: uint256 in range(count, bound=MAX_GROUP):
            if remaining >> i & 1 == 1 and len(picked) < most:
                picked.append(i)
                remaining ^= 1 << i
        n: uint256 = len(picked)
        words = []
        best = empty(uint256[MAX_GROUP])
        row = 32
        base = 0
        for layer: uint256 in range(shape.layers, bound=MAX_LAYERS):
            plan = dense_shape._plan(shape, layer)
            blocks = (plan.terms + BLOCK - 1) // BLOCK
            # the lane of the sum, the lowest bits of the lanes of a row's words
            top = 240
            low = plan.ones
            if plan.stride == 24:
                top = 232
                low = plan.ones << 16

            if layer == 0:
                cut = plan.ones * ((1 << plan.bits) - 1)
                # chunks stand at the upper end of the word that is read
                above = 256 - 8 * plan.chunk_bytes
                chunks: uint256 = (sample_bytes + plan.chunk_bytes - 1) // plan.chunk_bytes
                for b: uint256 in range(blocks, bound=MAX_BLOCKS):
                    place = dense_lanes._places(b, plan.stride, plan.bits, chunks)
                    # where the block's last chunk ends
                    end: uint256 = max(max(place[0], place[1]), max(place[2], place[3])) + plan.chunk_bytes
                    for i: uint256 in picked:
                        at = i * sample_bytes
                        if end <= sample_bytes and at + end + 2 <= len(samples):
                            for u: uint256 in range(4):
                                from_[u] = extract32(samples, unsafe_add(at, place[u]), output_type=uint256)
                        else:
                            # the sample ends in this block, or the samples less than a word behind
                            for u: uint256 in range(4):
                                v = place[u]
                                rest: uint256 = sample_bytes - v
                                v += at
                                if v + 32 <= len(samples):
                                    v = extract32(samples, v, output_type=uint256)
                                elif len(samples) >= 32:
                                    tail: uint256 = extract32(samples, len(samples) - 32, output_type=uint256)
                                    v = tail << (8 * (v + 32 - len(samples)))
                                else:
                                    v = short << (8 * v)
                                if rest < 32:
                                    v = v >> (256 - 8 * rest) << (256 - 8 * rest)
                                from_[u] = v
                        words.append(
                            dense_lanes._spread(
                                # a shift is at most 256 + 16
                                from_[0] >> unsafe_add(place[4], above),
                                from_[1] >> unsafe_add(place[5], above),
                                from_[2] >> unsafe_add(place[6], above),
                                from_[3] >> unsafe_add(place[7], above),
                                plan.bits,
                                cut,
                                plan.stride,
                            )
                        )

                # z * sum x of every sample: the sum of the words, modulo 2**stride - 1, is the sum of all lanes.
                # Lanes: 432 * 255 < 2**24, 256 * 15 < 2**16;
                # sums: 4096 * 255 < 2**24 - 1, 4096 * 15 < 2**16 - 1.


            for s: uint256 in range(n, bound=MAX_GROUP):
                v = 0
                for b: uint256 in range(blocks, bound=MAX_BLOCKS):
                    # an index of words: at most 288
                    xb = words[unsafe_add(unsafe_add(base, unsafe_mul(b, n)), s)]
                    v = unsafe_add(
                        v,
                        unsafe_add(
                            unsafe_add(
                                unsafe_add(unsafe_add(xb[0], xb[1]), unsafe_add(xb[2], xb[3])),
                                unsafe_add(unsafe_add(xb[4], xb[5]), unsafe_add(xb[6], xb[7])),
                            ),
                            unsafe_add(unsafe_add(xb[8], xb[9]), unsafe_add(xb[10], xb[11])),
                        ),
                    )
                offsets[s] = unsafe_mul(v % ((1 << plan.stride) - 1), z)

            is_last: bool = layer + 1 == shape.layers
            next_base: uint256 = len(words)
            lanes: uint256 = 10
            stride: uint256 = 24
            stride_2: uint256 = 0
            stride_3: uint256 = 0
            rescale: uint256 = 0
            limit: uint256 = 0
            # the bits of a word that lanes stand in
            keep: uint256 = 2**240 - 1
            if not is_last:
                # lanes of the next layer's inputs
                if shape.activation_bits <= 4 and shape.weight_bits <= 4:
                    lanes = 16
                    stride = 16
                    keep = max_value(uint256)
                stride_2 = 2 * stride
                stride_3 = 3 * stride
                rescale = shape.shifts[layer]
                limit = (1 << shape.activation_bits) - 1
                out_blocks = (plan.rows + lanes * BLOCK - 1) // (lanes * BLOCK)
                for i: uint256 in range(out_blocks * n, bound=MAX_WORDS):
                    words.append(empty(uint256[BLOCK]))
            cut = low * ((1 << shape.weight_bits) - 1)
            for g: uint256 in range((plan.rows + BUNDLE - 1) // BUNDLE, bound=MAX_BUNDLES):
                sums = empty(uint256[MAX_GROUP])
                for r: uint256 in range(BUNDLE):
                    bias[r] = NO_ROW
                    if BUNDLE * g + r < plan.rows:
                        # the bias is the row's last 4 bytes
                        v = extract32(model, row + (r + 1) * plan.row_bytes - 32, output_type=uint256) & (2**32 - 1)
                        # sign extension: 2**31 is taken off from the numbers from 2**31 on, twice
                        bias[r] = unsafe_sub(v ^ (2**31), 2**31)
                for b: uint256 in range(blocks, bound=MAX_BLOCKS):
                    place = dense_lanes._places(b, plan.stride, shape.weight_bits, plan.chunks)
                    for r: uint256 in range(BUNDLE):
                        if unsafe_add(unsafe_mul(BUNDLE, g), r) < plan.rows:
                            # inside the model, at most 120 KiB
                            at = unsafe_add(row, unsafe_mul(r, plan.row_bytes))
                            wb[r] = dense_lanes._spread(
                                extract32(model, unsafe_add(at, place[0]), output_type=uint256) >> place[4],
                                extract32(model, unsafe_add(at, place[1]), output_type=uint256) >> place[5],
                                extract32(model, unsafe_add(at, place[2]), output_type=uint256) >> place[6],
                                extract32(model, unsafe_add(at, place[3]), output_type=uint256) >> place[7],
                                shape.weight_bits,
                                cut,
                                plan.stride,
                            )
                        else:
                            wb[r] = empty(uint256[BLOCK])
                    first: uint256 = base + b * n
                    # No carry leaves a lane: 12 products, see dense_lanes. The sums of all blocks stay below
                    # 4096 * 255 * 255 < 2**64.
                    if plan.terms > BLOCK * b + 4:
                        for s: uint256 in range(n, bound=MAX_GROUP):
                            xb = words[unsafe_add(first, s)]
                            d0 = unsafe_add(
                                unsafe_add(
                                    unsafe_add(
                                        unsafe_add(unsafe_mul(xb[0], wb[0][0]), unsafe_mul(xb[1], wb[0][1])),
                                        unsafe_add(unsafe_mul(xb[2], wb[0][2]), unsafe_mul(xb[3], wb[0][3])),
                                    ),
                                    unsafe_add(
                                        unsafe_add(unsafe_mul(xb[4], wb[0][4]), unsafe_mul(xb[5], wb[0][5])),
                                        unsafe_add(unsafe_mul(xb[6], wb[0][6]), unsafe_mul(xb[7], wb[0][7])),
                                    ),
                                ),
                                unsafe_add(
                                    unsafe_add(unsafe_mul(xb[8], wb[0][8]), unsafe_mul(xb[9], wb[0][9])),
                                    unsafe_add(unsafe_mul(xb[10], wb[0][10]), unsafe_mul(xb[11], wb[0][11])),
                                ),
                            )
                            d1 = unsafe_add(
                                unsafe_add(
                                    unsafe_add(
                                        unsafe_add(unsafe_mul(xb[0], wb[1][0]), unsafe_mul(xb[1], wb[1][1])),
                                        unsafe_add(unsafe_mul(xb[2], wb[1][2]), unsafe_mul(xb[3], wb[1][3])),
                                    ),
                                    unsafe_add(
                                        unsafe_add(unsafe_mul(xb[4], wb[1][4]), unsafe_mul(xb[5], wb[1][5])),
                                        unsafe_add(unsafe_mul(xb[6], wb[1][6]), unsafe_mul(xb[7], wb[1][7])),
                                    ),
                                ),
                                unsafe_add(
                                    unsafe_add(unsafe_mul(xb[8], wb[1][8]), unsafe_mul(xb[9], wb[1][9])),
                                    unsafe_add(unsafe_mul(xb[10], wb[1][10]), unsafe_mul(xb[11], wb[1][11])),
                                ),
                            )
                            d2 = unsafe_add(
                                unsafe_add(
                                    unsafe_add(
                                        unsafe_add(unsafe_mul(xb[0], wb[2][0]), unsafe_mul(xb[1], wb[2][1])),
                                        unsafe_add(unsafe_mul(xb[2], wb[2][2]), unsafe_mul(xb[3], wb[2][3])),
                                    ),
                                    unsafe_add(
                                        unsafe_add(unsafe_mul(xb[4], wb[2][4]), unsafe_mul(xb[5], wb[2][5])),
                                        unsafe_add(unsafe_mul(xb[6], wb[2][6]), unsafe_mul(xb[7], wb[2][7])),
                                    ),
                                ),
                                unsafe_add(
                                    unsafe_add(unsafe_mul(xb[8], wb[2][8]), unsafe_mul(xb[9], wb[2][9])),
                                    unsafe_add(unsafe_mul(xb[10], wb[2][10]), unsafe_mul(xb[11], wb[2][11])),
                                ),
                            )
                            d3 = unsafe_add(
                                unsafe_add(
                                    unsafe_add(
                                        unsafe_add(unsafe_mul(xb[0], wb[3][0]), unsafe_mul(xb[1], wb[3][1])),
                                        unsafe_add(unsafe_mul(xb[2], wb[3][2]), unsafe_mul(xb[3], wb[3][3])),
                                    ),
                                    unsafe_add(
                                        unsafe_add(unsafe_mul(xb[4], wb[3][4]), unsafe_mul(xb[5], wb[3][5])),
                                        unsafe_add(unsafe_mul(xb[6], wb[3][6]), unsafe_mul(xb[7], wb[3][7])),
                                    ),
                                ),
                                unsafe_add(
                                    unsafe_add(unsafe_mul(xb[8], wb[3][8]), unsafe_mul(xb[9], wb[3][9])),
                                    unsafe_add(unsafe_mul(xb[10], wb[3][10]), unsafe_mul(xb[11], wb[3][11])),
                                ),
                            )
                            sums[s] = unsafe_add(
                                sums[s], d0 >> top | d1 >> top << 64 | d2 >> top << 128 | d3 >> top << 192
                            )
                    else:
                        # the other terms are zero
                        for s: uint256 in range(n, bound=MAX_GROUP):
                            xb = words[unsafe_add(first, s)]
                            d0 = unsafe_add(
                                unsafe_add(unsafe_mul(xb[0], wb[0][0]), unsafe_mul(xb[1], wb[0][1])),
                                unsafe_add(unsafe_mul(xb[2], wb[0][2]), unsafe_mul(xb[3], wb[0][3])),
                            )
                            d1 = unsafe_add(
                                unsafe_add(unsafe_mul(xb[0], wb[1][0]), unsafe_mul(xb[1], wb[1][1])),
                                unsafe_add(unsafe_mul(xb[2], wb[1][2]), unsafe_mul(xb[3], wb[1][3])),
                            )
                            d2 = unsafe_add(
                                unsafe_add(unsafe_mul(xb[0], wb[2][0]), unsafe_mul(xb[1], wb[2][1])),
                                unsafe_add(unsafe_mul(xb[2], wb[2][2]), unsafe_mul(xb[3], wb[2][3])),
                            )
                            d3 = unsafe_add(
                                unsafe_add(unsafe_mul(xb[0], wb[3][0]), unsafe_mul(xb[1], wb[3][1])),
                                unsafe_add(unsafe_mul(xb[2], wb[3][2]), unsafe_mul(xb[3], wb[3][3])),
                            )
                            sums[s] = unsafe_add(
                                sums[s], d0 >> top | d1 >> top << 64 | d2 >> top << 128 | d3 >> top << 192
                            )
                row += BUNDLE * plan.row_bytes

                # Accumulators wrap below zero: |accumulator| < 2**24, or about -2**60 for rows that do not exist.
                if is_last:
                    for s: uint256 in range(n, bound=MAX_GROUP):
                        v = sums[s]
                        at = unsafe_sub(LIFT, offsets[s])
                        # from 0 to 255, counted down so that the lowest class wins a tie
                        rank: uint256 = unsafe_sub(255, BUNDLE * g)
                        d0 = unsafe_add(unsafe_add(v & LANE_64, bias[0]), at) << 8 | rank & 255
                        d1 = unsafe_add(unsafe_add(v >> 64 & LANE_64, bias[1]), at) << 8 | unsafe_sub(rank, 1) & 255
                        d2 = unsafe_add(unsafe_add(v >> 128 & LANE_64, bias[2]), at) << 8 | unsafe_sub(rank, 2) & 255
                        d3 = unsafe_add(unsafe_add(v >> 192, bias[3]), at) << 8 | unsafe_sub(rank, 3) & 255
                        best[s] = max(best[s], max(max(d0, d1), max(d2, d3)))
                else:
                    term: uint256 = BUNDLE * g // lanes
                    lane: uint256 = BUNDLE * g % lanes
                    # where the four activations go: an element, from a bit on
                    first: uint256 = next_base + term // BLOCK * n
                    element: uint256 = term % BLOCK
                    bit: uint256 = lane * stride
                    # and, where they do not all fit, the next one
                    spill: bool = lane + BUNDLE > lanes
                    next_first: uint256 = next_base + (term + 1) // BLOCK * n
                    next_element: uint256 = (term + 1) % BLOCK
                    for s: uint256 in range(n, bound=MAX_GROUP):
                        v = sums[s]
                        at = offsets[s]
                        d0 = unsafe_sub(unsafe_add(v & LANE_64, bias[0]), at)
                        d0 = min(d0 >> rescale, limit) if d0 < SIGN else 0
                        d1 = unsafe_sub(unsafe_add(v >> 64 & LANE_64, bias[1]), at)
                        d1 = min(d1 >> rescale, limit) if d1 < SIGN else 0
                        d2 = unsafe_sub(unsafe_add(v >> 128 & LANE_64, bias[2]), at)
                        d2 = min(d2 >> rescale, limit) if d2 < SIGN else 0
                        d3 = unsafe_sub(unsafe_add(v >> 192, bias[3]), at)
                        d3 = min(d3 >> rescale, limit) if d3 < SIGN else 0
                        v = d0 | d1 << stride | d2 << stride_2 | d3 << stride_3
                        # bits from lanes * stride on belong to the next term
                        words[unsafe_add(first, s)][element] |= v << bit & keep
                        if spill:
                            v = v >> unsafe_sub(lanes * stride, bit)
                            # the element exists where one of these rows does
                            if v != 0:
                                words[unsafe_add(next_first, s)][next_element] |= v
                            # the last bundle may have less than four rows


            row -= ((plan.rows + BUNDLE - 1) // BUNDLE * BUNDLE - plan.rows) * plan.row_bytes
            base = next_base

        for s: uint256 in range(n, bound=MAX_GROUP):
            result |= (255 - (best[s] & 255)) << (248 - 8 * picked[s])
    return convert(result, bytes32)


@external
@view
def logits(model: Bytes[MAX_BYTES], samples: Bytes[MAX_BYTES], index: uint256) -> DynArray[int256, MAX_CLASSES]:
    """
    @notice Accumulators of the last layer for one sample: slow and plain, weight by weight, for auditors and tests.
    @param model A model that `validate` accepts.
    @param samples The group's samples, concatenated.
    @param index Which sample.
    @return One number a class; the class is the largest one's index, the lowest on ties.
    """
    assert len(model) >= 32, "engine: model too short"
    shape: dense_shape.Shape = dense_shape._shape(extract32(model, 0, output_type=uint256))
    sample_bytes: uint256 = shape.widths[0] * shape.input_bits // 8
    count: uint256 = len(samples) // sample_bytes
    assert count * sample_bytes == len(samples), "engine: not whole samples"
    assert index < count, "engine: no such sample"
    z: int256 = convert(1 << (shape.weight_bits - 1), int256)

    plan: dense_shape.Plan = empty(dense_shape.Plan)
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
        plan = dense_shape._plan(shape, layer)
        split: uint256 = plan.stride // plan.bits
        period: uint256 = split * plan.lanes
        outputs = []
        for j: uint256 in range(plan.rows, bound=MAX_ROWS):
            acc = 0
            for i: uint256 in range(plan.inputs, bound=MAX_ROWS):
                if layer == 0:
                    e: uint256 = period - 1 - i % period
                    term = i // period * split + e % split
                    lane = e // split
                else:
                    term = i // plan.lanes
                    lane = i % plan.lanes
                at = 256 - 8 * plan.chunk_bytes + plan.stride * (plan.lanes - 1 - lane)
                at += shape.weight_bits * (term % plan.depth)
                chunk: uint256 = extract32(model, row + term // plan.depth * plan.chunk_bytes, output_type=uint256)
                stored: uint256 = chunk >> at & ((1 << shape.weight_bits) - 1)
                acc += (convert(stored, int256) - z) * inputs[i]
            row += plan.row_bytes
            bias: uint256 = extract32(model, row - 32, output_type=uint256) & (2**32 - 1)
            acc += convert(bias ^ (2**31), int256) - 2**31
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
def _cost(shape: dense_shape.Shape) -> uint256:
    """
    @notice Upper bound of the gas of one sample; the constants are measured, and held above measurements by the tests.
    @param shape A shape within the ranges of the format.
    @return Gas.
    """
    gas: uint256 = GAS_CALL
    for layer: uint256 in range(shape.layers, bound=MAX_LAYERS):
        plan: dense_shape.Plan = dense_shape._plan(shape, layer)
        blocks: uint256 = (plan.terms + BLOCK - 1) // BLOCK
        bundles: uint256 = (plan.rows + BUNDLE - 1) // BUNDLE
        gas += GAS_LAYER + GAS_INPUT * blocks + bundles * (GAS_BUNDLE + GAS_MEET * blocks)
    return gas


@internal
@pure
def _used(plan: dense_shape.Plan, layer: uint256, term: uint256) -> uint256:
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
    split: uint256 = plan.stride // plan.bits
    end: uint256 = (term // split + 1) * split * k
    if end <= plan.inputs:
        return plan.ones
    # of the chunk's places e = split * m + term % split, the lowest hold no input
    missing: uint256 = end - plan.inputs
    first: uint256 = (missing + split - 1 - term % split) // split
    # the lower lanes
    # first <= k: a shift by 256 gives zero
    return plan.ones >> (plan.stride * first)
