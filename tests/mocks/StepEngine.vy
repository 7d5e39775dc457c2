# pragma version 0.4.3
"""
@title An engine simple enough to predict by eye
@notice A model is "M" and a byte q. The sample b is of class b & 3 if (b >> 2) & 7 >= q, else of class (b + 1) & 3:
        q = 0 is always right where labels are b & 3, q = 8 never. Models "R?" validate and then revert, models "G?"
        validate and then burn all gas; both break an engine's promise, to see what the market makes of it.
"""
from contracts.interfaces import IEngine

implements: IEngine


@external
@view
def validate(model: Bytes[126976], sample_bytes: uint256, input_bits: uint256, classes: uint256) -> uint256:
    assert len(model) == 2, "engine: wrong length"
    kind: Bytes[1] = slice(model, 0, 1)
    assert kind == b"M" or kind == b"R" or kind == b"G", "engine: not a model"
    assert classes == 4, "engine: classes"
    return 30_000


@external
@view
def predict(payload: Bytes[126976], model_bytes: uint256, mask: uint256) -> DynArray[bytes32, 8]:
    kind: Bytes[1] = slice(payload, 0, 1)
    assert kind != b"R", "engine: broken"
    if kind == b"G":
        for i: uint256 in range(max_value(uint256)):
            assert i != max_value(uint256)
    quality: uint256 = convert(slice(payload, 1, 1), uint256)
    count: uint256 = len(payload) - model_bytes
    words: DynArray[bytes32, 8] = []
    for k: uint256 in range((count + 31) // 32, bound=8):
        word: uint256 = 0
        for i: uint256 in range(min(32, count - 32 * k), bound=32):
            if (mask >> (32 * k + i)) & 1 == 1:
                b: uint256 = convert(slice(payload, model_bytes + 32 * k + i, 1), uint256)
                c: uint256 = b & 3
                if (b >> 2) & 7 < quality:
                    c = (b + 1) & 3
                word |= c << (248 - 8 * i)
        words.append(convert(word, bytes32))
    return words
