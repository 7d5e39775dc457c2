"""Networks in segments: the specification, in NumPy int64, and how a large network is cut into them.

A segment but the last is a `Trunk`; its last planes, row by row and in a row channel by channel, are the sample of the
next. The last one is a network with classes. The chain runs one segment a transaction, so the size of a network is
bounded by what its auditors pay for, not by a transaction.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from trainer import convolution, integer
from trainer.convolution import ConvolutionalNetwork, Trunk, planes_of
from trainer.encode import encode as encode_dense
from trainer.encode_convolution import encode
from trainer.errors import EncodingError, NetworkError
from trainer.header import MAX_MODEL_BYTES
from trainer.integer import BINARY, MAX_WIDTH, Layer, Network, Uint8

MAX_SEGMENTS = 16


@dataclass(frozen=True, kw_only=True)
class SegmentedNetwork:
    """A network in segments; construction raises `NetworkError` where they do not fit together.

    trunks: at most 15 of them; the planes of each have as many numbers, of as many bits, as the next one's sample.
    last:   the convolutional or dense network behind them.
    """

    trunks: tuple[Trunk, ...]
    last: ConvolutionalNetwork | Network

    def __post_init__(self) -> None:
        if len(self.trunks) >= MAX_SEGMENTS:
            raise NetworkError(f"network has {len(self.trunks) + 1} segments; use at most {MAX_SEGMENTS}")
        if isinstance(self.last, Network) and self.last.weight_bits == BINARY:
            raise NetworkError("the last segment has weights of 1 bit; use 2 or more, which the dense engine runs")
        for number, (one, other) in enumerate(zip(self.trunks, self.segments[1:], strict=True), 1):
            made = int(np.prod(one.shapes[-1])), one.activation_bits
            if made != (inputs_of(other), other.input_bits):
                raise NetworkError(
                    f"segment {number} makes {made[0]} numbers of {made[1]} bits, and the next one takes "
                    f"{inputs_of(other)} of {other.input_bits}"
                )

    @property
    def segments(self) -> tuple[Trunk | Network, ...]:
        """Trunks and what is behind them."""
        return (*self.trunks, self.last)

    @property
    def inputs(self) -> int:
        """Numbers of a sample."""
        return inputs_of(self.segments[0])

    @property
    def input_bits(self) -> int:
        """Bits of a number of a sample."""
        return self.segments[0].input_bits

    @property
    def activation_bits(self) -> int:
        """Bits of an activation of the last segment."""
        return self.last.activation_bits

    @property
    def weight_bits(self) -> int:
        """Bits of a weight of the last segment."""
        return self.last.weight_bits

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.last.classes

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one sample, padding included."""
        return sum(segment.multiply_adds for segment in self.segments)


def inputs_of(segment: Trunk | Network) -> int:
    """Numbers that a segment takes."""
    return segment.inputs if isinstance(segment, Trunk) else segment.widths[0]


def outputs(trunk: Trunk, samples: Uint8) -> Uint8:
    """The last planes of a trunk as samples: uint8, shape (n, inputs) to (n, numbers)."""
    planes = planes_of(trunk, samples)[-1]
    return planes.transpose(0, 2, 1, 3).reshape(len(samples), -1).astype(np.uint8)


def predict(network: SegmentedNetwork, samples: Uint8, *, batch: int = 256) -> Uint8:
    """Class of each sample: uint8, shape (n,); arg-max of the logits, lowest index on ties."""
    parts = []
    for i in range(0, len(samples), batch):
        found = samples[i : i + batch]
        for trunk in network.trunks:
            found = outputs(trunk, found)
        last = network.last
        parts.append(integer.predict(last, found) if isinstance(last, Network) else convolution.predict(last, found))
    return np.concatenate(parts) if parts else np.zeros(0, np.uint8)


