"""A teacher's answers: made once, and kept in a directory for other recipes that learn of the same teacher."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from trainer.convolution_models import FloatCNN
from trainer.errors import DataError
from trainer.files import check_directory, write_file
from trainer.integer import Uint8
from trainer.phase import Answers

BATCH = 500


def answers(model: FloatCNN, x: Uint8) -> Answers:
    """Answers of the trained network for quantised samples: float32, shape (n, classes), on the host."""
    definition, state = nnx.split(model)

    @jax.jit
    def said(state: Any, samples: jax.Array) -> jax.Array:
        return jax.nn.softmax(nnx.merge(definition, state)(samples, training=False))

    filled = np.pad(x, ((0, -len(x) % BATCH), (0, 0)))
    parts = [np.asarray(said(state, filled[i : i + BATCH])) for i in range(0, len(filled), BATCH)]
    return np.concatenate(parts)[: len(x)]


class Shelf:
    """A directory of answers, each under the digest of all that decides them."""

    def __init__(self, folder: Path, decides: Mapping[str, Any]) -> None:
        """Raises `DataError` where no directory is or can be made.

        decides: the teacher, its seed, rows and all else, as JSON.
        """
        check_directory(folder)
        digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
        self.path = folder / f"{digest[:32]}.npy"

    def get(self) -> Answers | None:
        """What `put` left there, if it did; raises `DataError` for a file that cannot be read."""
        if not self.path.exists():
            return None
        try:
            found: Answers = np.load(self.path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{self.path}: no answers of a teacher ({type(error).__name__}); delete it") from error
        return found

    def put(self, said: Answers) -> None:
        """Keep answers, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = io.BytesIO()
        np.save(file, said)
        write_file(self.path, file.getvalue())
