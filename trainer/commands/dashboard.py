"""`trainer dashboard`."""

import logging
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from trainer.amounts import parse_duration
from trainer.commands.work import Work, on_node
from trainer.errors import ChainError, DataError, NodeError
from trainer.node.rpc import Rpc

LOCAL = ("127.0.0.1", "::1", "localhost")
THREADS = 4


def add(app: typer.Typer) -> None:
    """Register the command."""
    on_node(app)(dashboard)


def dashboard(
    work: Work,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for everyone who can reach it.")] = LOCAL[0],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")] = 8480,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Name under which browsers may ask for it, such as assay.example.org.")
    ] = None,
    every: Annotated[str, typer.Option(help="Time between two looks at the chain.")] = "4s",
) -> None:
    """Serve pages of the market: challenges, time lines, audits, payouts, prices. They need no key."""
    # for nothing else: each takes a moment to import
    from trainer.dashboard.app import create
    from trainer.dashboard.reading import Nobody
    from trainer.dashboard.watch import Watch
    from trainer.index import Index
    from trainer.prices.declarations import opened

    chosen = work.settings
    if chosen.node is None:
        raise ChainError("no node is named; use --node, or name one in the settings")
    if chosen.market is None:
        raise ChainError("no market is named; use --market, or deploy one with `trainer deploy`")
    seconds = parse_duration(every, "--every")
    if not seconds:
        raise DataError("--every: 0 s is no pause; use such as 4s")
    rpc, market, first_block = Rpc(chosen.node, patience=chosen.patience), chosen.market, chosen.first_block
    chain_id, path = _place(work, rpc, market)

    def note(text: str) -> None:
        work.say(f"note: {text}")

    log = opened(chosen.declarations, rpc, rpc.code, path.parent, market, first_block)
    # that of the thread has the node; those of requests never ask it
    watch = Watch(
        lambda: Index(path, Rpc(rpc.url, patience=chosen.patience), market, first_block, note=note),
        present=rpc.pending_timestamp,
        declared=list if log is None else log.read,
        every=seconds,
    )
    app = create(
        watch,
        lambda: Index(path, Nobody(), market, first_block, note=note),
        market=market,
        chain_id=chain_id,
        hosts=[*(allow_host or ()), host],
    )
    _check_cache(path, market, first_block)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)

    from waitress.server import create_server

    try:
        server = create_server(app, host=host, port=port, threads=THREADS, ident=None)
    except OSError as error:
        raise DataError(f"--host {host} --port {port}: {error.strerror or error}; choose another") from error
    signal.signal(signal.SIGTERM, _leave)
    watch.start()
    # with several addresses of one name, waitress has several sockets
    found = getattr(server, "effective_port", None) or server.effective_listen[0][1]
    shown = f"[{host}]" if ":" in host else host
    work.tell({"url": f"http://{shown}:{found}/", "market": market, "chain_id": chain_id})
    sys.stdout.flush()
    if host not in LOCAL:
        work.say("note: everyone who can reach this machine can read these pages")
    try:
        server.run()
    finally:
        watch.stop()
        server.close()


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _place(work: Work, rpc: Rpc, market: str) -> tuple[int, Path]:
    """Chain id, and the cache that the other commands use, too. Raises where the market is none."""
    from trainer.fingerprints import MARKET, identify

    chosen, found, first = work.settings, rpc.chain_id(), rpc.block(0)
    if chosen.chain_id not in (None, found):
        raise NodeError(
            f"the node {rpc.name} is on chain {found}, and the settings want {chosen.chain_id}; check --node"
        )
    if first is None:
        raise NodeError(f"the node {rpc.name} has no block 0; check --node")
    if identify(market, rpc.code) != MARKET:
        raise ChainError(f"{market} is no market of this version of Assay on chain {found}; check --market and --node")
    return found, chosen.home / f"{found}-{first.hash[:4].hex()}" / market / "index.sqlite"


def _check_cache(path: Path, market: str, first_block: int) -> None:
    """Raise now what opening the cache would raise in a thread."""
    from trainer.dashboard.reading import Nobody
    from trainer.index import Index

    Index(path, Nobody(), market, first_block).close()
