"""What one challenge does to the others of an agent or a watcher: nothing."""

import copy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mirrors import Fault, Mirror
from tests.node import town
from tests.node.anvil import Anvil
from tests.node.command import REMEDY, binary
from tests.node.models import linear
from tests.node.town import Host, Place
from trainer.agent import studies
from trainer.agent.account import Agent
from trainer.agent.studies import Stage
from trainer.agent.watch import Watcher
from trainer.datasets import digits
from trainer.errors import ChainError, RpcError
from trainer.integer import Network
from trainer.package import Package, build
from trainer.protocol import Phase
from trainer.quantise import fit
from trainer.roles import auditor
from trainer.roles.desk import Desk

ADA, MALLORY, WATCHER = 2, 4, 5
REFUSAL = RpcError("eth_call", -32603, "EVM error OutOfGas")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A node with a market; skips where anvil is not installed."""
    if binary() is None:
        pytest.skip(REMEDY)
    directory = tmp_path_factory.mktemp("town")
    (directory / "anvil").mkdir()
    with Anvil(directory / "anvil") as anvil:
        yield Place(anvil, directory)


@pytest.fixture
def hosts(place: Place, tmp_path: Path) -> Iterator[tuple[Host, Host]]:
    """Two challenges whose commits are open, with packages of their own; the chain is as before after it."""
    other = copy.copy(place)
    other.package = tmp_path / "other"
    dataset = digits()
    build(dataset, fit(dataset, bits=town.BITS), group_size=town.SIZE, groups=town.GROUPS, seed=4).save(other.package)
    other.whole = Package.load(other.package)
    with place.anvil.undone():
        yield Host.post(place, tmp_path / "poster"), Host.post(other, tmp_path / "other-poster")


@pytest.fixture
def desk(place: Place, tmp_path: Path) -> Desk:
    """Ada's."""
    return place.desk(ADA, tmp_path / "ada")


@pytest.fixture
def good(place: Place) -> Network:
    return linear(place.package)


def turns(agent: Agent, until: Any) -> None:
    """Turns of an agent that has something under way, until something is the case."""
    end = time.monotonic() + 120
    while not until():
        assert time.monotonic() < end, "it never was"
        agent.turn()
        agent.rest(0.05)


def sealed(host: Host, desk: Desk) -> bool:
    return [seal.trainer for seal in host.found.seals] == [desk.me]


def hangs(*hosts: Host) -> dict[str, list[Fault]]:
    """Faults of a mirror that never answers for some packages."""
    return {f"{host.place.whole.root.hex()}/manifest.json": [Fault(status=1)] * 100 for host in hosts}


