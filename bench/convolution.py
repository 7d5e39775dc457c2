"""Gas of convolutional networks: `python -m bench.convolution` writes its results file.

Through the engine's public entry, on networks of random weights: a call that executes one sample, the same call with an
empty mask (which is most of the memory), and their difference. A layer is what it adds between others. The first layer
of an image is what a network has more than without it; that its last layer sees 8 channels then rather than 3 is
counted in. Beside both stands their opcode floor (`convolution_floor`).
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.convolution_floor import convolution, floor
from fuzz.engine.subject import calldata
from fuzz.native import Machine, Native, image
from tests.convolution_strategies import build, images
from trainer.chain import deploy_convolution_engine
from trainer.convolution import ConvolutionalNetwork, predict
from trainer.encode import pack_samples
from trainer.encode_convolution import cost, encode, geometries

RESULTS = Path(__file__).parent / "results" / "convolution.json"
POINT = {"outputs": 1, "size": 1}
NETS = {
    "LeNet-like, 28x28: 8 and 16 channels, largest of 2x2": (
        (1, 28, 28),
        [{"outputs": 8, "halve": 2}, {"outputs": 16, "halve": 2}],
    ),
    "residual, 16x16x3: 8 channels, one skip": (
        (3, 16, 16),
        [{"outputs": 8}, {"outputs": 8}, {"outputs": 8, "skip": 1, "lift": 3, "halve": 3}],
    ),
}
LAYERS = {
    "32x32x3 to 32x32x8, 3x3, first": ((3, 32, 32), [{"outputs": 8}, POINT], [POINT], 3 * 8 * 9),
    "16x16x16 to 16x16x16, 3x3": (
        (3, 16, 16),
        [{"outputs": 16}, {"outputs": 16}, POINT],
        [{"outputs": 16}, POINT],
        16 * 16 * 9,
    ),
    "16x16x16 to 16x16x16, 5x5": (
        (3, 16, 16),
        [{"outputs": 16}, {"outputs": 16, "size": 5}, POINT],
        [{"outputs": 16}, POINT],
        16 * 16 * 25,
    ),
}
"""Image, layers with and without, multiply-adds of a pixel."""
# below these all sums stay: two words for a row of 32 or 28 pixels at 4 bits, four (three) at 8
NARROW, WIDE = 2**13, 2**24


@dataclass(frozen=True)
class Net:
    """Gas of one sample of a network."""

    net: str
    bits: str
    words: str
    macs: int
    model_bytes: int
    one_sample: int
    empty: int
    gas_per_sample: int
    gas_per_mac: float
    floor: int
    floor_ratio: float
    bound: int


@dataclass(frozen=True)
class Part:
    """Gas that a layer adds."""

    layer: str
    bits: str
    macs: int
    gas: int
    gas_per_mac: float
    floor: int
    floor_ratio: float


def gas(machine: Machine, network: ConvolutionalNetwork, mask: int = 1) -> int:
    """Execution gas of a call, whose answer is checked."""
    model, samples = encode(network), images(network, 1)
    done = machine.call(calldata("predict", model + pack_samples(samples, network.input_bits), len(model), mask))
    assert done.reason is None, done
    assert done.output[64] == predict(network, samples)[0] * mask, "the engine answers something else"
    return done.gas


def net(machine: Machine, name: str, network: ConvolutionalNetwork) -> Net:
    one, empty = gas(machine, network), gas(machine, network, 0)
    return Net(
        net=name,
        bits=f"{network.input_bits}/{network.weight_bits}/{network.activation_bits}",
        words=", ".join(str(place.split) for place in geometries(network)),
        macs=network.multiply_adds,
        model_bytes=len(encode(network)),
        one_sample=one,
        empty=empty,
        gas_per_sample=one - empty,
        gas_per_mac=round((one - empty) / network.multiply_adds, 2),
        floor=floor(network),
        floor_ratio=round((one - empty) / floor(network), 2),
        bound=cost(network),
    )


def part(machine: Machine, layer: str, bits: int, bound: int) -> Part:
    """What a layer adds, the last but one of its network."""
    shape, many, few, weights = LAYERS[layer]
    with_it, without = (build(shape, layers, bits=(bits,) * 3, bound=bound, classes=2) for layers in (many, few))
    added = gas(machine, with_it) - gas(machine, without)
    macs = shape[1] * shape[2] * weights
    least = convolution(with_it.convolutions[-2], geometries(with_it)[-2], shape[1])
    return Part(
        layer=layer,
        bits=f"{bits}/{bits}/{bits}",
        macs=macs,
        gas=added,
        gas_per_mac=round(added / macs, 2),
        floor=least,
        floor_ratio=round(added / least, 2),
    )


def main() -> None:
    machine = Native(image(deploy_convolution_engine))
    bits = ((4, NARROW), (8, WIDE))
    report = {
        "command": "python -m bench.convolution",
        "nets": [
            asdict(net(machine, name, build(shape, layers, bits=(b,) * 3, bound=bound, classes=10)))
            for name, (shape, layers) in NETS.items()
            for b, bound in bits
        ],
        "layers": [asdict(part(machine, layer, b, bound)) for layer in LAYERS for b, bound in bits],
    }
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
