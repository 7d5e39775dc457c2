"""One agent an account and a home: two would not know of each other's plans."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainer.errors import ChainError


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock file, which the system frees when the process ends, however it ends; raises `ChainError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ChainError(
                f"another agent of this account works in this home ({path}); end it, or use another --home"
            ) from error
        yield
