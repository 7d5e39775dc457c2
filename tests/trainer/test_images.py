"""Images of one channel and of several: where a feature lies, what pooling sums, and roots that must not change."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer import samples
from trainer.architecture import Architecture, Block
from trainer.convolution import Trunk
from trainer.datasets import Dataset
from trainer.encode import pack_samples
from trainer.errors import DataError, PackageError
from trainer.integer import Layer, Network
from trainer.package import Manifest, Package, build
from trainer.quantise import BLOCK, Quantiser, unfold
from trainer.segments import SegmentedNetwork

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


@st.composite
def colour_images(draw: st.DrawFn) -> tuple[np.ndarray, int, bool, int]:
    """Pixels (n, height, width, channels), bits of a feature, whether they are pooled, bits of a pixel."""
    height, width = (2 * draw(st.integers(1, 4)) for _ in range(2))
    shape = (draw(st.integers(1, 3)), height, width, draw(st.integers(2, 4)))
    pixels = np.random.default_rng(draw(st.integers(0, 2**32))).integers(0, 256, shape, dtype=np.uint8)
    return pixels, draw(st.sampled_from([1, 2, 4, 8])), draw(st.booleans()), draw(st.sampled_from([4, 8]))


def features_of(pixels: np.ndarray) -> np.ndarray:
    """Rows of features, each put where the documentation says."""
    count, height, width, channels = pixels.shape
    features = np.zeros((count, height * width * channels), np.uint8)
    for y, x, c in np.ndindex(height, width, channels):
        features[:, (y * channels + c) * width + x] = pixels[:, y, x, c]
    return features


def value_of(pixels: list[int], bits: int, pixel_bits: int) -> int:
    """One pixel, or the four of a square, as a feature of `bits` bits: exact arithmetic, without NumPy."""
    total = sum(min(pixel, 2**pixel_bits - 1) for pixel in pixels)
    return int(total >= len(pixels)) if bits == 1 else total * 2**bits // (len(pixels) * 2**pixel_bits)


@given(colour_images())
def test_a_packed_sample_holds_each_pixel_where_an_engine_looks(case: tuple[np.ndarray, int, bool, int]) -> None:
    pixels, bits, pooled, pixel_bits = case
    count, height, width, channels = pixels.shape
    quantiser = Quantiser(bits=bits, pooled=pooled, image_shape=(height, width, channels), pixel_bits=pixel_bits)
    rows = quantiser.apply(features_of(pixels))
    packed = pack_samples(rows, bits)
    size = quantiser.width * bits // 8
    assert len(packed) == count * size
    side = 2 if pooled else 1
    for n, y, x, c in np.ndindex(count, height // side, width // side, channels):
        square = pixels[n, side * y : side * y + side, side * x : side * x + side, c]
        index = (y * channels + c) * (width // side) + x
        word = int.from_bytes(packed[n * size : (n + 1) * size], "big")
        feature = word >> (quantiser.width - 1 - index) * bits & 2**bits - 1
        assert feature == rows[n, index] == value_of(square.ravel().tolist(), bits, pixel_bits)


def test_folding_makes_channels_of_squares_and_back() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 6, 4, 2), dtype=np.uint8)
    rows = Quantiser(bits=4, folded=True, image_shape=(6, 4, 2)).apply(features_of(pixels))
    images = rows.reshape(3, 3, 8, 2)
    for n, y, x, c in np.ndindex(3, 6, 4, 2):
        assert images[n, y // 2, 4 * c + 2 * (y % 2) + x % 2, x // 2] == pixels[n, y, x, c] >> 4
    assert (unfold(images).transpose(0, 1, 3, 2) == pixels >> 4).all()


def test_pooling_stays_within_a_channel() -> None:
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    pixels[0, :, :, 1] = 255
    quantiser = Quantiser(bits=8, pooled=True, image_shape=(2, 2, 3))
    assert quantiser.features == 3
    assert quantiser.apply(features_of(pixels)).tolist() == [[0, 255, 0]]


def test_many_rows_are_quantised_like_single_ones() -> None:
    features = np.random.default_rng(0).integers(0, 256, (2 * BLOCK + 1, 12), dtype=np.uint8)
    quantiser = Quantiser(bits=4, image_shape=(2, 2, 3))
    rows = quantiser.apply(features)
    for row in (0, BLOCK - 1, BLOCK, 2 * BLOCK):
        assert (rows[row] == quantiser.apply(features[row : row + 1])[0]).all()


@pytest.fixture(scope="module")
def colour() -> Dataset:
    """40 images of 4 x 2 pixels and three channels."""
    return Dataset(
        name="colour",
        features=np.random.default_rng(0).integers(0, 256, (40, 24), dtype=np.uint8),
        labels=(np.arange(40) % 3).astype(np.uint8),
        class_names=("a", "b", "c"),
        image_shape=(4, 2, 3),
    )


@pytest.mark.parametrize("pooled", [False, True])
def test_a_package_of_colour_images_comes_back(colour: Dataset, pooled: bool, tmp_path: Path) -> None:
    quantiser = Quantiser(bits=4, pooled=pooled, image_shape=(4, 2, 3))
    package = build(colour, quantiser, group_size=8, seed=7)
    assert json.loads(package.manifest.to_json())["quantisation"]["image_shape"] == [4, 2, 3]
    package.save(tmp_path / "p")
    again = Package.load(tmp_path / "p")
    assert again.manifest == package.manifest
    assert again.manifest.quantiser == quantiser
    order = np.random.default_rng(7).permutation(40)
    assert (again.group(4).x == quantiser.apply(colour.features[order[32:]])).all()


def test_a_network_finds_its_pooling_whatever_the_number_of_channels(colour: Dataset) -> None:
    for inputs, pooled in ((24, False), (6, True)):
        layer = Layer(weights=np.ones((inputs, 3), np.int64), bias=np.zeros(3, np.int64), shift=None)
        network = Network(layers=(layer,), input_bits=4, activation_bits=4, weight_bits=4)
        quantiser = samples.for_network(colour, network).quantiser
        assert (quantiser.pooled, quantiser.folded, quantiser.width) == (pooled, False, inputs)


@pytest.mark.parametrize(
    ("image", "folded"), [((3, 4, 2), False), ((12, 2, 1), True), ((12, 1, 2), False), ((6, 2, 2), False)]
)
def test_a_convolution_finds_its_folding(colour: Dataset, image: tuple[int, int, int], folded: bool) -> None:
    one = Architecture(image=image, blocks=(Block(outputs=2),)).blank(classes=3, input_bits=4)
    trunk = Trunk(**{name: value for name, value in vars(one).items() if name != "head"})
    inputs = 2 * image[1] * image[2]
    layer = Layer(weights=np.ones((inputs, 3), np.int64), bias=np.zeros(3, np.int64), shift=None)
    last = Network(layers=(layer,), input_bits=8, activation_bits=8, weight_bits=8)
    for network in (one, SegmentedNetwork(trunks=(trunk,), last=last)):
        assert samples.for_network(colour, network).quantiser.folded is folded


def test_a_package_of_folded_images_says_so(colour: Dataset, tmp_path: Path) -> None:
    quantiser = Quantiser(bits=4, folded=True, image_shape=(4, 2, 3))
    package = build(colour, quantiser, group_size=8, seed=7)
    package.save(tmp_path / "package")
    again = Package.load(tmp_path / "package")
    assert again.manifest.quantiser == quantiser
    order = np.random.default_rng(7).permutation(40)
    assert (again.group(4).x == quantiser.apply(colour.features[order[32:]])).all()
    entries = json.loads(package.manifest.to_json())
    assert entries["quantisation"]["folded"] is True
    # one package has one manifest
    for other in (False, 1, None):
        entries["quantisation"]["folded"] = other
        with pytest.raises(PackageError, match=f"entry folded is {other}; it must be true, or left out"):
            Manifest.from_json(json.dumps(entries), source=Path("manifest.json"))


@pytest.mark.parametrize(
    ("shape", "pooled", "reason"),
    [
        ((4, 2, 1), False, r"\(4, 2, 1\) has one channel; write \(4, 2\)"),
        ((4, 2, 0), False, "no image is"),
        ((4, 2, 2**17), False, "no image is"),
        ((4, 3, 2), True, "has no 2 x 2 pooling"),
        ((3, 4, 2), True, "has no 2 x 2 pooling"),
    ],
)
def test_impossible_shapes_are_refused(shape: tuple[int, int, int], pooled: bool, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        Quantiser(bits=4, pooled=pooled, image_shape=shape)


@pytest.mark.parametrize("shape", [[4], [4, 2, 3, 1], [4, 2, "3"], [4, 2, 3.0], []])
def test_a_manifest_with_another_shape_is_refused(colour: Dataset, shape: list[object]) -> None:
    package = build(colour, Quantiser(bits=4, image_shape=(4, 2, 3)), group_size=8, seed=7)
    entries = json.loads(package.manifest.to_json())
    entries["quantisation"]["image_shape"] = shape
    with pytest.raises(
        PackageError, match=r"image_shape is .* null or \[height, width\] or \[height, width, channels\]"
    ):
        Manifest.from_json(json.dumps(entries), source=Path("manifest.json"))


def test_features_that_are_no_image_are_refused(colour: Dataset) -> None:
    with pytest.raises(DataError, match=r"24 features are no image of \(4, 2, 2\)"):
        Dataset(
            name="x", features=colour.features, labels=colour.labels, class_names=("a", "b", "c"), image_shape=(4, 2, 2)
        )
