"""One log a job: what it printed, of which no more is kept than twice a cap."""

import re
import time
from pathlib import Path

from trainer.errors import DataError

MOST_BYTES = 16 * 2**20
MOST_FILES = 200


class Logs:
    """A directory of logs. What outgrows the cap moves to a file ending in `.1`, and the log begins anew.

    Jobs write to their file themselves, so that they outlive a runner that was killed, and a cap is looked after once
    in a while: between two looks a log may grow by what the job prints. Of many challenges the oldest logs go.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES) -> None:
        """Make the directory; raises `DataError` where it cannot be."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{folder}: no directory for logs can be made ({error.strerror})") from error
        self.folder, self.most_bytes, self.most_files = folder, most_bytes, most_files

    def path(self, device: str, what: str) -> Path:
        """Where a job's log lies."""
        return self.folder / f"{_plain(device)}-{_plain(what)}.log"

    def head(self, path: Path, now: float, text: str) -> None:
        """Add a line of the runner's own; raises `OSError`."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        with path.open("a") as file:
            file.write(f"--- {stamp} {text}\n")

    def tidy(self) -> None:
        """Delete the logs that were written longest ago, where there are too many; raises `OSError`."""
        newest_first = sorted(self.folder.glob("*.log*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in newest_first[self.most_files :]:
            path.unlink(missing_ok=True)

    def trim(self, path: Path) -> bool:
        """Bring a log under the cap; whether it had outgrown it. Raises `OSError`."""
        if not path.is_file() or path.stat().st_size <= self.most_bytes:
            return False
        # the job appends to the file it has open: emptied, it goes on at its beginning
        with path.open("r+b") as file:
            file.seek(-self.most_bytes, 2)
            kept = file.read(self.most_bytes)
            path.with_suffix(".log.1").write_bytes(kept)
            file.truncate(0)
        return True


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)
