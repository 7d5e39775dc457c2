"""From features as read to the integers a contract sees: pooling, quantisation, padding. NumPy only.

| features                      | value of `bits` bits                                                     |
|-------------------------------|--------------------------------------------------------------------------|
| pixels of p bits              | the pixel's top bits; with 1 bit: pixel >= 1                             |
| pooled pixels (2 x 2 sums)    | the top bits of the p + 2 bit sum; with 1 bit: sum >= 4, that is mean >= 1 |
| table columns                 | floor((x - low) / (high - low) * 2**bits), clipped, per column           |

Features keep their order, that of `Dataset`: in an image of several channels, feature (y * channels + c) * width + x is
pixel x of row y and channel c, so that a row of a channel lies together. Pooling sums 2 x 2 pixels of one channel.
Folding loses nothing: the pixels of 2 x 2 squares become channels of an image of half the height and width, pixel
(2y + i, 2x + j) of channel c becomes pixel (y, x) of channel 4c + 2i + j. Rows are padded with features that are always
zero until they fill whole bytes.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.datasets import Dataset, ImageShape, Rows
from trainer.encode import padded_width
from trainer.errors import DataError
from trainer.integer import INPUT_BITS

Uint8 = npt.NDArray[np.uint8]
Raw = npt.NDArray[np.uint8] | npt.NDArray[np.float64]
AnyArray = np.ndarray[tuple[int, ...], Any]

# a table's range leaves out this part of the rows at either end, so that one wild value does not flatten the rest
TAIL = 0.005
MAX_SIDE = 2**16
# rows quantised at a time: the intermediate values take more memory than the features
BLOCK = 4096


@dataclass(frozen=True, kw_only=True)
class Quantiser:
    """How the features of one dataset become integers; the same for every row, fixed before the draw.

    bits:        bits of a quantised feature: 1, 2, 4 or 8.
    pooled:      whether images are halved to the sums of 2 x 2 pixels first.
    folded:      whether images are halved by making channels of 2 x 2 pixels; not both.
    image_shape: (height, width) of the raw image, (height, width, channels) with several channels, None for a table.
    pixel_bits:  bits of a raw pixel; larger values count as the largest.
    ranges:      (low, high) of each column of a table; empty for images.
    """

    bits: int
    pooled: bool = False
    folded: bool = False
    image_shape: ImageShape | None = None
    pixel_bits: int = 8
    ranges: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.bits not in INPUT_BITS:
            raise DataError(f"{self.bits} bits a feature; use one of {INPUT_BITS}")
        if not 1 <= self.pixel_bits <= 8:
            raise DataError(f"pixel_bits: {self.pixel_bits} bits a pixel; use 1 to 8")
        if self.image_shape is not None and not all(1 <= side <= MAX_SIDE for side in self.image_shape):
            raise DataError(f"image_shape: no image is {self.image_shape}; use sides of 1 to {MAX_SIDE}")
        if self.image_shape is not None and self.image_shape[2:] == (1,):
            # two ways to write one shape would give one package two manifests
            raise DataError(f"image_shape: {self.image_shape} has one channel; write {self.image_shape[:2]}")
        if self.pooled and self.image_shape is None:
            raise DataError("only images can be pooled, and these features are a table; leave out --pooled")
        if self.pooled and self.image_shape is not None and any(side % 2 for side in self.image_shape[:2]):
            raise DataError(f"an image of {self.image_shape} has no 2 x 2 pooling; leave out --pooled")
        if self.folded and self.image_shape is None:
            raise DataError("only images can be folded, and these features are a table; leave out --folded")
        if self.folded and self.image_shape is not None and any(side % 2 for side in self.image_shape[:2]):
            raise DataError(f"an image of {self.image_shape} cannot be folded by 2 x 2; leave out --folded")
        if self.folded and self.pooled:
            raise DataError("an image is pooled or folded, not both; leave out --pooled or --folded")
        if (self.image_shape is None) != bool(self.ranges):
            raise DataError("ranges: a table needs one for each column, images have none")
        for number, (low, high) in enumerate(self.ranges):
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise DataError(
                    f"ranges: column {number} goes from {low} to {high}; use finite numbers, the lower first"
                )

    @property
    def raw_features(self) -> int:
        """Features of a row as read."""
        return len(self.ranges) if self.image_shape is None else math.prod(self.image_shape)

    @property
    def features(self) -> int:
        """Features after pooling, before padding."""
        return self.raw_features // 4 if self.pooled else self.raw_features

    @property
    def width(self) -> int:
        """Features after padding: the input width of a network."""
        return padded_width(self.features, self.bits)

    def apply(self, features: Raw) -> Uint8:
        """Quantise rows as read, shape (n, raw_features); returns uint8, shape (n, width), below 2**bits."""
        if features.ndim != 2 or features.shape[1] != self.raw_features:
            raise DataError(f"rows of shape {features.shape}; this quantisation takes (n, {self.raw_features})")
        rows = np.zeros((len(features), self.width), np.uint8)
        for start in range(0, len(features), BLOCK):
            block = features[start : start + BLOCK]
            values = self._columns(block) if self.image_shape is None else self._pixels(block)
            rows[start : start + BLOCK, : self.features] = values
        return rows

    def _pixels(self, features: Raw) -> Uint8:
        assert self.image_shape is not None
        height, width, *more = self.image_shape
        channels = math.prod(more)
        pixels = np.minimum(features.astype(np.uint16), 2**self.pixel_bits - 1)
        depth, least = self.pixel_bits, 1
        if self.pooled:
            squares = pixels.reshape(-1, height // 2, 2, channels, width // 2, 2)
            pixels = squares.sum(axis=(2, 5), dtype=np.uint16)
            pixels = pixels.reshape(len(features), -1)
            depth, least = depth + 2, 4
        if self.folded:
            pixels = fold(pixels.reshape(-1, height, channels, width)).reshape(len(features), -1)
        if self.bits == 1:
            values = pixels >= least
        else:
            values = pixels >> (depth - self.bits) if depth >= self.bits else pixels << (self.bits - depth)
        return np.asarray(values, np.uint8)

    def _columns(self, features: Raw) -> Uint8:
        low, high = np.array(self.ranges, np.float64).T
        # a column of one value carries nothing: it becomes zero
        span = np.where(high > low, high - low, np.inf)
        steps = np.floor((features.astype(np.float64) - low) / span * 2.0**self.bits)
        return np.asarray(np.clip(steps, 0, 2**self.bits - 1), np.uint8)


def fold(images: AnyArray) -> AnyArray:
    """Images of half the height and width: (n, height, channels, width) to (n, height / 2, 4 * channels, width / 2)."""
    count, height, channels, width = images.shape
    squares = images.reshape(count, height // 2, 2, channels, width // 2, 2)
    folded: AnyArray = squares.transpose(0, 1, 3, 2, 5, 4).reshape(count, height // 2, 4 * channels, width // 2)
    return folded


def unfold(images: AnyArray) -> AnyArray:
    """What `fold` made of: (n, height, 4 * channels, width) to (n, 2 * height, channels, 2 * width)."""
    count, height, channels, width = images.shape
    squares = images.reshape(count, height, channels // 4, 2, 2, width)
    unfolded: AnyArray = squares.transpose(0, 1, 3, 2, 5, 4).reshape(count, 2 * height, channels // 4, 2 * width)
    return unfolded


def fit(
    dataset: Dataset, *, bits: int, pooled: bool = False, folded: bool = False, rows: Rows | None = None
) -> Quantiser:
    """The quantisation of a dataset.

    rows: the training rows, from which alone a table's ranges are taken; by default all rows.
    """
    if dataset.image_shape is not None:
        return Quantiser(
            bits=bits, pooled=pooled, folded=folded, image_shape=dataset.image_shape, pixel_bits=dataset.pixel_bits
        )
    ordered = np.sort(dataset.features if rows is None else dataset.features[rows], axis=0).astype(np.float64)
    cut = int(len(ordered) * TAIL)
    low, high = ordered[cut], ordered[len(ordered) - 1 - cut]
    # a column that is almost always the same keeps its few other values
    flat = low == high
    low, high = np.where(flat, ordered[0], low), np.where(flat, ordered[-1], high)
    return Quantiser(
        bits=bits, pooled=pooled, folded=folded, ranges=tuple(zip(low.tolist(), high.tolist(), strict=True))
    )
