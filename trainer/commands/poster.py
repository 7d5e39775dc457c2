"""`trainer post`, `cancel`, `draw`, `reveal`: what a poster does."""

from pathlib import Path
from typing import Annotated, Any

import typer

from trainer.amounts import parse_amount, parse_duration, parse_threshold
from trainer.commands.market import IdArgument
from trainer.commands.work import Work, on_node
from trainer.errors import ChainError, DataError
from trainer.package import Package
from trainer.protocol import ETHER, Phase, Rule, Terms, Windows

Amount = Annotated[str, typer.Option(help="In ether, or in the token.")]
PackageOption = Annotated[Path | None, typer.Option(help="The package; by default the one that was posted from here.")]
Window = Annotated[str, typer.Option(help="Such as 45s, 30m, 24h or 7d.")]


DRAWN = ~(Phase.POSTED | Phase.DRAW)
"""Phases after the draw."""


def add(app: typer.Typer) -> None:
    """Register the commands."""
    on_node(app, sends=True)(post)
    on_node(app, sends=True)(cancel)
    on_node(app, sends=True, waits=True)(draw)
    on_node(app, waits=True, ipfs=True)(publish)
    on_node(app, sends=True, waits=True)(reveal)


def post(
    work: Work,
    package: Annotated[Path, typer.Argument(help="Directory that `trainer data pack` made.")],
    reward: Amount,
    opening: Annotated[
        str | None,
        typer.Option(
            help="What the reward is when commits open: it rises to the whole until they close, and a seal wins "
            "what it is when it is committed. By default the whole."
        ),
    ] = None,
    poster_bond: Amount = "0.1",
    trainer_bond: Amount = "0.1",
    seal_fee: Amount = "0.001",
    threshold: Annotated[str, typer.Option(help="Right answers a winner needs: a number, or such as 75%.")] = "75%",
    holdout: Annotated[int, typer.Option(min=1, help="Groups that are held out.")] = 16,
    rule: Annotated[
        str, typer.Option(help="best: the highest claim wins. first: the first to reach the threshold.")
    ] = "best",
    engine: Annotated[str, typer.Option(help="An engine of the settings, such as dense, or an address.")] = "dense",
    model_bytes: Annotated[int, typer.Option(min=1, help="Most bytes of a model.")] = 65_536,
    optimistic: Annotated[
        bool, typer.Option("--optimistic", help="Do not demand that every sample is executed.")
    ] = False,
    token: Annotated[str, typer.Option(help="Address of the token that is paid in; by default ether.")] = ETHER,
    commit: Window = "24h",
    reveal: Window = "4h",
    claim: Window = "4h",
    unseal: Window = "4h",
    audit: Window = "8h",
    nominate: Window = "4h",
    again: Annotated[bool, typer.Option("--again", help="Post the same terms a second time.")] = False,
) -> None:
    """Escrow a reward and a bond, and fix the terms of a challenge."""
    from trainer.roles import poster
    from trainer.roles import token as tokens

    if rule.upper() not in Rule.__members__:
        raise DataError(f"--rule: {rule!r} is no rule; use best or first")
    manifest = Package.load(package).manifest
    windows = {
        "commit": commit,
        "reveal": reveal,
        "claim": claim,
        "unseal": unseal,
        "audit": audit,
        "nominate": nominate,
    }
    decimals = tokens.decimals(work.desk, token)
    if opening is None:
        opening = reward
    given = {
        "reward": reward,
        "opening": opening,
        "poster_bond": poster_bond,
        "trainer_bond": trainer_bond,
        "seal_fee": seal_fee,
    }
    amounts: dict[str, Any] = {
        name: parse_amount(text, "--" + name.replace("_", "-"), decimals) for name, text in given.items()
    }
    terms = Terms(
        token=token,
        **amounts,
        rule=Rule[rule.upper()],
        threshold=parse_threshold(threshold, holdout * manifest.group_size),
        **manifest.terms,
        holdout=holdout,
        model_bytes=model_bytes,
        engine=work.settings.engines.get(engine, engine),
        full_audit=not optimistic,
        windows=Windows(**{name: parse_duration(text, f"--{name}") for name, text in windows.items()}),
    )
    if terms.opening > terms.reward:
        raise DataError(f"--opening: {opening} is more than the whole reward, {reward}; give at most that")
    if not terms.engine.startswith("0x"):
        known = ", ".join(work.settings.engines) or "none"
        raise DataError(f"--engine: the settings have no engine {engine!r} (there: {known}); use its address")
    desk = work.desk
    if not poster.posted(desk, terms) or again:
        approved = tokens.approve(desk, token, terms.reward + terms.poster_bond)
        if approved is not None:
            work.sent("approve", approved)
            if work.dry:
                # the post needs what was only estimated
                work.tell({})
                return
    done = poster.post(desk, package, terms, again=again)
    if work.dry:
        work.tell({})
        return
    if done.before:
        work.say(f"note: posted before, as challenge {done.challenge}; --again posts the same terms once more")
    work.sent("post", done.receipt)
    work.tell(
        {"challenge": done.challenge, "seed_block": done.seed_block, "root": "0x" + terms.root.hex()},
        f"trainer draw {done.challenge} --wait",
    )


def cancel(work: Work, number: IdArgument) -> None:
    """Take a challenge back before its seed block is mined."""
    desk = work.desk
    desk.require(number, Phase.POSTED, "cancel", sent=f"cancel/{number}")
    work.sent("cancel", desk.client.cancel(number, sender=desk.me))
    work.tell({"challenge": number, "outcome": "CANCELLED"}, "trainer withdraw")


def draw(work: Work, number: IdArgument) -> None:
    """Draw the hold-out from the hash of the block that the post fixed."""
    from trainer.roles import poster

    desk = work.desk
    seed = desk.require(number, Phase.POSTED | Phase.DRAW, "draw", sent=f"draw/{number}").seed_block
    # nodes estimate as if in their newest block, which does not know its own hash
    while (newest := desk.chain.block) <= seed:
        if not work.wait:
            raise ChainError(
                f"the seed of challenge {number} is the hash of block {seed}, and the newest is block {newest}; "
                "wait until there are more, or use --wait"
            )
        work.waits(f"waiting to draw: the seed is the hash of block {seed}, which is not mined yet")
    work.waits(None)
    work.sent("draw", desk.client.draw(number, sender=desk.me))
    if work.dry:
        work.tell({})
        return
    desk.index.sync()
    held = poster.held_out(desk, number)
    work.tell(
        {"challenge": number, "held_out": ", ".join(map(str, held))},
        f"trainer publish {number} --to DIRECTORY",
    )


def publish(
    work: Work,
    number: IdArgument,
    to: Annotated[str, typer.Option(help="Folder to publish to, or `ipfs` for the node at --ipfs-node.")],
    package: PackageOption = None,
) -> None:
    """Publish the training groups of a drawn challenge, and of the held-out ones nothing but their commitments."""
    from trainer.roles import data

    if work.wait:
        work.desk.require(number, DRAWN, "publish")
    done = data.publish(work.desk, number, package, to)
    work.tell(
        {"challenge": number, "published": done.source, "path": done.path, "bytes": done.size},
        f"trainers: trainer fetch {number} --from {done.source} --out training",
    )


def reveal(
    work: Work,
    number: IdArgument,
    package: PackageOption = None,
) -> None:
    """Show the held-out groups, one transaction each; those that were shown are left out."""
    from trainer.roles import poster

    count = poster.reveal(work.desk, number, package, lambda what, receipt: work.sent(what, receipt))
    work.tell(
        {"challenge": number, "revealed": count},
        "trainer withdraw",
    )
