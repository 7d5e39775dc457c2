"""Shorter runs keep the proportion of phases, and end with the preset's own."""

from dataclasses import replace

import pytest

from trainer.calibration.schedule import every_length, lengths, phases, shortened
from trainer.errors import DataError
from trainer.presets import PRESETS, Recipe

RECIPE = PRESETS["fashion-196-64"].recipe
TAUGHT = PRESETS["fashion-196-112-taught"].recipe


def test_every_phase_is_cut_to_the_same_part() -> None:
    assert phases(shortened(RECIPE, 0.25)) == {"float": 5, "quantised": 25}
    assert phases(shortened(TAUGHT, 0.5)) == {"teacher": 5, "float": 10, "quantised": 50}
    assert shortened(RECIPE, 1.0) == RECIPE
    assert shortened(TAUGHT, 1.0) == TAUGHT
    # nothing but epochs is another
    assert replace(shortened(RECIPE, 0.1), epochs=20, quantised_epochs=100) == RECIPE


def test_no_phase_is_lost_and_none_is_added() -> None:
    assert phases(shortened(RECIPE, 1e-6)) == {"float": 1, "quantised": 1}
    binary = PRESETS["fashion-784-128-binary"].recipe
    assert phases(shortened(binary, 0.1)) == {"quantised": 3}


@pytest.mark.parametrize("part", [0.0, -1.0, 1.01, float("nan")])
def test_another_part_is_refused(part: float) -> None:
    with pytest.raises(DataError, match=r"use a part above 0 and up to 1"):
        shortened(RECIPE, part)


@pytest.mark.parametrize("name", PRESETS)
def test_lengths_rise_to_the_presets_own(name: str) -> None:
    recipe = PRESETS[name].recipe
    found = lengths(recipe)
    totals = [cut.all_epochs for cut in found]
    assert totals == sorted(set(totals))
    assert found[-1] == recipe
    # enough of them for a learning curve, and to carry it on
    assert len(found) >= 4
    own = phases(recipe)
    for cut in found:
        part = cut.all_epochs / recipe.all_epochs
        assert all(abs(count - own[phase] * part) <= 1 for phase, count in phases(cut).items())


def test_a_recipe_of_two_epochs_has_few_lengths() -> None:
    tiny = Recipe(hidden=(), input_bits=1, activation_bits=4, weight_bits=4, epochs=1, quantised_epochs=1)
    assert [cut.all_epochs for cut in lengths(tiny)] == [2]
    assert every_length(tiny) == (tiny,)


def test_every_length_goes_from_the_shortest_to_the_presets_own() -> None:
    found = every_length(RECIPE)
    totals = [cut.all_epochs for cut in found]
    assert totals[0] == lengths(RECIPE)[0].all_epochs
    assert totals[-1] == 120
    assert totals == sorted(set(totals))
    assert len(totals) > 80
