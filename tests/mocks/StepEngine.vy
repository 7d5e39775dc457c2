# pragma version 0.4.3
"""
@title An engine simple enough to predict by eye
@notice A model is "M" and a byte: its low four bits are q, the next two the bytes of a sample less one, the highest
        two the input bits as 8 >> n. Of a sample only the last byte b counts. Its class is BASE + (b & 3) if
        (b >> SHIFT) & 7 >= q, else BASE + ((b + 1) & 3): q = 0 is always right where labels are BASE + (b & 3),
        q = 8 never. Models "R?" validate and then revert, models "G?" validate and then burn all gas; both break an
        engine's promise, to see what the market makes of it.
"""
from contracts.interfaces import IEngine

implements: IEngine

SHIFT: immutable(uint256)
BASE: immutable(uint256)


@deploy
def __init__(lowest_bit: uint256, base: uint256):
    """
    @param lowest_bit 0 to 5: of the three bits of a sample that decide whether a model knows it.
    @param base The lowest class, 0 to 252.
    """
    SHIFT = lowest_bit
    BASE = base


@external
@view
def validate(model: Bytes[126976], sample_bytes: uint256, input_bits: uint256, classes: uint256) -> uint256:
    assert len(model) == 2, "engine: wrong length"
    kind: Bytes[1] = slice(model, 0, 1)
    assert kind == b"M" or kind == b"R" or kind == b"G", "engine: not a model"
    setup: uint256 = convert(slice(model, 1, 1), uint256) >> 4
    assert (setup & 3) + 1 == sample_bytes, "engine: sample bytes"
    assert 8 >> (setup >> 2) == input_bits, "engine: input bits"
    assert classes == BASE + 4, "engine: classes"
    return 30_000


@external
@view
def predict(payload: Bytes[126976], model_bytes: uint256, mask: uint256) -> DynArray[bytes32, 8]:
    kind: Bytes[1] = slice(payload, 0, 1)
    assert kind != b"R", "engine: broken"
    # an invalid opcode takes all the gas there is and says nothing
    assert kind != b"G", UNREACHABLE
    setup: uint256 = convert(slice(payload, 1, 1), uint256)
    quality: uint256 = setup & 15
    width: uint256 = ((setup >> 4) & 3) + 1
    count: uint256 = (len(payload) - model_bytes) // width
    words: DynArray[bytes32, 8] = []
    for k: uint256 in range((count + 31) // 32, bound=8):
        word: uint256 = 0
        for i: uint256 in range(min(32, count - 32 * k), bound=32):
            if (mask >> (32 * k + i)) & 1 == 1:
                b: uint256 = convert(slice(payload, model_bytes + width * (32 * k + i + 1) - 1, 1), uint256)
                c: uint256 = b & 3
                if (b >> SHIFT) & 7 < quality:
                    c = (b + 1) & 3
                word |= (BASE + c) << (248 - 8 * i)
        words.append(convert(word, bytes32))
    return words
