"""Two challenges settled on a chain, one winner who declares: what `trainer prices` says is what a pencil says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.boa_node import BoaNode
from tests.world import ETH, World, quality
from trainer.chain import deploy_declarations
from trainer.cli import app
from trainer.prices import report
from trainer.protocol import ETHER, Outcome

DAY = 86_400
FEE = 10**16
"""Wei that a seal burns."""
GAS = 590_000 + 155_000 + 2 * 190_000 + 72_000 + 330_000 + 290_000
"""Of a post, a commit, two reveals, a claim, an unsealing and one audit."""
WEIGHT = 0.01 + GAS * 1e-9
"""Ether of a payment, at 1 gwei a gas."""


class Story:
    """A world whose node commands can ask."""

    def __init__(self, world: World, node: BoaNode, url: str, home: Path) -> None:
        self.world, self.node, self.url, self.home = world, node, url, home
        self.log = deploy_declarations()

    def won(self, poster: str, winner: str, loser: str, reward: int) -> int:
        """A challenge that the first of two trainers wins."""
        world = self.world
        id = world.post(sender=poster, reward=reward, seal_fee=FEE)
        world.draw(id)
        for trainer, model in ((winner, quality(0)), (loser, quality(6))):
            world.commit(id, trainer, model)
        world.pass_phase(id)
        for group in world.held_out(id):
            world.reveal(id, group)
        world.claim(id, winner)
        world.pass_phase(id)
        world.unseal(id, winner)
        world.audit_all(id, winner)
        assert world.settle(id) == Outcome.WON
        return id

    def run(self, *words: object, **environment: str) -> Result:
        """`trainer prices`, of somebody without a key."""
        return self.command("prices", *words, **environment)

    def command(self, *words: object, **environment: str) -> Result:
        """Any command of his."""
        known = {
            "ASSAY_NODE": self.url,
            "ASSAY_MARKET": str(self.world.market.address),
            "ASSAY_DECLARATIONS": str(self.log.address),
            "ASSAY_HOME": str(self.home),
            "ASSAY_PATIENCE": "1",
            "COLUMNS": "200",
        }
        return CliRunner().invoke(app, list(map(str, words)), env={**known, **environment})

    def prices(self, *words: object) -> dict[str, Any]:
        """What the command says with --json."""
        done = self.run(*words, "--json")
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found


@pytest.fixture
def story(world: World, tmp_path: Path) -> Iterator[Story]:
    node = BoaNode(world.chain)
    with node.listening(), node.served() as url:
        yield Story(world, node, url, tmp_path / "home")


def test_prices_are_those_worked_by_hand(story: Story, tmp_path: Path) -> None:
    world = story.world
    ada, ben, cleo, _ = world.trainers
    first = story.won(world.poster, ada, cleo, 10 * ETH)
    # 2 exaFLOP in four hours: 5 ether an exaFLOP, 2.5 an hour
    for flops in (7 * 10**18, 2 * 10**18):
        story.log.declare(world.market.address, first, flops, 4 * 3600, "NVIDIA H200", sender=ada)
    # strangers' words count for nothing, whatever they say
    story.log.declare(world.market.address, first, 1, 1, "abacus", sender=cleo)
    story.log.declare(world.stranger, first, 3, 1, "abacus", sender=ada)
    settled = world.chain.now
    second = story.won(world.stranger, ben, cleo, 4 * ETH)
    assert (first, second) == (0, 1)
    assert world.honest_score(first, ada) == world.honest_score(second, ben) == 10, "of ten: the highest band"

    found = story.prices("--window", "week")
    start = (settled - 4 * DAY) // (7 * DAY) * 7 * DAY + 4 * DAY
    assert {name: found[name] for name in ("version", "market", "window", "ignored")} == {
        "version": 1,
        "market": world.market.address,
        "window": "week",
        "ignored": [],
    }
    assert found["rules"] == {"share": 0.25, "rivals": 0, "gas_price": 10**9, "ceiling": 2e16, "device": ""}
    (token,) = found["tokens"]
    assert (token["token"], token["decimals"], token["counted"], token["declared"]) == (ETHER, 18, 2, 1)
    assert token["uncounted"] == {"own": 0, "rivals": 0, "free": 0}
    alone = {
        "from": start,
        "to": start + 7 * DAY,
        "payments": 1,
        "interval": None,
        "weight": pytest.approx(WEIGHT, rel=1e-12),
        "poster_share": 1.0,
        "winner_share": 1.0,
        # one winner is all there is
        "one_liar": [None, None],
        # a third as much: then the one payment weighs a quarter of four thirds, and so does what is invented
        "move": {"up": pytest.approx(WEIGHT / 3), "down": pytest.approx(WEIGHT / 3), "accounts": 1},
    }
    assert token["series"] == [
        {
            "measure": "exaflop",
            "band": None,
            "points": [{**alone, "price": 5.0, "low": 5.0, "high": 5.0}],
        },
        {
            "measure": "device-hour",
            "band": None,
            "points": [{**alone, "price": 2.5, "low": 2.5, "high": 2.5}],
        },
        {
            "measure": "accuracy",
            "band": [0.95, 1.0],
            "points": [
                {
                    **alone,
                    "payments": 2,
                    # 4 and 10 weigh the same
                    "price": 7.0,
                    "low": 4.0,
                    "high": 10.0,
                    "weight": pytest.approx(2 * WEIGHT, rel=1e-12),
                    "poster_share": 0.5,
                    "winner_share": 0.5,
                    # either of two has half, and half is enough
                    "one_liar": [None, None],
                    # 7.7 has 4 below it and 10 above, so any one payment will do: of 1,337,000 gas at least
                    "move": {"up": 0.001337, "down": 0.001337, "accounts": 1},
                }
            ],
        },
    ]

    # what was printed is read back as it was, and any other value is named
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(found))
    assert report.read(path) == found

    # the picture, and the same for a reader
    shown = story.run("--picture", tmp_path / "prices.png")
    assert shown.exit_code == 0, shown.output
    assert (tmp_path / "prices.png").read_bytes().startswith(b"\x89PNG")
    assert "2 payments count, 1 of them with what they took" in shown.stdout
    assert "An exaFLOP, in ether" in shown.stdout


def test_a_declaration_counts_for_seven_days_and_no_longer(story: Story) -> None:
    world = story.world
    ada, _, cleo, _ = world.trainers
    id = story.won(world.poster, ada, cleo, 10 * ETH)
    settled = world.chain.now

    def declare(flops: int, seconds: int = 3600) -> None:
        story.log.declare(world.market.address, id, flops, seconds, "GPU", sender=ada)

    def price() -> list[float]:
        (token,) = story.prices()["tokens"]
        return [series["points"][0]["price"] for series in token["series"] if series["measure"] == "exaflop"]

    assert price() == []
    world.chain.mine_until(settled + 7 * DAY)
    declare(10**19)
    assert price() == [1.0]
    world.chain.mine(1, 1)
    declare(10**18)
    assert price() == [1.0], "a second too late"
    world.chain.mine(100)
    assert price() == [1.0], "from the cache"
    assert list(story.home.rglob("declarations-*.json"))


def test_what_no_device_can_do_is_ignored_and_told(story: Story) -> None:
    world = story.world
    ada, _, cleo, _ = world.trainers
    id = story.won(world.poster, ada, cleo, 10 * ETH)
    story.log.declare(world.market.address, id, 2 * 10**16 * 60 + 60, 60, "GPU", sender=ada)
    found = story.prices()
    assert found["tokens"][0]["declared"] == 0
    (ignored,) = found["ignored"]
    assert ignored["challenge"] == id
    assert "operations a second of one device" in ignored["why"]
    assert story.prices("--ceiling", "3e16")["tokens"][0]["declared"] == 1


def test_devices_and_rivals_are_chosen_by_option(story: Story) -> None:
    world = story.world
    ada, _, cleo, _ = world.trainers
    id = story.won(world.poster, ada, cleo, 10 * ETH)
    # bytes that are no text, and a command to a terminal
    raw = bytes(story.log.declare.prepare_calldata(world.market.address, id, 10**18, 60, "NVIDIA H200 xx"))
    data = raw.replace(b"H200 xx", b"H200 \xff\x1b")
    world.chain.env.execute_code(to_address=story.log.address, sender=ada, data=data)
    assert story.prices("--device", "h200")["tokens"][0]["declared"] == 1
    assert story.prices("--device", "B300")["tokens"][0]["declared"] == 0
    none = story.prices("--rivals", "2")["tokens"][0]
    assert (none["counted"], none["uncounted"], none["series"]) == (0, {"own": 0, "rivals": 1, "free": 0}, [])


def test_a_poster_who_openly_wins_his_own_challenge_is_no_price(story: Story) -> None:
    world = story.world
    ada, _, cleo, _ = world.trainers
    story.won(ada, ada, cleo, 10 * ETH)
    (token,) = story.prices()["tokens"]
    assert (token["counted"], token["uncounted"]["own"], token["series"]) == (0, 1, [])


def test_errors_are_one_line_and_name_the_value(story: Story, tmp_path: Path) -> None:
    cases = {
        ("--window", "year"): "--window: 'year' is no window; there are day, week",
        ("--share", "0"): "share 0.0; use a part above 0",
        ("--picture", tmp_path / "absent" / "p.png"): "no such directory; create it",
    }
    for words, said in cases.items():
        done = story.run(*words)
        assert (done.exit_code, done.stdout) == (1, ""), done.output
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
    for command in ("prices", "dashboard"):
        done = story.command(command, ASSAY_DECLARATIONS=str(story.world.market.address))
        assert (done.exit_code, done.stdout) == (1, ""), done.output
        assert "is no log of declarations of this version" in done.stderr


def test_without_a_log_there_are_prices_of_accuracies(story: Story) -> None:
    ada, _, cleo, _ = story.world.trainers
    story.won(story.world.poster, ada, cleo, 10 * ETH)
    done = story.run("--json", ASSAY_DECLARATIONS="")
    assert "the settings name no log of declarations" in done.stderr
    assert [series["measure"] for series in json.loads(done.stdout)["tokens"][0]["series"]] == ["accuracy"]
