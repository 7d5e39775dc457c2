"""Networks against a revealed hold-out: what they predict, how often they are right, and where a claim lies."""

from collections.abc import Mapping

import numpy as np

from trainer import networks
from trainer.client import Holdout, Unsealed
from trainer.encode import class_word, classes_of, unpack_samples
from trainer.integer import Uint8
from trainer.networks import AnyNetwork
from trainer.protocol import Terms

Classes = Mapping[int, Uint8]
"""By slot: a class for each sample, uint8, shape (S,)."""


def predict(network: AnyNetwork, holdout: Holdout, terms: Terms) -> dict[int, Uint8]:
    """What a network says to every group that was revealed, all in one batch."""
    slots = sorted(holdout.samples)
    if not slots:
        return {}
    rows = [unpack_samples(holdout.samples[slot], terms.samples, terms.input_bits) for slot in slots]
    found = networks.predict_jax(network, np.concatenate(rows))
    return {slot: found[i * terms.samples :][: terms.samples] for i, slot in enumerate(slots)}


def score(classes: Classes, holdout: Holdout, terms: Terms) -> int:
    """How many are the labels, of all that was revealed."""
    return sum(int((found == classes_of(holdout.labels[slot], terms.samples)).sum()) for slot, found in classes.items())


def words(classes: Classes, terms: Terms) -> list[bytes]:
    """Predictions as the market takes them: a word a slot."""
    return [class_word(classes[slot]) for slot in range(terms.holdout)]


def lies(classes: Classes, shown: Unsealed, terms: Terms) -> dict[int, int]:
    """By slot, a mask of the samples for which what was unsealed is not what the model says; only where there are."""
    found = {}
    for slot, truth in classes.items():
        differ = classes_of(shown.predictions[slot], terms.samples) != truth
        if differ.any():
            found[slot] = sum(1 << int(i) for i in np.flatnonzero(differ))
    return found