def test_a_fetch_that_hangs_holds_up_no_study_and_is_given_up_in_the_end(
    hosts: tuple[Host, Host], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # it is not for its being slow that the other may begin
    monkeypatch.setattr(studies, "SLOW_SECONDS", 3600.0)
    slow, other = hosts
    told: list[str] = []
    with Mirror(other.public) as mirror:
        mirror.faults = hangs(slow)
        agent = town.agent(desk, slow, told, sources=(mirror.url,))
        turns(agent, lambda: sealed(other, desk))
        assert list(agent.studies.stages().values()) == [Stage.FETCH], told
        other.end(Phase.COMMIT)
        for _ in range(3):
            agent.turn()
        assert not agent.studies.busy(), told
    number = slow.challenge
    given_up = f"decision: {number}: give up: it is too late to commit, and its training groups are being fetched"
    assert told.count(given_up) == 1, told
    assert slow.found.seals == []


def test_a_draw_that_is_undone_ends_the_study_of_it(place: Place, tmp_path: Path, desk: Desk) -> None:
    told: list[str] = []
    with place.anvil.undone(), Mirror(tmp_path) as mirror:
        host = Host.undrawn(place, tmp_path / "poster")
        mirror.faults = hangs(host)
        agent = town.agent(desk, host, told, sources=(mirror.url,))
        place.anvil.mine(5)
        with place.anvil.undone():
            host.desk.client.draw(host.challenge, sender=host.desk.me)
            agent.turn()
            assert agent.studies.busy()
        agent.turn()
        assert not agent.studies.busy()
    assert [text for text in told if text.startswith("given up: ")], told


@pytest.mark.parametrize("where", ["_cost", "_commit"])
def test_an_error_in_one_challenge_keeps_an_agent_from_no_other(
    hosts: tuple[Host, Host], desk: Desk, good: Network, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    told: list[str] = []
    for host in hosts:
        town.give(desk, host, good)
    agent = town.agent(desk, hosts[0], told)
    inner = getattr(agent, where)

    def refused(of: Any, *more: Any) -> Any:
        if hosts[0].challenge in (of, getattr(of, "id", None)):
            raise REFUSAL
        return inner(of, *more)

    monkeypatch.setattr(agent, where, refused)
    agent.run(once=True)

    assert (hosts[0].found.seals, sealed(hosts[1], desk)) == ([], True), told
    events = [text.partition(":")[0] for text in told if "OutOfGas" in text]
    assert events == ["refused"], told
    monkeypatch.undo()
    agent.run(once=True)
    assert sealed(hosts[0], desk), told


def test_while_a_transaction_is_on_its_way_no_other_is_sent(
    hosts: tuple[Host, Host], desk: Desk, good: Network
) -> None:
    anvil, told = hosts[0].place.anvil, list[str]()
    for host in hosts:
        town.give(desk, host, good)
    agent = town.agent(desk, hosts[0], told)
    outbox = desk.chain.outbox
    assert outbox is not None
    anvil.automine(False)
    desk.chain.wait = 0.2
    agent.turn()
    agent.turn()
    assert [record.key.partition("/")[2] for record in outbox.records()] == [f"commit/{hosts[0].challenge}"], told
    assert not any(text.startswith("outage") for text in told), told
    anvil.mine()
    anvil.automine(True)
    agent.run(once=True)
    assert all(sealed(host, desk) for host in hosts), told


def lie(hosts: tuple[Host, Host], place: Place, tmp_path: Path, good: Network) -> None:
    """Take both challenges to an audit of somebody whose predictions are the labels."""
    liar = place.desk(MALLORY, tmp_path / "liar")
    seals = [town.lying_seal(liar, host.challenge, town.noisy(good, 0.6), b"\7" * 32) for host in hosts]
    for seal in seals:
        liar.client.commit(seal)
    hosts[1].end(Phase.COMMIT)
    for host in hosts:
        host.reveal_rest()
        liar.client.claim(host.challenge, host.found.terms.threshold, sender=liar.me)
    hosts[1].end(Phase.CLAIM)
    for host, seal in zip(hosts, seals, strict=True):
        labels = host.desk.index.holdout(host.challenge).labels
        liar.client.unseal(seal, [labels[slot] for slot in range(host.found.terms.holdout)])


@pytest.mark.parametrize("error", [REFUSAL, ChainError("its segment is not registered; wait")])
def test_an_error_in_one_challenge_keeps_a_watcher_from_no_other(
    hosts: tuple[Host, Host], place: Place, tmp_path: Path, good: Network, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    lie(hosts, place, tmp_path, good)
    inner, told = auditor.check, list[str]()

    def refused(desk: Desk, number: int) -> Any:
        if number == hosts[0].challenge:
            raise error
        return inner(desk, number)

    monkeypatch.setattr(auditor, "check", refused)
    watcher = Watcher(place.desk(WATCHER, tmp_path / "watcher"), lambda event, text, **_: told.append(text), poll=0.02)
    watcher.run(once=True)

    fallen = [[seal.fell for seal in host.found.seals] for host in hosts]
    assert fallen == [[""], ["fraud"]], told
    assert sum(str(error) in text for text in told) == 1, told


def test_a_watcher_whose_proof_is_on_its_way_waits_for_it(
    hosts: tuple[Host, Host], place: Place, tmp_path: Path, good: Network
) -> None:
    told = list[str]()
    lie(hosts, place, tmp_path, good)
    desk = place.desk(WATCHER, tmp_path / "watcher")
    watcher = Watcher(desk, lambda event, text, **_: told.append(text), poll=0.02)
    outbox = desk.chain.outbox
    assert outbox is not None
    place.anvil.automine(False)
    desk.chain.wait = 0.2
    while not outbox.records():
        turn = watcher.turn()
    assert turn.busy, told
    assert watcher.turn().busy
    assert len(outbox.records()) == 1, told
    place.anvil.mine()
    place.anvil.automine(True)
    watcher.run(once=True)
    assert [[seal.fell for seal in host.found.seals] for host in hosts] == [["fraud"], ["fraud"]], told


def test_the_flag_leaves_out_large_data_sets(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from trainer.cli import app
    from trainer.node.keys import store

    place = hosts[0].place
    store(tmp_path / "key.json", place.anvil.accounts[ADA].key, "x")
    (tmp_path / "password").write_text("x\n")
    words = ["agent", "--budget", "2", "--once", "--depth", "0", "--poll", "0.02", "--most-bytes", "20479"]
    words += ["--node", place.anvil.url, "--market", place.market, "--home", str(tmp_path / "ada")]
    words += ["--keystore", str(tmp_path / "key.json"), "--password-file", str(tmp_path / "password")]

    done = CliRunner().invoke(app, words, catch_exceptions=False)

    assert done.exit_code == 0, done.output
    lines = [f"{host.challenge}: is left out: its data set has 20,480 bytes" for host in hosts]
    assert [line.partition(", and")[0] for line in done.stderr.splitlines()] == lines
