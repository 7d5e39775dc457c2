# pragma version 0.4.3
# pragma optimize gas
"""
@title SegmentedEngine: networks too large for one transaction, one sample in a few
@license MIT
@notice
    A network is cut into segments: trunks, each of which computes planes, and a convolutional or dense network behind
    the last. Its model is the list of their hashes.

    1. `register` takes the bytes of one segment, once: has them validated, logs them and remembers what goes in and out.
       Whoever unseals a model registers its segments before; after the commits nobody can seal a copy any more.
    2. `step` runs one segment on one input and remembers the hash of what came out, by the hashes of both. Anyone may
       take any step at any time, in any order, and none has to be taken twice: a step is a fact, not a move.
    3. `predict` executes nothing: it follows the remembered steps from a sample to its class, and reverts while one is
       missing. So an audit proves what the chain itself has computed, segment by segment.

    What is remembered is written once, and says only what the contracts below would answer again: answers depend on the
    arguments alone, as an engine's must, once they can be given. Nobody owns it and it holds no money.
"""

from .interfaces import IEngine
from .interfaces import ITrunk
from .interfaces import ITrunkValidator

# header of a segment
from .modules import convolution_layout

implements: IEngine

MAX_BYTES: constant(uint256) = 126976
MAX_PLANES: constant(uint256) = 16384
MAX_SAMPLES: constant(uint256) = 256
# words of 32 classes
MAX_WORDS: constant(uint256) = 8
MAX_SEGMENTS: constant(uint256) = 16
# "ASAY" and version 5
MAGIC: constant(uint256) = 280569665797
# the same and version 2
DENSE_MAGIC: constant(uint256) = 280569665794

# gas of `predict` for one sample, with 1 a byte of it, and what each of its steps adds
GAS_CALL: constant(uint256) = 100_000
GAS_STEP: constant(uint256) = 5_000


# What a segment takes and gives. No classes: planes; else it is the last one, and `engine` runs it.
struct Segment:
    gas: uint64
    engine: address
    input_bits: uint8
    input_bytes: uint32
    output_bits: uint8
    output_bytes: uint32
    classes: uint16


event Registered:
    segment: indexed(bytes32)
    data: Bytes[MAX_BYTES]


event Stepped:
    segment: indexed(bytes32)
    input: indexed(bytes32)
    output: bytes32


VALIDATOR: immutable(address)
TRUNK: immutable(address)
CONVOLUTION: immutable(address)
DENSE: immutable(address)

# keccak256 of a segment's bytes -> what it is
segment_of: public(HashMap[bytes32, Segment])
# segment -> keccak256 of an input -> keccak256 of the planes, or one more than the class; empty while unknown
output_of: public(HashMap[bytes32, HashMap[bytes32, bytes32]])


@deploy
def __init__(validator: address, trunk: address, convolution: address, dense: address):
    """
    @notice Names the contracts that validate and run segments.
    @param validator A ConvolutionValidator.
    @param trunk A ConvolutionTrunk.
    @param convolution A ConvolutionEngine.
    @param dense A DenseEngine.
    """
    assert validator.is_contract and trunk.is_contract, "engine: no such contract"
    assert convolution.is_contract and dense.is_contract, "engine: no such contract"
    VALIDATOR = validator
    TRUNK = trunk
    CONVOLUTION = convolution
    DENSE = dense


