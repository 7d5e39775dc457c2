"""Quantisation: pooling, bits, padding and ranges, value by value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trainer.datasets import Dataset
from trainer.errors import DataError
from trainer.quantise import Quantiser, fit

bits_of_a_feature = st.sampled_from([1, 2, 4, 8])


def table(features: list[list[float]]) -> Dataset:
    return Dataset(
        name="table",
        features=np.array(features, np.float64),
        labels=(np.arange(len(features)) % 2).astype(np.uint8),
        class_names=("a", "b"),
    )


def test_pixels_keep_their_top_bits() -> None:
    pixels = np.array([[0, 1, 127, 128, 254, 255, 16, 15]], np.uint8)
    expected = {1: [0, 1, 1, 1, 1, 1, 1, 1], 2: [0, 0, 1, 2, 3, 3, 0, 0], 4: [0, 0, 7, 8, 15, 15, 1, 0]}
    for bits, values in expected.items():
        assert Quantiser(bits=bits, image_shape=(2, 4)).apply(pixels).tolist() == [values]
    assert Quantiser(bits=8, image_shape=(2, 4)).apply(pixels).tolist() == pixels.tolist()


def test_pooling_sums_two_by_two_before_the_bits_go() -> None:
    image = np.array([[255, 255, 0, 0], [255, 255, 0, 3], [60, 60, 1, 1], [60, 75, 1, 1]], np.uint8).reshape(1, 16)
    assert Quantiser(bits=8, pooled=True, image_shape=(4, 4)).apply(image).tolist() == [[255, 0, 63, 1]]
    assert Quantiser(bits=4, pooled=True, image_shape=(4, 4)).apply(image)[0, :4].tolist() == [15, 0, 3, 0]
    assert Quantiser(bits=1, pooled=True, image_shape=(4, 4)).apply(image)[0, :4].tolist() == [1, 0, 1, 1]


def test_pixels_of_four_bits_saturate_at_fifteen() -> None:
    digits = np.array([[0, 1, 15, 16]], np.uint8)
    assert Quantiser(bits=4, image_shape=(2, 2), pixel_bits=4).apply(digits).tolist() == [[0, 1, 15, 15]]
    assert Quantiser(bits=8, image_shape=(2, 2), pixel_bits=4).apply(digits).tolist() == [[0, 16, 240, 240]]


def test_columns_use_ranges_of_the_training_rows_only() -> None:
    data = table([[0.0, 5.0], [10.0, 5.0], [1000.0, 6.0], [-3.0, 5.0]])
    quantiser = fit(data, bits=4, rows=np.array([0, 1]))
    assert quantiser.ranges == ((0.0, 10.0), (5.0, 5.0))
    assert quantiser.apply(data.features).tolist() == [[0, 0], [15, 0], [15, 0], [0, 0]]
    assert quantiser.apply(np.array([[5.0, 5.0], [0.624, 5.0], [0.625, 5.0]]))[:, 0].tolist() == [8, 0, 1]


def test_a_wild_value_does_not_flatten_a_column() -> None:
    data = table([[float(i)] for i in range(999)] + [[1e9]])
    assert fit(data, bits=8).ranges == ((5.0, 994.0),)


def test_a_rare_feature_keeps_its_few_values() -> None:
    data = table([[0.0, 1.0]] * 999 + [[1.0, 0.0]])
    quantiser = fit(data, bits=1)
    assert quantiser.ranges == ((0.0, 1.0), (0.0, 1.0))
    assert quantiser.apply(data.features)[[0, -1], :2].tolist() == [[0, 1], [1, 0]]


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(2, 20), st.integers(1, 9)), elements=st.floats(-1e150, 1e150)),
    bits_of_a_feature,
)
def test_any_table_fits_its_bits_and_fills_its_bytes(features: np.ndarray, bits: int) -> None:
    quantiser = fit(table(features.tolist()), bits=bits)
    rows = quantiser.apply(features)
    assert rows.dtype == np.uint8
    assert rows.max() < 2**bits
    assert rows.shape[1] * bits % 8 == 0
    assert 0 <= rows.shape[1] - features.shape[1] < 8
    assert not rows[:, features.shape[1] :].any()


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(3, 20), st.just(1)), elements=st.floats(-1e6, 1e6)), bits_of_a_feature
)
def test_larger_values_never_become_smaller(features: np.ndarray, bits: int) -> None:
    ordered = np.sort(features, axis=0)
    rows = fit(table(features.tolist()), bits=bits).apply(ordered)[:, 0].astype(int)
    assert (np.diff(rows) >= 0).all()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"bits": 3}, "3 bits a feature; use one of"),
        ({"bits": 4, "pooled": True}, "only images can be pooled"),
        ({"bits": 4, "pooled": True, "image_shape": (3, 4)}, "has no 2 x 2 pooling"),
        ({"bits": 4, "folded": True}, "only images can be folded"),
        ({"bits": 4, "folded": True, "image_shape": (4, 3)}, "cannot be folded by 2 x 2"),
        ({"bits": 4, "pooled": True, "folded": True, "image_shape": (4, 4)}, "pooled or folded, not both"),
    ],
)
def test_impossible_quantisations_are_refused(arguments: dict, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        Quantiser(**arguments)


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(DataError, match=r"rows of shape \(1, 3\); this quantisation takes \(n, 4\)"):
        Quantiser(bits=4, image_shape=(2, 2)).apply(np.zeros((1, 3), np.uint8))
