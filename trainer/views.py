"""Views of images in training: tables by which every feature of a view is a feature of the row, or zero."""

from itertools import product

import numpy as np

from trainer.presets import Views
from trainer.quantise import fold, unfold

Table = np.ndarray[tuple[int, int], np.dtype[np.int32]]


def table(image: tuple[int, int, int], views: Views, *, folded: bool) -> Table:
    """Which feature of a row each feature of each view is, as many as a row has where it is zero.

    image: (channels, height, width) of the image, as it is folded where it is.

    Returns int32, shape (views, features): the image as it is and moved by each number of pixels, then all of these
    mirrored where they are.
    """
    channels, height, width = image
    zero = channels * height * width
    numbers = np.arange(zero, dtype=np.int32).reshape(1, height, channels, width)
    pixels = unfold(numbers) if folded else numbers
    far = views.shift
    _, height, _, width = pixels.shape
    padded = np.pad(pixels, ((0, 0), (far, far), (0, 0), (far, far)), constant_values=zero)
    seen = [
        padded[:, down : down + height, :, right : right + width]
        for down, right in product(range(2 * far + 1), repeat=2)
    ]
    if views.mirrored:
        seen += [view[..., ::-1] for view in seen]
    return np.stack([(fold(view) if folded else view).reshape(-1) for view in seen])