@external
def register(segment: Bytes[MAX_BYTES]) -> bytes32:
    """
    @notice Validates a segment and logs it, so that everyone has its bytes; does nothing if it is registered.
    @param segment A trunk, or a convolutional or dense model for the end.
    @return Its hash.
    """
    digest: bytes32 = keccak256(segment)
    if self.segment_of[digest].gas > 0:
        return digest
    assert len(segment) >= 32, "engine: segment too short"
    header: uint256 = extract32(segment, 0, output_type=uint256)
    magic: uint256 = header >> 216
    s: convolution_layout.Shape = convolution_layout._fields(header)
    # at most 65535 * 255**3; what is accepted is at most 2**21
    bits: uint256 = s.channels * s.height * s.width * s.input_bits
    classes: uint256 = s.classes
    engine: address = TRUNK
    gas: uint256 = 0
    made: uint256 = 0
    if magic == convolution_layout.TRUNK_MAGIC:
        gas, made = staticcall ITrunkValidator(VALIDATOR).validate_trunk(segment)
    else:
        engine = CONVOLUTION
        if magic == DENSE_MAGIC:
            engine = DENSE
            # widths of 2 bytes from byte 9 on, one more than there are layers
            bits = s.channels * s.input_bits
            classes = header >> (168 - 16 * min(s.count, 7)) & 65535
        gas = staticcall IEngine(engine).validate(segment, bits // 8, s.input_bits, classes)
    # a step takes both in one payload: what could never be run must not be part of a model
    assert len(segment) + bits // 8 <= MAX_BYTES, "engine: no room for an input"
    self.segment_of[digest] = Segment(
        gas=convert(gas, uint64),
        engine=engine,
        input_bits=convert(s.input_bits, uint8),
        input_bytes=convert(bits // 8, uint32),
        output_bits=convert(s.activation_bits, uint8),
        output_bytes=convert(made, uint32),
        classes=convert(classes, uint16),
    )
    log Registered(segment=digest, data=segment)
    return digest


@external
def step(payload: Bytes[MAX_BYTES], segment_bytes: uint256) -> bytes32:
    """
    @notice Runs a registered segment on one input and remembers what comes out.
    @param payload The segment, followed by its input: a sample, or the planes of the segment before.
    @param segment_bytes Length of the segment.
    @return keccak256 of the planes, or one more than the class.
    """
    assert segment_bytes <= len(payload), "engine: segment too short"
    digest: bytes32 = keccak256(slice(payload, 0, segment_bytes))
    s: Segment = self.segment_of[digest]
    assert s.gas > 0, "engine: segment unknown"
    size: uint256 = convert(s.input_bytes, uint256)
    assert len(payload) == segment_bytes + size, "engine: not one input"
    input: bytes32 = keccak256(slice(payload, segment_bytes, size))
    output: bytes32 = empty(bytes32)
    if s.classes == 0:
        output = keccak256(staticcall ITrunk(s.engine).run(payload, segment_bytes))
    else:
        words: DynArray[bytes32, MAX_WORDS] = staticcall IEngine(s.engine).predict(payload, segment_bytes, 1)
        # the class is the first byte
        output = convert((convert(words[0], uint256) >> 248) + 1, bytes32)
    self.output_of[digest][input] = output
    log Stepped(segment=digest, input=input, output=output)
    return output


@external
@view
def validate(model: Bytes[MAX_BYTES], sample_bytes: uint256, input_bits: uint256, classes: uint256) -> uint256:
    """
    @notice Reverts with a reason "engine: ..." unless the model is a list of registered segments that fit together.
    @param model The model file: a header and the hashes of the segments.
    @param sample_bytes Bytes of a sample.
    @param input_bits Bits of an input feature.
    @param classes Number of classes.
    @return Upper bound of the execution gas of `predict` for one sample, whose steps were taken before.
    """
    assert len(model) >= 32, "engine: model too short"
    header: uint256 = extract32(model, 0, output_type=uint256)
    assert header >> 216 == MAGIC, "engine: bad magic or version"
    count: uint256 = header >> 208 & 255
    assert count >= 1 and count <= MAX_SEGMENTS, "engine: bad number of segments"
    assert header & (2**208 - 1) == 0, "engine: header not canonical"
    assert len(model) == 32 + 32 * count, "engine: wrong length"
    bits: uint256 = input_bits
    size: uint256 = sample_bytes
    for i: uint256 in range(count, bound=MAX_SEGMENTS):
        s: Segment = self.segment_of[extract32(model, 32 + 32 * i)]
        assert s.gas > 0, "engine: segment unknown"
        assert convert(s.input_bits, uint256) == bits, "engine: other input bits"
        assert convert(s.input_bytes, uint256) == size, "engine: other sample size"
        if i + 1 < count:
            assert s.classes == 0, "engine: segment behind the last"
        else:
            assert s.classes > 0, "engine: no classes behind the last"
            assert convert(s.classes, uint256) == classes, "engine: other number of classes"
        bits = convert(s.output_bits, uint256)
        size = convert(s.output_bytes, uint256)
    return GAS_CALL + sample_bytes + count * GAS_STEP


@external
@view
def predict(payload: Bytes[MAX_BYTES], model_bytes: uint256, mask: uint256) -> DynArray[bytes32, MAX_WORDS]:
    """
    @notice Classes of the masked samples, as the remembered steps say; reverts where a step of one was not taken.
    @param payload A model that `validate` accepts, followed by at most 256 samples.
    @param model_bytes Length of the model.
    @param mask Bit j stands for sample j.
    @return Byte j % 32 of word j // 32 is the class of sample j if the mask has it, else zero; no word without samples.
    """
    assert len(payload) >= 64, "engine: model too short"
    segments: uint256 = extract32(payload, 0, output_type=uint256) >> 208 & 255
    assert segments <= MAX_SEGMENTS and model_bytes == 32 + 32 * segments, "engine: not the model's length"
    size: uint256 = convert(self.segment_of[extract32(payload, 32)].input_bytes, uint256)
    # what wraps here is refused in the next statement
    left: uint256 = unsafe_sub(len(payload), model_bytes)
    assert model_bytes <= len(payload) and size > 0 and left % size == 0, "engine: not whole samples"
    count: uint256 = left // size
    assert count <= MAX_SAMPLES, "engine: too many samples"
    # a shift by 256 leaves nothing
    assert mask >> count == 0, "engine: mask beyond samples"

    answer: uint256[MAX_WORDS] = empty(uint256[MAX_WORDS])
    for sample: uint256 in range(count, bound=MAX_SAMPLES):
        if mask >> sample & 1 == 0:
            continue
        found: bytes32 = keccak256(slice(payload, model_bytes + sample * size, size))
        for i: uint256 in range(segments, bound=MAX_SEGMENTS):
            found = self.output_of[extract32(payload, 32 + 32 * i)][found]
            assert found != empty(bytes32), "engine: step not taken"
        # one more than a class of 0 to 255
        answer[sample >> 5] |= (convert(found, uint256) - 1) << (248 - 8 * (sample & 31))

    result: DynArray[bytes32, MAX_WORDS] = []
    for g: uint256 in range((count + 31) // 32, bound=MAX_WORDS):
        result.append(convert(answer[g], bytes32))
    return result
