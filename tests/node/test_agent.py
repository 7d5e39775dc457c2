"""Agents on a real node, while the test plays everybody else: what they win, what they catch, and every wei of it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node import town
from tests.node.anvil import Anvil
from tests.node.command import REMEDY, binary
from tests.node.models import linear
from tests.node.town import ETH, Host, Place
from trainer.agent.account import Agent
from trainer.agent.lock import alone
from trainer.agent.study import directory_for, load
from trainer.agent.watch import Watcher
from trainer.encode import class_word, classes_of
from trainer.errors import ChainError
from trainer.integer import Network
from trainer.protocol import ETHER, Outcome, Phase
from trainer.roles import scoring
from trainer.roles.desk import Desk

ADA, BEN, MALLORY, WATCHER = 2, 3, 4, 5


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
def host(place: Place, tmp_path: Path) -> Iterator[Host]:
    """A challenge whose commits are open; the chain is as before after it."""
    with place.anvil.undone():
        yield Host.post(place, tmp_path / "poster")


def desk_of(place: Place, account: int, tmp_path: Path) -> Desk:
    return place.desk(account, tmp_path / f"home-{account}")


def idle(agent: Agent | Watcher) -> None:
    """Let it do all there is to do now."""
    agent.run(once=True)


@pytest.fixture
def good(place: Place) -> Network:
    return linear(place.package)


def test_an_agent_takes_a_challenge_from_commit_to_withdrawal(host: Host, tmp_path: Path) -> None:
    anvil, place = host.place.anvil, host.place
    desk = desk_of(place, ADA, tmp_path)
    before, poster_before, first = (
        town.balance(anvil, desk.me),
        town.balance(anvil, host.desk.me),
        anvil.block().number + 1,
    )
    told: list[str] = []
    ada = town.agent(desk, host, told)

    # nothing is given to it: it fetches, trains, and seals
    idle(ada)

    judged = load(directory_for(desk.directory, host.found, desk.me))
    assert judged is not None, told
    assert judged.right > 0.8 * judged.rows
    assert [seal.trainer for seal in host.found.seals] == [desk.me], told
    host.reveal()
    idle(ada)
    (seal,) = host.found.seals
    assert seal.claim is not None, told
    assert seal.claim >= host.found.terms.threshold
    host.end(Phase.CLAIM)
    idle(ada)
    host.take_out()

    found = host.found
    assert (found.stored.phase, found.stored.outcome, found.winner) == (Phase.CLOSED, Outcome.WON, desk.me), told
    assert town.books(desk) == {"escrowed": 0, "credited": 0, "burned": found.terms.seal_fee, "held": 10**15}
    assert town.earned(anvil, desk.me, before, first) == found.terms.reward - found.terms.seal_fee
    assert town.earned(anvil, host.desk.me, poster_before, first) == found.terms.poster_bond
    names = [event.name for event in desk.index.events(host.challenge)]
    assert [names.count(name) for name in ("Committed", "Claimed", "Unsealed", "Settled")] == [1, 1, 1, 1]


def test_a_liar_is_caught_and_the_better_agent_is_paid(host: Host, tmp_path: Path, good: Network) -> None:
    anvil, place = host.place.anvil, host.place
    accounts = (ADA, BEN, MALLORY)
    desks = {account: desk_of(place, account, tmp_path) for account in accounts}
    before = {account: town.balance(anvil, place.address(account)) for account in accounts}
    first = anvil.block().number + 1
    told: list[str] = []
    town.give(desks[ADA], host, good)
    town.give(desks[BEN], host, town.noisy(good, 0.2), right=85)
    ada, ben = (town.agent(desks[account], host, told) for account in (ADA, BEN))
    liar = desks[MALLORY]
    seal = town.lying_seal(liar, host.challenge, town.noisy(good, 0.6), b"\7" * 32)
    liar.client.commit(seal)
    for one in (ben, ada):
        idle(one)
    host.reveal()
    for one in (ben, ada):
        idle(one)
    terms = host.found.terms
    every = terms.holdout * terms.samples
    liar.client.claim(host.challenge, every, sender=liar.me)
    host.end(Phase.CLAIM)
    # every prediction is the label
    holdout = host.desk.index.holdout(host.challenge)
    liar.client.unseal(seal, [holdout.labels[slot] for slot in range(terms.holdout)])

    # whoever looks first proves it, then nominates himself; the other goes one better, if he can
    for one in (ben, ada, ben):
        idle(one)
    fallen = {seal.trainer: seal.fell for seal in host.found.seals}
    assert fallen == {liar.me: "fraud", ada.me: "", ben.me: ""}, told
    host.end(Phase.NOMINATE)
    for one in (ben, ada, ben, ada):
        idle(one)
    host.take_out()

    found = host.found
    scores = {seal.trainer: seal.claimed or 0 for seal in found.seals}
    assert scores[ada.me] > scores[ben.me] >= terms.threshold, scores
    assert (found.stored.outcome, found.winner) == (Outcome.WON, ada.me), told
    bounty = terms.trainer_bond // 2
    fees, half = 3 * terms.seal_fee, terms.trainer_bond - bounty
    assert town.books(host.desk) == {"escrowed": 0, "credited": 0, "burned": fees + half, "held": fees + half}
    assert {account: town.earned(anvil, place.address(account), before[account], first) for account in accounts} == {
        ADA: terms.reward - terms.seal_fee,
        BEN: bounty - terms.seal_fee,
        MALLORY: -terms.trainer_bond - terms.seal_fee,
    }


def _lie(host: Host, liar: Desk, network: Network) -> None:
    """Take a challenge to an audit of somebody who says one class wrong."""
    seal = town.lying_seal(liar, host.challenge, network, b"\7" * 32)
    liar.client.commit(seal)
    host.reveal()
    terms, holdout = host.found.terms, host.desk.index.holdout(host.challenge)
    classes = scoring.predict(network, holdout, terms)
    score = scoring.score(classes, holdout, terms)
    liar.client.claim(host.challenge, score, sender=liar.me)
    host.end(Phase.CLAIM)
    truth = {slot: classes_of(holdout.labels[slot], terms.samples) for slot in classes}
    slot = next(slot for slot in classes if (classes[slot] != truth[slot]).any())
    wrong = int((classes[slot] != truth[slot]).argmax())
    classes[slot] = classes[slot].copy()
    classes[slot][wrong] = truth[slot][wrong]
    liar.client.unseal(seal, [class_word(classes[slot]) for slot in range(terms.holdout)])


def test_a_watcher_proves_one_false_prediction(host: Host, tmp_path: Path, good: Network) -> None:
    liar, desk = desk_of(host.place, MALLORY, tmp_path), desk_of(host.place, WATCHER, tmp_path)
    told: list[str] = []
    _lie(host, liar, town.noisy(good, 0.3))
    dry = Watcher(desk, lambda event, text, **_: told.append(text), poll=0.02, dry=True)
    idle(dry)
    assert any("1 of 64 predictions are false" in text for text in told), told
    assert host.phase == Phase.AUDIT

    watcher = Watcher(desk, lambda event, text, **_: told.append(text), poll=0.02)
    idle(watcher)

    assert [seal.fell for seal in host.found.seals] == ["fraud"], told
    assert desk.index.credits(ETHER)[desk.me] == host.found.terms.trainer_bond // 2
    # without --keep-house it leaves the rest to others
    host.end(Phase.NOMINATE)
    idle(watcher)
    assert host.phase == Phase.SETTLE
    idle(Watcher(desk, lambda *_, **__: None, poll=0.02, keep_house=True))
    assert (host.found.stored.phase, host.found.stored.outcome) == (Phase.CLOSED, Outcome.UNNOMINATED)


def test_a_watcher_leaves_the_honest_alone(host: Host, tmp_path: Path, good: Network) -> None:
    desk = desk_of(host.place, ADA, tmp_path)
    town.give(desk, host, good)
    ada = town.agent(desk, host)
    idle(ada)
    host.reveal()
    idle(ada)
    host.end(Phase.CLAIM)
    # unseals and executes
    assert ada.turn().acted
    assert host.phase == Phase.AUDIT
    told: list[str] = []
    watcher = Watcher(desk_of(host.place, WATCHER, tmp_path), lambda _, text, **__: told.append(text), poll=0.02)

    idle(watcher)

    assert [text.partition(": ")[2].partition(": ")[2] for text in told] == ["0 of 64 predictions are false"]
    assert host.phase == Phase.AUDIT


def test_what_does_not_pay_or_exceeds_the_budget_is_left_alone(host: Host, tmp_path: Path, good: Network) -> None:
    desk = desk_of(host.place, ADA, tmp_path)
    town.give(desk, host, good, right=10)
    told: list[str] = []

    idle(town.agent(desk, host, told))
    town.give(desk, host, good)
    idle(town.agent(desk, host, told, budget=ETH // 10))

    assert host.found.seals == []
    reasons = [text for text in told if "is left out" in text]
    assert ["expected" in reasons[0], "of the budget are left" in reasons[1]] == [True, True], told
    assert desk.chain.outbox is not None
    assert desk.chain.outbox.records() == []


def test_an_agent_keeps_the_duties_of_its_own_post(place: Place, tmp_path: Path, good: Network) -> None:
    with place.anvil.undone():
        host = Host.undrawn(place, tmp_path / "poster")
        home = host.desk
        own = town.agent(home, host, publish=str(tmp_path / "public"))
        idle(own)
        assert host.phase == Phase.POSTED
        place.anvil.mine(5)
        idle(own)
        assert host.phase == Phase.COMMIT
        assert [path.name for path in (tmp_path / "public").iterdir()] == [place.whole.root.hex()]
        desk = desk_of(place, ADA, tmp_path)
        ada = town.agent(desk, host, sources=(str(tmp_path / "public"),))
        town.give(desk, host, good)
        idle(ada)
        host.end(Phase.COMMIT)
        idle(own)
        assert host.phase == Phase.CLAIM
        assert home.me not in [seal.trainer for seal in host.found.seals]


def test_two_agents_of_one_account_exclude_each_other(host: Host, tmp_path: Path) -> None:
    desk = desk_of(host.place, ADA, tmp_path)
    lock = town.agent(desk, host).lock
    with alone(lock), pytest.raises(ChainError, match="another agent of this account"), alone(lock):
        pass
    with alone(lock):
        pass


def test_the_command_prints_events_as_lines_of_json(host: Host, tmp_path: Path, good: Network) -> None:
    from typer.testing import CliRunner

    from trainer.cli import app
    from trainer.node.keys import store

    desk = desk_of(host.place, ADA, tmp_path)
    town.give(desk, host, good)
    store(tmp_path / "key.json", host.place.anvil.accounts[ADA].key, "x")
    (tmp_path / "password").write_text("x\n")
    words = ["agent", "--budget", "2", "--once", "--depth", "0", "--poll", "0.02", "--json", "--hidden", "0"]
    words += ["--node", host.place.anvil.url, "--market", host.place.market, "--home", str(tmp_path / f"home-{ADA}")]
    words += ["--keystore", str(tmp_path / "key.json"), "--password-file", str(tmp_path / "password")]

    done = CliRunner().invoke(app, words, catch_exceptions=False)

    assert done.exit_code == 0, done.output
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(event["event"], event.get("act") or event.get("what")) for event in events] == [
        ("decision", "commit"),
        ("transaction", "commit"),
        ("decision", "wait"),
    ]
    assert len(host.found.seals) == 1
