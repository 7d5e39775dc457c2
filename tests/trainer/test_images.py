"""Images of one channel and of several: where a feature lies, what pooling sums, and roots that must not change."""

import json
from pathlib import Path

import numpy as np
import pytest

from trainer.datasets import Dataset
from trainer.package import build
from trainer.quantise import Quantiser

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "image_packages.json").read_text())

GREY_MANIFEST = """{
 "format": 1,
 "name": "grey",
 "root": "0xb828909d5f34d613b7076bda6ff8408464853486315979be25be743ceaabcfc6",
 "groups": 5,
 "group_size": 8,
 "features": 6,
 "sample_bytes": 6,
 "classes": 3,
 "class_names": [
  "a",
  "b",
  "c"
 ],
 "quantisation": {
  "bits": 8,
  "pooled": true,
  "image_shape": [
   6,
   4
  ],
  "pixel_bits": 8,
  "ranges": []
 }
}"""


@pytest.fixture(scope="module")
def grey() -> Dataset:
    """40 images of 6 x 4 pixels and one channel."""
    rows = np.arange(40)
    return Dataset(
        name="grey",
        features=(np.arange(40 * 24).reshape(40, 24) * 7 % 256).astype(np.uint8),
        labels=(rows % 3).astype(np.uint8),
        class_names=("a", "b", "c"),
        image_shape=(6, 4),
    )


@pytest.mark.parametrize(("setting", "root"), GOLDEN.items())
def test_packages_of_one_channel_keep_their_roots(grey: Dataset, setting: str, root: str) -> None:
    bits, _, pooled = setting.partition(" ")
    quantiser = Quantiser(bits=int(bits), pooled=bool(pooled), image_shape=(6, 4))
    assert build(grey, quantiser, group_size=8, seed=7).root.hex() == root


def test_a_manifest_of_one_channel_keeps_its_text(grey: Dataset) -> None:
    quantiser = Quantiser(bits=8, pooled=True, image_shape=(6, 4))
    assert build(grey, quantiser, group_size=8, seed=7).manifest.to_json() == GREY_MANIFEST
