"""The command line of the roles on a node: one module a role."""

import typer

from trainer.commands import (
    agents,
    allocate,
    auditor,
    calibrate,
    dashboard,
    keys,
    market,
    poster,
    prices,
    rig,
    simulate,
    trainer,
)


def add_all(app: typer.Typer) -> None:
    """Register every command."""
    app.add_typer(keys.app, name="key", help="Keystores: make a key, encrypt one, say its address.")
    for module in (market, poster, trainer, auditor, agents, dashboard, prices, calibrate, allocate, rig, simulate):
        module.add(app)
