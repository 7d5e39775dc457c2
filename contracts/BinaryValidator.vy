# pragma version 0.4.3
# pragma optimize gas
"""
@title BinaryValidator: what a binary model must be, and what it costs
@license MIT
@notice
    The half of the binary engine that is slow and strict: `validate` accepts exactly the byte strings that
    `trainer/encode_binary.py` decodes, one for each network, and bounds the gas of `predict`. The file format is in
    `README.md`, the arithmetic in `trainer/integer.py`.

    No storage, no calls, and nobody owns it.
"""

# header and geometry
from .modules import binary_layout
from .modules import dense_layout

MAX_BYTES: constant(uint256) = 126976
MAX_CLASSES: constant(uint256) = 256
MAX_LAYERS: constant(uint256) = 7
# Less than the dense engine allows: `validate` takes up to about 1.2 times what it promises of a sample, and has to
# fit into a transaction that carries the model and all predictions.
MAX_COST: constant(uint256) = 10_000_000
# every |accumulator| stays below
MAX_ACCUMULATOR: constant(uint256) = 2**24

MAX_ROWS: constant(uint256) = 4096
# words of 256 weights in a row
MAX_WORDS: constant(uint256) = 16

# lower half of fields of 2, 4, 8 and 16 bits
PAIRS_2: constant(uint256) = max_value(uint256) // 3
PAIRS_4: constant(uint256) = max_value(uint256) // 5
PAIRS_8: constant(uint256) = max_value(uint256) // 17
PAIRS_16: constant(uint256) = max_value(uint256) // 257

