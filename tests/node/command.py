"""The command line of anvil, the node that the npm package `@foundry-rs/anvil` brings."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ROOT / "build/node/node_modules/@foundry-rs"
CHAIN_ID = 31_337
REMEDY = "anvil is not installed; `make anvil` installs it with npm"


def binary() -> Path | None:
    """The node's executable, or None where it is not installed; npm installs that of one platform."""
    return next(iter(sorted(PACKAGES.glob("anvil-*/bin/anvil"))), None)


def command(
    executable: Path,
    *,
    port: int,
    timestamp: int | None = None,
    block_time: int = 0,
    state: Path | None = None,
    keep: int | None = None,
    cache: Path | None = None,
) -> list[str]:
    """Arguments that start anvil on the loopback with the rules of today's main network.

    port:       0 for any that is free.
    timestamp:  of the first block, in seconds; None for now.
    block_time: seconds from block to block; 0 for a block a transaction.
    state:      file that the chain is read from, if it is there, and written to.
    keep:       last blocks whose state is kept, in memory; None for all, those of old blocks in files that stay behind.
    cache:      directory for those files; the home directory's .foundry if None.

    Osaka has EIP-2935 and EIP-7623; the limit of 2^24 gas a transaction (EIP-7825) is an option of anvil, which it
    leaves out otherwise.
    """
    words = [str(executable), "--host", "127.0.0.1", "--port", str(port), "--chain-id", str(CHAIN_ID)]
    words += ["--hardfork", "osaka", "--enable-tx-gas-limit"]
    if timestamp is not None:
        words += ["--timestamp", str(timestamp)]
    if block_time:
        words += ["--block-time", str(block_time)]
    if state is not None:
        words += ["--state", str(state)]
    if keep is not None:
        words += ["--prune-history", str(keep)]
    if cache is not None:
        words += ["--cache-path", str(cache)]
    return words


def head_timestamp(state: Path) -> int:
    """Timestamp of the last block in a state file; raises ValueError where the file is not whole."""
    try:
        return int(json.loads(state.read_bytes())["block"]["timestamp"], 16)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{state}: not a whole state of anvil ({error}); delete it, or restore a copy") from error
