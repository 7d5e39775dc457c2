"""`trainer simulate`: an economy of rigs that mine or train."""

import json as json_module
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from trainer.errors import DataError

output = Console(soft_wrap=True, markup=False, emoji=False, highlight=False)


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(simulate)


def simulate(
    config: Annotated[
        Path | None, typer.Option(help="TOML file of settings; what is given here as an option goes before it.")
    ] = None,
    miners: Annotated[int | None, typer.Option(help="Rigs; by default 1,000.")] = None,
    challenges: Annotated[int | None, typer.Option(help="Challenges in all; by default 1,000.")] = None,
    hours: Annotated[int | None, typer.Option(help="Hours; by default 8,760, a year.")] = None,
    seed: Annotated[int | None, typer.Option(help="Which draw of rigs, challenges and prices.")] = None,
    rule: Annotated[str | None, typer.Option(help="Who wins: first, best, or both in turns.")] = None,
    opening: Annotated[float | None, typer.Option(help="Part of the reward at the opening; 1 for a flat one.")] = None,
    window: Annotated[int | None, typer.Option(help="Median hours of the commit window.")] = None,
    bond: Annotated[float | None, typer.Option(help="A trainer's bond, as part of the reward.")] = None,
    settings: Annotated[
        bool, typer.Option("--settings", help="Print all settings as TOML, and simulate nothing.")
    ] = False,
    picture: Annotated[Path | None, typer.Option(help="PNG file to draw the year into.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Simulate rigs that mine a coin or train for challenges, whichever pays more, hour by hour."""
    from trainer import files
    from trainer.simulation.settings import Settings, read

    asked: dict[str, Any] = {
        "miners": miners,
        "challenges": challenges,
        "hours": hours,
        "seed": seed,
        "rule": rule,
        "opening": opening,
        "window": window,
        "bond": bond,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    chosen = Settings(**given) if config is None else read(config, **given)
    if settings:
        for field in fields(chosen):
            typer.echo(f"{field.name} = {json_module.dumps(getattr(chosen, field.name))}")
        return
    if picture is not None:
        files.check_file(picture)
        if picture.suffix.lower() != ".png":
            raise DataError(f"--picture: {picture} is no PNG file; name it such as {picture.with_suffix('.png')}")

    # for nothing else: JAX takes seconds to import
    from trainer.simulation.report import summary
    from trainer.simulation.run import simulate as run

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("day {task.fields[day]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("compiling", total=chosen.hours, day=0)

        def advance(done: int, _: int) -> None:
            bar.update(task, completed=done, description="simulating", day=done // 24)

        ended = run(chosen, progress=advance)
    found = summary(ended)
    if picture is not None:
        from trainer.simulation.picture import draw

        draw(picture, ended)
    if json:
        typer.echo(json_module.dumps(found, allow_nan=False))
        return
    _print(found)
    if picture is not None:
        output.print(f"picture: {picture}")


def _print(found: dict[str, Any]) -> None:
    table = Table("", "a quarter below", "median", "a quarter above")
    rows = {
        "price": "USD paid for 1e18 FLOPs",
        "winner_cost": "what they cost the winner",
        "price_over_winner_cost": "price over the winner's cost",
        "price_over_least_cost": "price over the lowest cost of all",
        "part_of_reward_paid": "part of the reward paid",
        "hours_to_the_winning_seal": "hours until the winning seal",
    }
    for name, title in rows.items():
        spread = found[name]
        shown = (
            ("–",) * 3 if spread is None else (f"{spread[at]:.3g}" for at in ("quarter", "median", "three_quarters"))
        )
        table.add_row(title, *shown)
    asked, trainers, shares = found["challenges"], found["trainers"], found["hours"]
    output.print(table)
    output.print(f"challenges   {asked['won']:,} of {asked['number']:,} won")
    if asked["number"]:
        output.print(f"             {asked['entrants']:.2f} trained for each, {asked['seals']:.2f} sealed")
    output.print(
        f"hours        {100 * shares['mined']:.2f} % mining, {100 * shares['trained']:.2f} % training, "
        f"{100 * shares['off']:.2f} % off"
    )
    output.print(
        f"trainers     paid {trainers['paid']:,.0f} USD, profit {trainers['profit']:,.0f}; "
        f"training that won nothing cost {trainers['of_that_for_nothing']:,.0f}"
    )
    output.print(f"sorting      rank correlation {found['advantage_and_training']:+.2f} of advantage and training")
    output.print(f"digest       {found['digest']}")