def cut(network: ConvolutionalNetwork, *, fits: Callable[[Trunk], bool] | None = None) -> SegmentedNetwork:
    """The same network in as few segments as a walk from its first layer finds; the head may be one of its own.

    fits: whether a segment may be; by default, whether it has an encoding.

    Raises `EncodingError` where not even a layer fits with those that skips tie to it.
    """
    fits = fits or has_encoding
    count, begin, trunks = len(network.convolutions), 0, []
    # what is behind the last trunk is a head alone, or has a convolution
    most = count if _head_fits(network) else count - 1
    while begin < count and not fits(_end(network, begin)):
        pieces = [(end, _trunk(network, begin, end)) for end in range(begin + 1, most + 1) if _apart(network, end)]
        fitting = [(end, piece) for end, piece in pieces if fits(piece)]
        if not fitting:
            raise EncodingError(
                f"convolution {begin + 1} and those that skips tie to it fit no segment "
                f"({_fault(pieces[0][1] if pieces else _end(network, begin))}); use fewer channels, smaller planes or "
                "shorter skips"
            )
        begin, piece = fitting[-1]
        trunks.append(piece)
    if len(trunks) >= MAX_SEGMENTS:
        raise EncodingError(f"the network takes {len(trunks) + 1} segments; at most {MAX_SEGMENTS} make a model")
    return SegmentedNetwork(trunks=tuple(trunks), last=_end(network, begin) if begin < count else _head(network))


def has_encoding(segment: Trunk) -> bool:
    """Whether there is a file of this segment, which leaves room for a sample."""
    return not _fault(segment)


def _fault(segment: Trunk) -> str:
    try:
        check_room(len(encode(segment)), segment)
    except EncodingError as error:
        return str(error)
    return ""


def check_room(size: int, segment: Trunk | Network) -> None:
    """Raise `EncodingError` where a step could not take a segment of so many bytes with its input."""
    taken = size + inputs_of(segment) * segment.input_bits // 8
    if taken > MAX_MODEL_BYTES:
        raise EncodingError(f"the segment and its input take {taken} bytes; at most {MAX_MODEL_BYTES} fit")


def _apart(network: ConvolutionalNetwork, end: int) -> bool:
    """Whether no convolution from `end` on adds planes from before those that `end` starts with."""
    return all(conv.skip is None or conv.skip >= end for conv in network.convolutions[end:])


def _trunk(network: ConvolutionalNetwork, begin: int, end: int) -> Trunk:
    """Convolutions `begin` to `end` on their own."""
    channels, height, width = network.shapes[begin]
    moved = tuple(
        conv if conv.skip is None else replace(conv, skip=conv.skip - begin) for conv in network.convolutions[begin:end]
    )
    return Trunk(
        channels=channels,
        height=height,
        width=width,
        convolutions=moved,
        input_bits=network.activation_bits if begin else network.input_bits,
        activation_bits=network.activation_bits,
        weight_bits=network.weight_bits,
    )


def _end(network: ConvolutionalNetwork, begin: int) -> ConvolutionalNetwork:
    """Convolutions from `begin` on with the head."""
    trunk = _trunk(network, begin, len(network.convolutions))
    return ConvolutionalNetwork(**vars(trunk), head=network.head)


def _head_fits(network: ConvolutionalNetwork) -> bool:
    """Whether the head may be a segment of its own."""
    if np.prod(network.shapes[-1]) > MAX_WIDTH:
        return False
    head = _head(network)
    try:
        check_room(len(encode_dense(head)), head)
    except EncodingError:
        return False
    return True


def _head(network: ConvolutionalNetwork) -> Network:
    """The head on its own, over planes as a trunk gives them."""
    channels, height, width = network.shapes[-1]
    weights = network.head.weights.reshape(channels, height, width, -1).transpose(1, 0, 2, 3)
    layer = Layer(
        weights=np.ascontiguousarray(weights.reshape(-1, network.classes)), bias=network.head.bias, shift=None
    )
    bits = network.activation_bits
    return Network(layers=(layer,), input_bits=bits, activation_bits=bits, weight_bits=network.weight_bits)
