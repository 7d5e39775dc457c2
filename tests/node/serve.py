"""What `make node` runs: anvil in the foreground, until it is interrupted."""

import argparse
import os
import sys
import time
from pathlib import Path

from tests.node.command import REMEDY, binary, command, head_timestamp

SAVE_EVERY = 10
"""Seconds after which a kept chain is written to its file, apart from when it is interrupted."""


KEPT_BLOCKS = 64
"""Blocks whose state can be asked for; all blocks, receipts and logs can be."""


def main() -> None:
    """Become anvil."""
    parser = argparse.ArgumentParser(prog="make node", description=__doc__)
    parser.add_argument("--port", type=int, default=8545)
    parser.add_argument("--block-time", type=int, default=1, help="seconds; 0 for a block a transaction")
    parser.add_argument("--state", type=Path, help="file that keeps the chain")
    asked = parser.parse_args()
    executable = binary()
    if executable is None:
        sys.exit(REMEDY)
    timestamp = None
    if asked.state is not None:
        asked.state.parent.mkdir(parents=True, exist_ok=True)
        if asked.state.exists():
            # anvil's clock does not know that of the chain it reads, and blocks would go back in time
            try:
                timestamp = max(int(time.time()), head_timestamp(asked.state))
            except ValueError as error:
                sys.exit(str(error))
    words = command(
        executable,
        port=asked.port,
        timestamp=timestamp,
        block_time=asked.block_time,
        state=asked.state,
        keep=KEPT_BLOCKS,
    )
    if asked.state is not None:
        words += ["--state-interval", str(SAVE_EVERY)]
    os.execv(executable, words)


if __name__ == "__main__":
    main()
