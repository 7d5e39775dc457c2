"""The shape of a convolutional network that has no numbers yet: what a recipe names and models are built from."""

from dataclasses import dataclass

import numpy as np

from trainer.convolution import Convolution, ConvolutionalNetwork, Halve
from trainer.integer import Layer

MIN_ACCUMULATOR_BITS = 14
MAX_ACCUMULATOR_BITS = 25
"""Bits of a signed sum: of what the narrowest lanes hold, and of any sum of the specification."""
PERCENTILE = 99.9
"""Of a layer's positive values, the one that activations still hold where nothing else is asked for."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """One convolution: what `trainer.convolution.Convolution` says without weights, bias and shifts.

    outputs: channels; depthwise as many as before.
    kernel:  side of its kernels: 1, 3 or 5.
    skip:    the layer whose planes are added, 0 for the sample and i for the i-th block; None for none.
    """

    outputs: int
    kernel: int = 3
    halve: Halve = Halve.NOT
    depthwise: bool = False
    skip: int | None = None


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Blocks over images, before a dense layer; construction raises `NetworkError` where they do not fit.

    image: (channels, height, width) of a sample.
    """

    image: tuple[int, int, int]
    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        self.blank(classes=2)

    def blank(
        self, *, classes: int, input_bits: int = 8, activation_bits: int = 8, weight_bits: int = 8
    ) -> ConvolutionalNetwork:
        """The network of this shape whose every weight is zero."""
        channels, height, width = shape = self.image
        convolutions = []
        for block in self.blocks:
            seen = 1 if block.depthwise else channels
            convolutions.append(
                Convolution(
                    weights=np.zeros((block.outputs, seen, block.kernel, block.kernel), np.int64),
                    bias=np.zeros(block.outputs, np.int64),
                    shift=0,
                    halve=block.halve,
                    depthwise=block.depthwise,
                    skip=block.skip,
                )
            )
            part = 2 if block.halve else 1
            channels, height, width = block.outputs, height // part, width // part
        inputs = channels * height * width
        return ConvolutionalNetwork(
            channels=shape[0],
            height=shape[1],
            width=shape[2],
            convolutions=tuple(convolutions),
            head=Layer(weights=np.zeros((inputs, classes), np.int64), bias=np.zeros(classes, np.int64), shift=None),
            input_bits=input_bits,
            activation_bits=activation_bits,
            weight_bits=weight_bits,
        )

    @property
    def shapes(self) -> tuple[tuple[int, int, int], ...]:
        """(channels, height, width) of the sample and of the planes behind each block."""
        return self.blank(classes=2).shapes
