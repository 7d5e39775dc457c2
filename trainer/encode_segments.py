"""Networks in segments as bytes: the "Segmented model" of `contracts/README.md`.

What is sealed and unsealed is `model_of`, a list of hashes. The file that a trainer keeps is longer: that list, then
the segments themselves, each behind its length (4 bytes, big-endian).
"""

from collections.abc import Iterator
from typing import Final

from eth_hash.auto import keccak

from trainer import encode as encode_dense
from trainer import encode_convolution
from trainer.encode_convolution import decode_trunk
from trainer.errors import EncodingError, NetworkError
from trainer.header import MAGIC
from trainer.header import VERSION as DENSE_VERSION
from trainer.integer import Network
from trainer.segments import MAX_SEGMENTS, SegmentedNetwork, check_room

VERSION: Final = 5
WORD: Final = 32
LENGTH: Final = 4


def files_of(network: SegmentedNetwork) -> tuple[bytes, ...]:
    """The bytes of each segment; raises `EncodingError` where one has none, or leaves no room for its input."""
    last = network.last
    end = encode_dense.encode(last) if isinstance(last, Network) else encode_convolution.encode(last)
    check_room(len(end), last)
    return (*(encode_convolution.encode(trunk) for trunk in network.trunks), end)


def model_of(files: tuple[bytes, ...]) -> bytes:
    """The model that names these segments: 32 bytes and 32 a segment."""
    header = MAGIC + bytes([VERSION, len(files)])
    return header.ljust(WORD, b"\0") + b"".join(keccak(file) for file in files)


def write(network: SegmentedNetwork) -> bytes:
    """The file of a network; raises `EncodingError` where a segment has no encoding."""
    files = files_of(network)
    return joined(model_of(files), files)


def joined(model: bytes, files: tuple[bytes, ...]) -> bytes:
    """The file of a model and the segments that it names."""
    return model + b"".join(len(file).to_bytes(LENGTH) + file for file in files)


def hashes_in(model: bytes) -> tuple[bytes, ...]:
    """The hashes that a model names, 32 bytes each, in order."""
    return tuple(model[at : at + WORD] for at in range(WORD, len(model), WORD))


def read(data: bytes) -> SegmentedNetwork:
    """The network of a file; raises `EncodingError`, which names the fault, for every other byte string."""
    if len(data) < WORD or data[: len(MAGIC)] != MAGIC or data[len(MAGIC)] != VERSION or any(data[6:WORD]):
        raise EncodingError("no header of a network in segments")
    count = data[len(MAGIC) + 1]
    if not 1 <= count <= MAX_SEGMENTS:
        raise EncodingError(f"byte 5: {count} segments; 1 to {MAX_SEGMENTS} are possible")
    files = tuple(_files(data[WORD + WORD * count :]))
    if len(files) != count:
        raise EncodingError(f"{len(files)} segments in the file; its header names {count}")
    for number, file in enumerate(files):
        if keccak(file) != data[WORD + WORD * number :][:WORD]:
            raise EncodingError(f"segment {number + 1} is not the one that the header names; copy the file again")
    dense = files[-1][len(MAGIC) : len(MAGIC) + 1] == bytes([DENSE_VERSION])
    last = encode_dense.decode(files[-1]) if dense else encode_convolution.decode(files[-1])
    try:
        check_room(len(files[-1]), last)
        return SegmentedNetwork(trunks=tuple(decode_trunk(file) for file in files[:-1]), last=last)
    except NetworkError as error:
        raise EncodingError(str(error)) from error


def _files(data: bytes) -> Iterator[bytes]:
    """What stands behind lengths."""
    while data:
        size = int.from_bytes(data[:LENGTH])
        if len(data) < LENGTH + size:
            raise EncodingError(f"the file ends inside a segment of {size} bytes; copy it again")
        yield data[LENGTH : LENGTH + size]
        data = data[LENGTH + size :]
