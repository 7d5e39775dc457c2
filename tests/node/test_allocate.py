"""`trainer allocate` with the challenges of a market on a real node."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.allocation_rig import RIG, feed_of, profile_of, toml
from tests.node import town
from tests.node.anvil import Anvil
from tests.node.command import REMEDY, binary
from tests.node.models import linear
from tests.node.town import Host, Place
from trainer.allocation import plan as plans
from trainer.cli import app

PRESET = "digits-64-32"
ADA = 2


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A node with a market; skips where anvil is not installed."""
    if binary() is None:
        pytest.skip(REMEDY)
    directory = tmp_path_factory.mktemp("town")
    (directory / "anvil").mkdir()
    with Anvil(directory / "anvil") as anvil:
        yield Place(anvil, directory)


def test_challenges_of_the_market_are_planned_for(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host.post(place, tmp_path / "poster")
    monkeypatch.chdir(tmp_path)
    now = place.anvil.block().timestamp
    (tmp_path / "rig.toml").write_text(toml(RIG))
    # six minutes of training, of an hour's window
    profile = profile_of(0.1)
    for device in profile["devices"]:
        device["presets"] = {PRESET: next(iter(device["presets"].values()))}
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    (tmp_path / "feed.json").write_text(json.dumps(feed_of(time=now)))
    options = ["--feed", "feed.json", "--now", now, "--hours", 2, "--step", "10m", "--home", tmp_path / "home"]
    common = ["--node", place.anvil.url, "--market", place.market, "--json", "--fresh"]

    def allocate(*more: object) -> tuple[dict[str, Any], str]:
        result = CliRunner().invoke(app, ["allocate", *map(str, [*options, *common, *more])])
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found, result.stderr

    found, said = allocate()

    assert f"challenge {host.challenge} has the shape of digits" in said
    (entry,) = found["entries"]
    terms, clock = host.found.terms, host.desk.clock(host.found)
    assert (entry["challenge"], entry["preset"]) == (host.challenge, PRESET)
    # an ether is 1000, and the reward is flat
    assert entry["reward"] == pytest.approx(1000 * terms.reward / town.ETH)
    assert now < entry["commit_by"] < clock.ends
    trained = [slot for device in found["devices"] for slot in device["slots"] if slot["challenge"] is not None]
    assert trained
    assert max(slot["to"] for slot in trained) <= entry["commit_by"]
    assert plans.load(tmp_path / "plan.json").entries[0].challenge == host.challenge
    # gas at a price that eats the reward: the node's is not
    assert allocate("--gas-price-gwei", 10**6)[0]["entries"] == []
    # its poster does not enter it
    assert allocate("--trainer", place.address(town.POSTER))[0]["entries"] == []
    # nor does anyone who sealed already
    desk = place.desk(ADA, tmp_path / "ada")
    seal = town.lying_seal(desk, host.challenge, linear(place.package), b"\7" * 32)
    desk.client.commit(seal)
    assert allocate("--trainer", desk.me)[0]["entries"] == []
    assert len(allocate()[0]["entries"]) == 1
