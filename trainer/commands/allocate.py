"""`trainer allocate`: what each device does in the next hours, by what pays most."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from trainer.amounts import parse_duration, show_duration
from trainer.commands.work import GWEI, Work, on_node, output
from trainer.errors import DataError
from trainer.files import check_file

if TYPE_CHECKING:
    from trainer.allocation.feed import Feed
    from trainer.allocation.offers import Market
    from trainer.allocation.plan import Plan
    from trainer.allocation.replan import Choice
    from trainer.calibration.profile import Profile

LONGEST = 14 * 24
STEPS = 600
"""Slots of a plan, at most."""


def add(app: typer.Typer) -> None:
    """Register the command."""
    on_node(app)(allocate)


def allocate(
    work: Work,
    feed: Annotated[str, typer.Option(help="File or http(s) address of prices and hash rates.")],
    rig: Annotated[Path, typer.Option(help="File of devices, what they mine, and what may be risked.")] = Path(
        "rig.toml"
    ),
    profile: Annotated[
        Path | None, typer.Option(help="What `trainer calibrate` wrote; by default profile.json if it is there.")
    ] = None,
    challenges: Annotated[
        Path | None, typer.Option(help="File of challenges, in place of those of the market that a node knows.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The plan. One that is there already is the one that runs.")] = Path(
        "plan.json"
    ),
    memory: Annotated[
        Path | None, typer.Option(help="File that the last good feed is kept in; by default beside the plan.")
    ] = None,
    hours: Annotated[int, typer.Option(min=1, max=LONGEST, help="Hours to plan.")] = 48,
    step: Annotated[str, typer.Option(help="Length of a slot.")] = "1h",
    stale: Annotated[str, typer.Option(help="Age from which on a feed is not acted on.")] = "2h",
    jump: Annotated[
        float, typer.Option(min=1.01, help="Factor by which prices may change before a second reading confirms it.")
    ] = 3.0,
    gas_price_gwei: Annotated[
        float | None, typer.Option(min=0, help="Price of a gas; by default the node's, or 10 without one.")
    ] = None,
    trainer: Annotated[
        str | None, typer.Option(help="Address that seals: challenges that it sealed in are not entered again.")
    ] = None,
    time_limit: Annotated[str, typer.Option(help="Time for each of two programs to be solved.")] = "30s",
    gap: Annotated[float, typer.Option(min=0, max=1, help="Part by which the plan may fall short of the best.")] = 0.0,
    picture: Annotated[Path | None, typer.Option(help="PNG of plan and prices.")] = None,
    now: Annotated[int | None, typer.Option(min=0, help="Unix second to plan from; by default the present.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Plan anew, as if no plan were running.")] = False,
) -> None:
    """Choose for every device and hour between mining, training for a challenge, and off; write the plan."""
    from trainer.allocation import offers, plan, replan, source, words
    from trainer.allocation import rig as rigs
    from trainer.allocation.build import build
    from trainer.calibration import profile as profiles

    check_file(out)
    if picture is not None:
        check_file(picture)
    seconds, limit = parse_duration(step, "--step"), parse_duration(time_limit, "--time-limit")
    if not 60 <= seconds <= 86_400 or hours * 3600 % seconds or hours * 3600 // seconds > STEPS:
        raise DataError(f"--step: {step} of {hours} h; use a part of them, of 1m to 24h, that makes at most {STEPS}")
    if not limit:
        raise DataError("--time-limit: 0 s is no time; use such as 30s")
    moment = int(time.time()) if now is None else now
    found_rig = rigs.load(rig)
    found_profile = _profile(profiles, profile)
    old = plan.load(out) if out.exists() and not fresh else None
    trust = source.Trust(stale=parse_duration(stale, "--stale"), jump=jump)
    reading = source.read(feed, memory or out.with_name(out.name + ".feed"), now=moment, trust=trust)
    if reading.note:
        work.say(f"note: {reading.note}")
    if not reading.fresh and old is not None and old.end > moment:
        work.say(f"the plan that runs stays: it has {show_duration(old.end - moment)} left")
        _tell(work, old, None, out, rig, reading.age, fresh=False)
        return
    price = _gas_price(work, gas_price_gwei, challenges)
    if challenges is not None:
        market = offers.load(challenges, reading.feed, price * GWEI / 10**18 * reading.feed.ether)
    else:
        market = _market(work, found_profile, reading.feed, price, trainer)
    planning = build(found_rig, found_profile, reading.feed, market, now=moment, hours=hours, step=seconds, old=old)
    for note in planning.notes:
        work.say(f"note: {note}")
    choice = replan.choose(planning, old, seconds=limit, gap=gap)
    new = words.plan_of(planning, choice, old)
    plan.save(out, new)
    if choice.gap > max(gap, 1e-6):
        work.say(f"note: the time was over; another plan may be better by up to {choice.gap:.2%}")
    if choice.kept:
        work.say(f"the plan that runs goes on: the best one is better by {choice.gain:.2%} only")
    if picture is not None:
        from trainer.allocation.picture import draw

        draw(picture, planning, new)
    _tell(work, new, choice, out, rig, reading.age, fresh=reading.fresh)


def _profile(profiles: Any, path: Path | None) -> "Profile | None":
    usual = Path("profile.json")
    if path is None and not usual.exists():
        return None
    found: Profile = profiles.load(path or usual)
    return found


def _gas_price(work: Work, given: float | None, challenges: Path | None) -> float:
    """Gwei a gas."""
    if given is not None:
        return given
    if challenges is None and work.settings.node is not None:
        rpc = work.chain.rpc
        return (rpc.base_fee() + rpc.tip()) / GWEI
    return 10.0


def _market(work: Work, profile: "Profile | None", feed: "Feed", gas_price: float, trainer: str | None) -> "Market":
    """The challenges of the market that the settings name."""
    from trainer.allocation.offers import Market, from_index

    if work.settings.node is None or work.settings.market is None:
        return Market(notes=("no market is named: nothing is trained; use --node and --market, or --challenges",))
    from trainer.roles.token import decimals

    desk = work.desk
    desk.index.sync()
    return from_index(
        desk.index.challenges(),
        now=work.chain.now,
        block=work.chain.block + 1,
        feed=feed,
        gas_price=gas_price * GWEI / 10**18 * feed.ether,
        decimals=lambda token: decimals(desk, token),
        profiled={name for device in profile.devices for name in device.presets} if profile is not None else (),
        me=trainer,
    )


def _tell(work: Work, found: "Plan", choice: "Choice | None", out: Path, rig: Path, age: int, *, fresh: bool) -> None:
    from trainer.allocation import plan as plans
    from trainer.allocation.words import clock

    facts: dict[str, Any] = {
        "plan": str(out),
        "expected": found.expected,
        "currency": found.currency,
        "kept": choice is None or choice.kept,
        "gap": None if choice is None else choice.gap,
        "baselines": {} if choice is None else dict(choice.baselines),
        "feed_age": age,
        "feed_fresh": fresh,
    }
    if work.json:
        work.tell({**facts, "devices": plans.as_dict(found)["devices"], "entries": plans.as_dict(found)["entries"]})
        return
    table, reasons = Table("device", "from, UTC", "to, UTC", "does", "with"), []
    for device in found.devices:
        for slot in device.slots:
            what = slot.coin or (f"challenge {slot.challenge}" if slot.challenge is not None else "")
            if slot.end > found.start:
                does = f"{slot.do.value} {what}".strip()
                table.add_row(
                    device.name, clock(slot.start), clock(slot.end), does, slot.algorithm or slot.preset or ""
                )
                reasons.append(slot.why)
    if table.row_count:
        output.print(table)
        for reason in reasons:
            output.print(reason)
    else:
        output.print("The rig has no devices: there is nothing to plan.")
    if found.entries:
        entries = Table("challenge", "preset", "hours", "chance", "reward", "commit", "expected")
        entries.columns[1].no_wrap = True
        for entry in found.entries:
            entries.add_row(
                str(entry.challenge),
                entry.preset or "",
                f"{entry.hours:g}",
                f"{entry.chance:.0%}",
                f"{entry.reward:.2f}",
                clock(entry.commit_by),
                f"{entry.expected:.2f}",
            )
        output.print(entries)
    shown = {"expected": f"{found.expected:.2f} {found.currency}"}
    if choice is not None:
        shown |= {name: f"{profit:.2f} {found.currency}" for name, profit in choice.baselines.items()}
    # what has no devices cannot be run
    work.tell({**shown, "plan": str(out)}, f"trainer run --plan {out} --rig {rig}" if found.devices else "")
