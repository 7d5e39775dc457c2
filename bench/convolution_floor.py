"""The opcode floor of the convolution engine's design: gas that no code of it can go below, part by part.

What is counted is a kernel that is written for one network: every loop unrolled, every constant, mask and address in
the code, every row that is not there left out. A read of memory takes 6 gas (address and MLOAD), a write 6, a constant
or a word that is on the stack 3, MUL 5, every other operation 3. Calls, memory, parsing and the search of the largest
logit are not in it; neither are pixels of two words where planes are moved.

| part | what it takes |
|---|---|
| a word of a sample | read 6, cut 12, pixels apart: 27 for each doubling of the run, write 6 |
| a row of a patch of a kernel | a third of two spreads of 45, cut and lowered and written 21 |
| a row with its neighbours' pixels, where rows have several words | read and moved 12, a neighbour's 15, write 6 |
| a product | two reads, MUL, ADD: 20 |
| a skip | read, shift, ADD: 15 |
| a row of sums | bias 6, quotient 9, above the limit 32, below zero 26, write 6: 79 |
| halving, a row of sums | two rows in a lane, pixels together, written: every other 38, the largest 68, the mean 53 |
| a word of the head | read 6, pixels apart 81, cut and written 12; as many rows at once as fit a lane |
| a product of the head | weights cut 15, read 6, MUL, ADD: 29 |
"""

from trainer.convolution import Convolution, ConvolutionalNetwork
from trainer.encode_convolution import HEAD_RUN, PATCH, Geometry, geometries

SAMPLE_WORD, SAMPLE_DOUBLING = 24, 27
KERNEL_ROW = 51
SEEN, SEEN_BESIDE = 18, 15
PRODUCT = 20
SKIP = 15
ROW = 79
HALVE = (0, 38, 68, 53)
HEAD_MOVE, HEAD_WORD = 87, 12
HEAD_PRODUCT = 29


def products(height: int, size: int) -> int:
    """Pairs of a row and a row of a kernel that sees it; those beyond the plane are not counted."""
    return sum(0 <= row + dy < height for row in range(height) for dy in range(-(size // 2), size // 2 + 1))


def convolution(conv: Convolution, place: Geometry, height: int) -> int:
    """Floor of one convolution, halving included, in gas."""
    outputs, inputs, size, _ = conv.weights.shape
    # words of a row of a kernel
    side = -(-size // PATCH)
    gas = outputs * inputs * size * side * (KERNEL_ROW if size > 1 else 0)
    if place.split > 1 and size > 1:
        seen = inputs * (outputs if conv.depthwise else 1)
        gas += seen * height * side * (place.split * SEEN + 2 * (place.split - 1) * SEEN_BESIDE)
    gas += outputs * inputs * products(height, size) * side * place.split * PRODUCT
    each = ROW + HALVE[conv.halve] + (SKIP if conv.skip is not None else 0)
    return gas + outputs * height * place.split * each


def sample(network: ConvolutionalNetwork, place: Geometry) -> int:
    """Floor of making a sample's words, in gas."""
    doublings = (place.run - 1).bit_length()
    return network.channels * network.height * place.split * (SAMPLE_WORD + doublings * SAMPLE_DOUBLING)


def head(network: ConvolutionalNetwork, place: Geometry) -> int:
    """Floor of the head, in gas."""
    channels, height, width = network.shapes[-1]
    terms = channels * height * -(-width // HEAD_RUN)
    rows = max(1, min(place.lane, 32) // network.activation_bits)
    return terms * (HEAD_MOVE // rows + HEAD_WORD) + network.classes * terms * HEAD_PRODUCT


def floor(network: ConvolutionalNetwork) -> int:
    """Floor of one sample: its parts' sum, in gas."""
    places = geometries(network)
    gas = sample(network, places[0]) + head(network, places[-1])
    for conv, place, (_, height, _) in zip(network.convolutions, places, network.shapes, strict=False):
        gas += convolution(conv, place, height)
    return gas
