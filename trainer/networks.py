"""Networks of either kind, dense or convolutional, by one name: files, predictions, words for their shape."""

from trainer import convolution, encode, encode_convolution, integer
from trainer.convolution import ConvolutionalNetwork
from trainer.integer import Network, Uint8

AnyNetwork = Network | ConvolutionalNetwork


def read(model: bytes) -> AnyNetwork:
    """The network of a model file, whose version says which kind it is; raises `EncodingError` for other bytes."""
    if model[4:5] == bytes([encode_convolution.VERSION]):
        return encode_convolution.decode(model)
    return encode.decode(model)


def write(network: AnyNetwork) -> bytes:
    """The model file; raises `EncodingError` where the network has none."""
    if isinstance(network, ConvolutionalNetwork):
        return encode_convolution.encode(network)
    return encode.encode(network)


def predict(network: AnyNetwork, samples: Uint8) -> Uint8:
    """Class of each sample as the specification computes it, in NumPy: uint8, shape (n,)."""
    if isinstance(network, ConvolutionalNetwork):
        return convolution.predict(network, samples)
    return integer.predict(network, samples)


def predict_jax(network: AnyNetwork, samples: Uint8) -> Uint8:
    """The same in JAX, which is imported here."""
    from trainer import convolution_jax, integer_jax

    if isinstance(network, ConvolutionalNetwork):
        return convolution_jax.predict(network, samples)
    return integer_jax.predict(network, samples)


def shape(network: AnyNetwork) -> str:
    """Such as 64-32-10, or 1x28x28-8x14x14-10: planes, then classes."""
    if isinstance(network, ConvolutionalNetwork):
        return "-".join([*("x".join(map(str, planes)) for planes in network.shapes), str(network.classes)])
    return "-".join(map(str, network.widths))
