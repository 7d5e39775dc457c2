"""Networks of any kind, dense, convolutional or in segments, by one name: files, predictions, words for their shape."""

from trainer import convolution, encode, encode_convolution, encode_segments, integer, segments
from trainer.convolution import ConvolutionalNetwork
from trainer.errors import EncodingError
from trainer.integer import Network, Uint8
from trainer.segments import SegmentedNetwork

AnyNetwork = Network | ConvolutionalNetwork | SegmentedNetwork


def read(data: bytes) -> AnyNetwork:
    """The network of a file, whose version says which kind it is; raises `EncodingError` for other bytes."""
    if data[4:5] == bytes([encode_convolution.VERSION]):
        return encode_convolution.decode(data)
    if data[4:5] == bytes([encode_segments.VERSION]):
        return encode_segments.read(data)
    return encode.decode(data)


def write(network: AnyNetwork) -> bytes:
    """The file of a network; raises `EncodingError` where the network has none."""
    if isinstance(network, SegmentedNetwork):
        return encode_segments.write(network)
    if isinstance(network, ConvolutionalNetwork):
        return encode_convolution.encode(network)
    return encode.encode(network)


def model_of(network: AnyNetwork) -> bytes:
    """What is sealed and unsealed on chain: the file, but of a network in segments only the list of these."""
    if isinstance(network, SegmentedNetwork):
        return encode_segments.model_of(encode_segments.files_of(network))
    return write(network)


def fitted(network: AnyNetwork) -> AnyNetwork:
    """The network, in segments where its engine cannot run it in one transaction.

    Raises `EncodingError` where that does not help.
    """
    if isinstance(network, ConvolutionalNetwork):
        try:
            encode_convolution.encode(network)
        except EncodingError:
            return segments.cut(network)
    return network


def predict(network: AnyNetwork, samples: Uint8) -> Uint8:
    """Class of each sample as the specification computes it, in NumPy: uint8, shape (n,)."""
    if isinstance(network, SegmentedNetwork):
        return segments.predict(network, samples)
    if isinstance(network, ConvolutionalNetwork):
        return convolution.predict(network, samples)
    return integer.predict(network, samples)


def predict_jax(network: AnyNetwork, samples: Uint8) -> Uint8:
    """The same in JAX, which is imported here."""
    from trainer import convolution_jax, integer_jax

    if isinstance(network, SegmentedNetwork):
        for trunk in network.trunks:
            samples = convolution_jax.outputs(trunk, samples)
        return predict_jax(network.last, samples)
    if isinstance(network, ConvolutionalNetwork):
        return convolution_jax.predict(network, samples)
    return integer_jax.predict(network, samples)


def shape(network: AnyNetwork) -> str:
    """Such as 64-32-10, or 1x28x28-8x14x14-10: planes, then classes; between segments a bar."""
    if isinstance(network, SegmentedNetwork):
        return "|".join([*(_planes(trunk.shapes) for trunk in network.trunks), shape(network.last)])
    if isinstance(network, ConvolutionalNetwork):
        return f"{_planes(network.shapes)}-{network.classes}"
    return "-".join(map(str, network.widths))


def _planes(shapes: tuple[tuple[int, int, int], ...]) -> str:
    return "-".join("x".join(map(str, planes)) for planes in shapes)
