"""Small challenges for people at a node: packages whose labels a given network knows, and terms to post them with."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.convolution_strategies import build as build_convolutional
from tests.strategies import random_network
from trainer import networks
from trainer.convolution import ConvolutionalNetwork
from trainer.datasets import Dataset
from trainer.integer import Network, Uint8
from trainer.package import build
from trainer.quantise import Quantiser
from trainer.segments import SegmentedNetwork, cut

GROUPS, SAMPLES, HOLDOUT = 6, 5, 2
CLASSES = 5
WINDOW = 600
"""Seconds of every window."""
GOOD: Network = random_network((16, 8, CLASSES), seed=38)
POOR: Network = random_network((16, 4, CLASSES), seed=2)
SEGMENTED: SegmentedNetwork = cut(
    build_convolutional(
        (3, 4, 4), [{"outputs": 3}, {"outputs": 4}, {"outputs": 4, "skip": 2, "lift": 3}], classes=CLASSES, seed=5
    ),
    fits=lambda s: len(s.convolutions) <= 2 and not isinstance(s, ConvolutionalNetwork),
)


def pack(place: Path, truth: Callable[[Uint8], Uint8], image: tuple[int, ...], seed: int) -> None:
    """A package of noise that `truth` labels: the network it is gets every sample right."""
    rng = np.random.default_rng(seed)
    quantiser = Quantiser(bits=4, image_shape=image)
    features = rng.integers(0, 256, (GROUPS * SAMPLES, int(np.prod(image))), dtype=np.uint8)
    labels = truth(quantiser.apply(features)).astype(np.uint8)
    names = tuple(map(str, range(CLASSES)))
    data = Dataset(name="noise", features=features, labels=labels, class_names=names, image_shape=image)
    build(data, quantiser, group_size=SAMPLES, seed=seed).save(place)


def dense(place: Path, seed: int) -> None:
    """A package that GOOD knows."""
    pack(place, lambda x: networks.predict(GOOD, x), (4, 4), seed)


def segmented(place: Path, seed: int) -> None:
    """A package that SEGMENTED knows."""
    pack(place, lambda x: networks.predict(SEGMENTED, x), (4, 4, 3), seed)


def terms(**changes: object) -> list[str]:
    """Options of a post."""
    given: dict[str, object] = {
        "reward": 2,
        "poster-bond": 0.5,
        "trainer-bond": 0.25,
        "seal-fee": 0.01,
        "holdout": HOLDOUT,
        "threshold": "80%",
    }
    given |= dict.fromkeys(("commit", "reveal", "claim", "unseal", "audit", "nominate"), f"{WINDOW}s")
    given |= {name.replace("_", "-"): value for name, value in changes.items()}
    return [word for name, value in given.items() for word in (f"--{name}", str(value))]