# gas of one sample, see _cost
PART: constant(uint256) = 128
GAS_CALL: constant(uint256) = 84_000
GAS_LAYER: constant(uint256) = 3_000
GAS_SLOT: constant(uint256) = 1_500
GAS_INPUT: constant(uint256) = 300
GAS_GATHER: constant(uint256) = 7_500
GAS_ROW: constant(uint256) = 60
GAS_MEET: constant(uint256) = 730
GAS_CUT: constant(uint256) = 170


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
    shape: dense_layout.Shape = binary_layout._shape(extract32(model, 0, output_type=uint256))
    assert shape.input_bits == input_bits, "engine: other input bits"
    assert shape.widths[0] // 8 == sample_bytes, "engine: other sample size"
    assert shape.widths[shape.layers] == classes, "engine: other number of classes"
    gas: uint256 = self._cost(shape)
    assert gas <= MAX_COST, "engine: sample costs too much"

    plan: binary_layout.Plan = empty(binary_layout.Plan)
    row: uint256 = 32
    for layer: uint256 in range(shape.layers, bound=MAX_LAYERS):
        plan = binary_layout._plan(shape, layer)
        row += plan.rows * (binary_layout.BIAS_BYTES + plan.row_bytes)
    assert len(model) == row, "engine: wrong length"

    row = 32
    for layer: uint256 in range(shape.layers, bound=MAX_LAYERS):
        plan = binary_layout._plan(shape, layer)
        # bits of the last byte that hold no weight
        unused: uint256 = (1 << (8 * plan.row_bytes - plan.inputs)) - 1
        rest_mask: uint256 = (1 << (8 * plan.rest)) - 1
        whole: uint256 = plan.row_bytes // 32
        threshold_at: uint256 = row
        row += binary_layout.BIAS_BYTES * plan.rows
        for j: uint256 in range(plan.rows, bound=MAX_ROWS):
            # the word that ends where the row ends
            last: uint256 = extract32(model, row + plan.row_bytes - 32, output_type=uint256)
            assert last & unused == 0, "engine: unused bits not zero"
            sums: uint256 = self._fields(last & rest_mask)
            for i: uint256 in range(whole, bound=MAX_WORDS):
                # at most 17 words: 17 * 16 < 2**16 in a field
                sums = unsafe_add(sums, self._fields(extract32(model, row + 32 * i, output_type=uint256)))
            # the sum of the fields: at most 4096
            ones: uint256 = sums % 65535
            row += plan.row_bytes
            # b = c - ones
            stored: uint256 = extract32(model, threshold_at + binary_layout.BIAS_BYTES * j - 28, output_type=uint256)
            zero: uint256 = binary_layout.LIFT + ones
            stored &= 2**32 - 1
            bias: uint256 = max(stored, zero) - min(stored, zero)
            assert plan.inputs + bias < MAX_ACCUMULATOR, "engine: accumulator too large"
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
    return self._cost(binary_layout._shape(extract32(model, 0, output_type=uint256)))


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
    shape: dense_layout.Shape = binary_layout._shape(extract32(model, 0, output_type=uint256))
    sample_bytes: uint256 = shape.widths[0] // 8
    count: uint256 = len(samples) // sample_bytes
    assert count * sample_bytes == len(samples), "engine: not whole samples"
    assert index < count, "engine: no such sample"

    plan: binary_layout.Plan = empty(binary_layout.Plan)
    row: uint256 = 32
    inputs: DynArray[uint256, MAX_ROWS] = []
    outputs: DynArray[uint256, MAX_ROWS] = []
    answer: DynArray[int256, MAX_CLASSES] = []
    for i: uint256 in range(shape.widths[0], bound=MAX_ROWS):
        octet: uint256 = convert(slice(samples, index * sample_bytes + i // 8, 1), uint256)
        inputs.append(octet >> (7 - i % 8) & 1)
    for layer: uint256 in range(shape.layers, bound=MAX_LAYERS):
        plan = binary_layout._plan(shape, layer)
        threshold_at: uint256 = row
        row += binary_layout.BIAS_BYTES * plan.rows
        outputs = []
        for j: uint256 in range(plan.rows, bound=MAX_ROWS):
            stored: uint256 = convert(slice(model, threshold_at + binary_layout.BIAS_BYTES * j, 4), uint256)
            # sum x * w + b, weight by weight
            acc: int256 = convert(stored, int256) - convert(binary_layout.LIFT, int256)
            for i: uint256 in range(plan.inputs, bound=MAX_ROWS):
                octet: uint256 = convert(slice(model, row + i // 8, 1), uint256)
                one: bool = octet >> (7 - i % 8) & 1 == 1
                # the threshold is the bias plus 1 for each weight of 1
                if one:
                    acc -= 1
                if inputs[i] == 1:
                    acc += 1 if one else -1
            row += plan.row_bytes
            if layer + 1 < shape.layers:
                outputs.append(1 if acc > 0 else 0)
            else:
                answer.append(acc)
        inputs = outputs
    return answer


@internal
@pure
def _cost(shape: dense_layout.Shape) -> uint256:
    """
    @notice Upper bound of the gas of one sample; the constants are measured, and held above measurements by the tests.
    @param shape A shape within the ranges of the format.
    @return Gas.
    """
    gas: uint256 = GAS_CALL
    for layer: uint256 in range(shape.layers, bound=MAX_LAYERS):
        plan: binary_layout.Plan = binary_layout._plan(shape, layer)
        # a quarter counts as a word
        words: uint256 = (plan.row_bytes + 31) // 32
        # of inputs that fill one slot all rows are done at once
        parts: uint256 = 1
        if plan.slots > 1:
            parts = (plan.rows + PART - 1) // PART
        # of a word of inputs, cut from a sample or gathered from activations
        load: uint256 = GAS_INPUT if layer == 0 else GAS_GATHER
        gas += GAS_LAYER + parts * (GAS_SLOT * plan.slots + load * words)
        gas += plan.rows * (GAS_ROW + GAS_MEET * plan.slots + GAS_CUT * words)
    return gas


@internal
@pure
def _fields(word: uint256) -> uint256:
    """
    @notice Counts the ones of a word.
    @param word Any word.
    @return Sixteen fields of 16 bits, each at most 16, whose sum is the number of ones.
    """
    # a field of 2 bits gets at most 2, of 4 bits 4, of 8 bits 8, of 16 bits 16: nothing overflows
    v: uint256 = unsafe_add(word & PAIRS_2, (word >> 1) & PAIRS_2)
    v = unsafe_add(v & PAIRS_4, (v >> 2) & PAIRS_4)
    v = unsafe_add(v & PAIRS_8, (v >> 4) & PAIRS_8)
    return unsafe_add(v & PAIRS_16, (v >> 8) & PAIRS_16)
