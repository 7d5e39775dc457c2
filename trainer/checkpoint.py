"""A directory that holds a training run: whole at every moment, and refused to any other run."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as orbax
from orbax.checkpoint import checkpoint_managers as managers

from trainer.errors import DataError
from trainer.files import check_directory
from trainer.integer import Uint8

FORMAT = 1
# what a process leaves that is killed while it saves
UNFINISHED = ".orbax-checkpoint-tmp"
STATE, RECORD = "state", "record"
ANEW = "choose another directory, or delete it to train anew"


class Checkpoint:
    """A run's state after its latest epoch, and after others that are kept.

    step:   epochs that were done at the latest save; 0 where there is none.
    record: what `save` was given there; empty where there is none.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any], *, keep: Sequence[int]) -> None:
        """Open a directory, or make it at the first save.

        run:  what decides the run, as JSON: another one in the directory is refused.
        keep: the steps that stay beside the latest.

        Raises `DataError` for a directory of other files, of another run, or of one that cannot be read.
        """
        check_directory(folder)
        self.folder, self._run = folder, {"format": FORMAT, **run}
        stray = [
            path.name for path in sorted(folder.glob("*")) if not path.name.isdigit() and UNFINISHED not in path.name
        ]
        if stray:
            raise DataError(f"{folder} holds {stray[0]}, which is no part of a training run; {ANEW}")
        self._manager = orbax.CheckpointManager(
            folder.absolute(),
            options=orbax.CheckpointManagerOptions(
                preservation_policy=managers.AnyPreservationPolicy(
                    [managers.LatestN(1), managers.CustomSteps(list(keep))]
                ),
                save_decision_policy=managers.FixedIntervalPolicy(1),
                enable_async_checkpointing=False,
                cleanup_tmp_directories=True,
            ),
        )
        self.step = int(self._manager.latest_step() or 0)
        self.record: dict[str, Any] = {}
        try:
            if self.step:
                self._check()
        except DataError:
            self._manager.close()
            raise

    def _check(self) -> None:
        self.record = self._restore(self.step, RECORD, orbax.args.JsonRestore())
        different = _differences(self.record.get("run", {}), self._run)
        if different:
            raise DataError(f"{self.folder} holds another training run: {'; '.join(different)}; {ANEW}")

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(self, *error: object) -> None:
        """Let go of the directory."""
        self._manager.close()

    def save(self, step: int, state: Any, record: Mapping[str, Any]) -> None:
        """Write the state after `step` epochs, whole or not at all.

        state: a tree of arrays; record: JSON.
        """
        try:
            self._manager.save(
                step,
                args=orbax.args.Composite(
                    state=orbax.args.StandardSave(state), record=orbax.args.JsonSave({"run": self._run, **record})
                ),
            )
        except OSError as error:
            raise DataError(f"{self.folder}: cannot be written ({error.strerror}); the last save is whole") from error

    def state(self, step: int, like: Any) -> Any:
        """The tree of `step`, whose arrays come to lie where those of `like` do."""
        abstract = jax.tree.map(orbax.utils.to_shape_dtype_struct, like)
        return self._restore(step, STATE, orbax.args.StandardRestore(abstract))

    def _restore(self, step: int, item: str, how: Any) -> Any:
        try:
            return self._manager.restore(step, args=orbax.args.Composite(**{item: how}))[item]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{self.folder}: epoch {step} cannot be read ({type(error).__name__}); {ANEW}") from error


def data_digest(x: Uint8, y: Uint8) -> str:
    """SHA-256 of the rows and their shape."""
    digest = hashlib.sha256(repr((x.shape, y.shape)).encode())
    for part in (x, y):
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def _differences(there: Mapping[str, Any], here: Mapping[str, Any], prefix: str = "") -> list[str]:
    """In words, every entry that is not the same; a digest is only said to differ."""
    found = []
    for name in {**there, **here}:
        old, new = there.get(name), here.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += _differences(old, new, f"{name} ")
        elif old != new:
            found.append(f"other {name}" if name == "data" else f"{prefix}{name} is {old}, not {new}")
    return found
