"""`trainer run`: the plan of `trainer allocate`, done on this machine."""

import json
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from trainer.amounts import parse_duration, show_duration
from trainer.commands.work import Work, on_node, output
from trainer.errors import DataError

if TYPE_CHECKING:
    from trainer.rig.market import MarketWatch
    from trainer.rig.state import DeviceState, Home, RigState

RIG, PLAN = Path("rig.toml"), Path("plan.json")
JOULES_PER_KWH = 3.6e6


def add(app: typer.Typer) -> None:
    """Register the command."""
    on_node(app)(run)


def run(
    work: Work,
    plan: Annotated[Path, typer.Option(help="The plan; read again whenever it changes.")] = PLAN,
    rig: Annotated[Path, typer.Option(help="The devices and their commands.")] = RIG,
    status: Annotated[bool, typer.Option("--status", help="Say what runs and what it came to, and end.")] = False,
    until_end: Annotated[bool, typer.Option("--until-end", help="End with the plan, not wait for more.")] = False,
    poll: Annotated[float, typer.Option(min=0.05, max=60, help="Seconds between two looks at everything.")] = 1.0,
    most_crashes: Annotated[int, typer.Option(min=1, help="After so many crashes")] = 5,
    within: Annotated[str, typer.Option(help="within this time a job is left alone,")] = "30m",
    rest: Annotated[str, typer.Option(help="for this time.")] = "1h",
) -> None:
    """Start and stop miners and training jobs on this machine's devices as a plan says, and watch over them."""
    from trainer.allocation import rig as rigs
    from trainer.rig.state import Home, folder_for

    found = rigs.load(rig)
    home = Home(folder_for(work.settings.home, rig))
    if status:
        _status(work, home, rig)
        return
    if not found.devices:
        raise DataError(f"{rig} names no [[device]], so there is nothing to run on; add one")

    from trainer.ending import when_asked
    from trainer.rig.backoff import Patience
    from trainer.rig.probes import probe_for
    from trainer.rig.runner import Runner, Setting

    say = _sayer(work)
    market = _market(work, say)
    patience = Patience(
        crashes=most_crashes, within=parse_duration(within, "--within"), rest=parse_duration(rest, "--rest")
    )
    setting = Setting(
        rig=found,
        home=home,
        probes={device.name: probe_for(device) for device in found.devices},
        patience=patience,
        poll=poll,
        until_end=until_end,
        **({"ended": market} if market else {}),
    )
    with home.alone():
        runner = Runner(setting, plan, say)

        def asked(name: str) -> None:
            runner.ask_to_end(f"the runner ends ({name})")

        # who starts it may ignore the ends of children, and then the system keeps no exit codes
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with when_asked(asked):
            say("begins", f"follows {plan} on {len(found.devices)} devices; state and logs are in {home.folder}")
            if market is not None:
                market.start()
            try:
                runner.run()
            finally:
                if market is not None:
                    market.stop()
    say("ends", "everything that it started is stopped")


def _sayer(work: Work) -> Any:
    def say(event: str, text: str, **values: Any) -> None:
        now = time.time()
        # a terminal that is closed must not keep it from stopping what it started, and rich would end the process
        with suppress(OSError, ValueError):
            typer.echo(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(now))} {text}", err=True)
        if work.json:
            with suppress(OSError, ValueError):
                typer.echo(json.dumps({"event": event, "time": round(now, 3), "text": text, **values}))

    return say


def _market(work: Work, say: Any) -> "MarketWatch | None":
    """What follows the market, where one is configured."""
    chosen = work.settings
    if chosen.node is None or chosen.market is None:
        return None
    from trainer.index import Index
    from trainer.node.chain import connect
    from trainer.rig.market import MarketWatch
    from trainer.roles.desk import Desk

    def index() -> Index:
        return Desk(connect(chosen), chosen).index

    return MarketWatch(index, say)


def _status(work: Work, home: "Home", rig: Path) -> None:
    from trainer.rig.state import as_dict

    found, runs = home.read(), home.held()
    if found is None:
        raise DataError(f"nothing was run yet for {rig}; begin with trainer run --plan {PLAN} --rig {rig}")
    if work.json:
        typer.echo(json.dumps({**as_dict(found), "running": runs, "folder": str(home.folder)}))
        return
    _show(found, home, runs)


def _show(found: "RigState", home: "Home", runs: bool) -> None:
    ago = show_duration(max(0, int(time.time() - found.written)))
    if runs:
        output.print(f"A runner (process {found.pid}) follows {found.plan}; as of {ago} ago, in {home.folder}:")
    else:
        output.print(f"No runner works. The last one followed {found.plan}, and wrote {ago} ago, in {home.folder}:")
    # without frames, with which eleven columns exceed a terminal's 80: names and times would be cut off
    table = Table(
        "device",
        "°C",
        "W",
        *_SPENT.values(),
        "starts",
        "crashes",
        "too hot",
        "kWh",
        box=None,
        padding=(0, 1),
        pad_edge=False,
        collapse_padding=True,
    )
    for device in found.devices:
        table.add_row(*_row(device))
    output.print(table)
    for device in found.devices:
        state = device.job.what if device.state == "running" and device.job else device.state
        output.print(f"{device.name}: {state}: {device.why}")
    for number in found.ended:
        output.print(f"challenge {number}: its training has ended")
    if runs:
        return
    alive = [device.name for device in found.devices if _left(home, device)]
    if alive:
        output.print(f"Its runner is gone, and something runs on still: {', '.join(alive)}. Next: trainer run")


_SPENT = {"mine": "mined", "train": "trained", "stop": "stopping", "off": "off"}


def _row(device: "DeviceState") -> list[str]:
    totals = device.totals
    # unlike a sum of nothing, what was never measured is not zero
    energy = f"{sum(totals.joules.values()) / JOULES_PER_KWH:.3f}" if any(totals.measured.values()) else "-"
    return [
        device.name,
        "-" if device.celsius is None else f"{device.celsius:g}",
        "-" if device.watts is None else f"{device.watts:.0f}",
        *(show_duration(int(totals.seconds[activity])) for activity in _SPENT),
        str(totals.starts),
        str(totals.crashes),
        str(totals.hot),
        energy,
    ]


def _left(home: "Home", device: "DeviceState") -> bool:
    """Whether anything of a runner that is gone still runs on a device."""
    from trainer.rig.processes import Orphans, Trace

    traces = [Trace(device.job.pid, device.job.started)] if device.job else []
    return bool(Orphans(home.mark, device.name, traces).survivors())
