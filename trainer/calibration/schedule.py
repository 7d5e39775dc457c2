"""Shorter runs of a preset: every phase cut to the same part, each with its whole schedule of rates.

The rates of a run fall along a cosine to its own end, so the accuracy after 10 epochs of a run of 100 says nothing of
what a run of 10 comes to. A point of a learning curve is therefore a whole run, and the curve goes over the *total*
epochs of runs: 4, 8, 16, … of 120.
"""

import math
from dataclasses import replace

from trainer.errors import DataError
from trainer.presets import ConvolutionRecipe, Recipe, Schedule

AnyRecipe = Recipe | ConvolutionRecipe

FEW = 8
"""Epochs of the shortest phase below which doubling gives too few lengths, and steps are of the square root of 2."""


def phases(recipe: Schedule) -> dict[str, int]:
    """Epochs of each phase that the recipe has, as `trainer.training` names them."""
    taught = 0 if recipe.teacher is None else recipe.teacher.epochs
    found = {"teacher": taught, "float": recipe.epochs, "quantised": recipe.quantised_epochs}
    return {name: epochs for name, epochs in found.items() if epochs}


def shortened(recipe: AnyRecipe, part: float) -> AnyRecipe:
    """The recipe with so large a part of the epochs of every phase, rounded, one at least; part in (0, 1].

    Raises `DataError` for another part.
    """
    if not 0 < part <= 1:
        raise DataError(f"a run of {part} of a schedule; use a part above 0 and up to 1")

    def cut(epochs: int) -> int:
        return max(1, round(epochs * part)) if epochs else 0

    teacher = recipe.teacher
    if teacher is not None:
        teacher = replace(teacher, epochs=cut(teacher.epochs))
    return replace(recipe, epochs=cut(recipe.epochs), quantised_epochs=cut(recipe.quantised_epochs), teacher=teacher)


def lengths(recipe: AnyRecipe) -> tuple[AnyRecipe, ...]:
    """The recipe in rising lengths, its own last: halved as often as the shortest phase has half an epoch left."""
    shortest = min(phases(recipe).values())
    step = 2.0 if shortest >= FEW else math.sqrt(2.0)
    count = int(math.log(2 * shortest, step) + 1e-9) + 1
    found = {cut.all_epochs: cut for cut in (shortened(recipe, step**-number) for number in range(count))}
    return tuple(found[epochs] for epochs in sorted(found))


def every_length(recipe: AnyRecipe) -> tuple[AnyRecipe, ...]:
    """The recipe in every length that `shortened` gives, from the shortest of `lengths` to its own."""
    least, most = lengths(recipe)[0].all_epochs, recipe.all_epochs
    cuts = (shortened(recipe, epochs / most) for epochs in range(1, most + 1))
    found = {cut.all_epochs: cut for cut in cuts if cut.all_epochs >= least}
    return tuple(found[epochs] for epochs in sorted(found))
