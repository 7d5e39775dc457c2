"""The pages say what the logs say, to several readers at once, and let nobody in who does not belong there."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address
from flask import Flask
from flask.testing import FlaskClient
from waitress.server import create_server

from tests.histories import History, Node
from tests.invented import MARKET, TERMS, Invented, many, person, showcase
from tests.payments import declared, payment
from tests.recorded import history
from trainer.dashboard import charts, guard, timeline
from trainer.dashboard.app import PAGE, create
from trainer.dashboard.life import spans
from trainer.dashboard.money import BURNED, HELD, flow
from trainer.dashboard.reading import Nobody, Reader
from trainer.dashboard.watch import Moment, Watch
from trainer.errors import NodeError
from trainer.index import FOREVER, Event, Index
from trainer.prices.declarations import Declared
from trainer.prices.facts import Payment
from trainer.protocol import ETHER, Outcome, Phase

CHROMIUM = "/usr/bin/chromium"
LIAR, AUDITED = 2, 20
"""Challenges of the showcase: one whose first candidate lied, one that is audited now."""


@cache
def shown() -> Invented:
    return showcase()


@cache
def walk() -> History:
    """What the market itself logged in a few dozen lives with all kinds of ends."""
    return history(1, 120)


class Site:
    """A dashboard over a source, with a clock that the test moves."""

    def __init__(
        self, path: Path, source: Any, market: str, hosts: tuple[str, ...] = (), declared: Sequence[Declared] = ()
    ) -> None:
        self.path, self.ticks = path, 0.0
        self.watch = Watch(
            lambda: Index(path, source, market), declared=lambda: list(declared), ticks=lambda: self.ticks
        )
        self.reader = Reader(lambda: Index(path, Nobody(), market))
        self.app: Flask = create(
            self.watch, lambda: Index(path, Nobody(), market), market=market, chain_id=1, hosts=hosts
        )
        self.client: FlaskClient = self.app.test_client()

    def text(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    def json(self, path: str) -> Any:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json


@pytest.fixture(scope="module")
def read_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of the showcase, to copy."""
    path = tmp_path_factory.mktemp("showcase") / "index.sqlite"
    index = Index(path, shown(), MARKET)
    index.sync()
    index.close()
    return path


@pytest.fixture
def site(tmp_path: Path, read_once: Path) -> Site:
    path = tmp_path / "index.sqlite"
    shutil.copy(read_once, path)
    made = Site(path, shown(), MARKET)
    made.watch.look()
    return made


# ── what is said ──


def test_the_list_is_newest_first_and_says_where_each_stands(site: Site) -> None:
    text = site.text("/")
    assert re.findall(r'<a href="/challenge/(\d+)">', text) == [str(i) for i in range(23, -1, -1)]
    found = {row["challenge"]: row for row in site.json("/api/challenges")["challenges"]}
    assert [found[i]["phase"] for i in (23, 22, 21, 20, 0)] == ["draw", "commit", "commit", "audit", "closed"]
    assert found[17] | {"outcome": "deserted", "winner": None, "reward": "2400000000000000000"} == found[17]
    assert found[20] | {"seals": 5, "best_claim": 234, "samples": 256, "threshold": 218} == found[20]
    assert "3.1 ether" in text
    assert "91.4 %" in text


def test_a_filter_shows_one_phase(site: Site) -> None:
    assert re.findall(r'<a href="/challenge/(\d+)">', site.text("/?phase=commit")) == ["22", "21"]
    assert [row["challenge"] for row in site.json("/api/challenges?phase=audit")["challenges"]] == [AUDITED]
    assert "No challenge is in this phase now" in site.text("/?phase=nominate")


def test_time_moves_phases_without_a_block(site: Site) -> None:
    before = site.json(f"/api/challenges/{AUDITED}")
    assert before["phase"] == "audit"
    site.ticks += before["ends"] - before["known"]["now"]
    assert site.json(f"/api/challenges/{AUDITED}")["phase"] == "nominate"
    assert ">nominate</span>" in site.text(f"/challenge/{AUDITED}")


def test_a_challenge_says_everything(site: Site) -> None:
    text = site.text(f"/challenge/{LIAR}")
    for said in ("disproven", "winner", "98 bytes, 4 bits a feature, 10 classes", "0x" + TERMS.root.hex(), "Fraud"):
        assert said in text
    found = site.json(f"/api/challenges/{LIAR}")
    names = [event["event"] for event in found["events"]]
    assert names[0] == "Posted"
    assert {"Fraud", "Nominated", "Settled"} < set(names)
    # as many cells as samples, for each of two candidates
    grids = re.findall(r'<svg class="grid".*?</svg>', text, re.S)
    assert [grid.count("M") for grid in grids] == [256, 256]
    cells = [{c: path.count("M") for c, path in re.findall(r'class="(\w+)" d="([^"]*)"', grid)} for grid in grids]
    assert cells == [{"unseen": 158, "right": 96, "wrong": 2}, {"unseen": 0, "right": 256, "wrong": 0}]


def test_phases_are_drawn_where_they_were(site: Site) -> None:
    found = site.json(f"/api/challenges/{LIAR}")["phases"]
    names = ["draw", "commit", "reveal", "claim", "unseal", "audit", "nominate", "unseal", "audit", "settle", "closed"]
    assert [span["phase"] for span in found] == names
    # settled in the block after the last audit, so decided there
    assert all(before["end"] == after["start"] for before, after in pairwise(found))
    assert found[1]["end"] - found[1]["start"] == TERMS.windows.commit
    assert found[6]["end"] - found[6]["start"] == TERMS.windows.nominate
    live = site.json("/api/challenges/22")["phases"]
    assert [(span["phase"], span["state"]) for span in live] == [
        ("draw", "past"),
        ("commit", "now"),
        *((name, "later") for name in ("reveal", "claim", "unseal", "audit")),
    ]
    assert live[2]["end"] - live[2]["start"] == TERMS.windows.reveal
    assert "now</text>" in site.text("/challenge/22")
    assert "now</text>" not in site.text(f"/challenge/{LIAR}")


def test_money_adds_up(site: Site) -> None:
    found = site.json(f"/api/challenges/{LIAR}")
    total = sum(map(int, found["paid_in"].values()))
    assert total == sum(map(int, found["paid_out"].values()))
    assert found["paid_out"][BURNED] == str(TERMS.trainer_bond // 2 + 4 * TERMS.seal_fee)
    assert HELD not in found["paid_out"]
    assert int(site.json(f"/api/challenges/{AUDITED}")["paid_out"][HELD]) == 31 * 10**17 + 5 * TERMS.trainer_bond


def test_the_market_says_what_was_paid(site: Site) -> None:
    prices = site.json("/api/prices")["prices"]
    assert len(prices) == 17
    assert prices[2] | {"challenge": LIAR, "score": 210, "samples": 256, "accuracy": 210 / 256} == prices[2]
    found = site.json("/api/market")
    assert found["outcomes"] == {"deserted": 3, "won": 17}
    assert int(found["books"][ETHER]["paid"]) == sum(int(price["reward"]) for price in prices)
    text = site.text("/market")
    assert text.count('class="dot"') == 17
    assert "62.5 ether" in text


@pytest.mark.parametrize("empty", [True, False])
def test_every_page_of_an_empty_market_and_of_one_with_one_post(tmp_path: Path, empty: bool) -> None:
    made = Invented()
    if not empty:
        made.post(person("poster"))
    site = Site(tmp_path / "i", made, MARKET)
    site.watch.look()
    assert ("Nobody has posted a challenge yet" in site.text("/")) == empty
    assert "Nobody has won a reward yet" in site.text("/market")
    assert site.json("/api/prices")["prices"] == []
    if not empty:
        assert "Nobody has sealed a model yet" in site.text("/challenge/0")


def test_every_life_of_the_market_can_be_shown(tmp_path: Path) -> None:
    """Voids, cancellations, tokens, windows of a second: the lives of the fuzzing, at moments all along and after."""
    site = Site(tmp_path / "i", walk(), walk().address)
    site.watch.look()
    assert site.watch.picture is not None
    lives = site.watch.picture.lives
    assert len(lives) > 20
    assert len({life.stored.outcome for life in lives}) > 4
    for life in lives:
        found = site.json(f"/api/challenges/{life.id}")
        assert site.client.get(f"/challenge/{life.id}").status_code == 200
        assert sum(map(int, found["paid_in"].values())) == sum(map(int, found["paid_out"].values()))
        assert all(int(amount) >= 0 for amount in found["paid_out"].values())
        story = site.reader.story(life.id)
        for later in (0, 1, 7, 3600, 10**9):
            moment = Moment(site.watch.moment().now + later, walk().head().number + 1)
            drawn = [span for span in spans(story.events, moment) if span.state != "later"]
            clock = moment.clock(story.life)
            assert drawn[-1].phase == (Phase.DRAW if clock.phase == Phase.POSTED else clock.phase)
            assert drawn[-1].end == (None if clock.ends == FOREVER else clock.ends)
            assert all(span.end is not None and span.start <= span.end for span in drawn[:-1])
            line = timeline.draw(spans(story.events, moment), story.events, moment.now)
            assert all(bar.x >= 0 and bar.x + bar.width <= timeline.WIDTH + 0.01 for bar in line.bars)


def test_the_chart_and_the_flow_stay_in_their_frames() -> None:
    def price(at: int, score: int, reward: int) -> Payment:
        return payment(challenge=at, reward=reward, score=score, samples=100, threshold=1, timestamp=at)

    assert charts.prices([]) is None
    for paid in ([price(5, 100, 1)], [price(i, 1 + i % 100, 2**128 - i) for i in range(3000)]):
        chart = charts.prices(paid)
        assert chart is not None
        assert len(chart.dots) == min(len(paid), charts.MOST)
        for dot in chart.dots:
            assert 0 <= dot.x <= charts.WIDE
            assert 0 <= dot.y <= dot.asked <= charts.UPPER
            assert 0 <= dot.reward <= charts.LOWER


def test_what_winners_declare_is_drawn_and_said(tmp_path: Path) -> None:
    made = Invented()
    names = [person("ada"), person("ben")]
    for reward in (2, 8, 5):
        made.life(person("poster"), names, {0: 230, 1: 226}, reward=reward * 10**18)
    winner = str(to_checksum_address(names[0]))
    last = made.mined[-1].number

    def said(challenge: int, flops: int, device: str) -> Declared:
        return declared(flops, 7200, challenge=challenge, trainer=winner, device=device, block=last, timestamp=made.now)

    site = Site(tmp_path / "i", made, MARKET)
    site.watch.look()
    assert "exaFLOP" not in site.text("/market"), "nobody declared any"
    everything = [said(1, 4 * 10**18, "<script>GPU</script>"), said(2, 2**90, "abacus")]
    site = Site(tmp_path / "j", made, MARKET, declared=[replace(one, timestamp=0) for one in everything])
    site.watch.look()
    text = site.text("/market")
    assert text.count('class="work"') == 1
    assert "2 ether an exaFLOP" in text
    assert '<td class="number">2 ether</td><td>&lt;script&gt;GPU&lt;/script&gt;</td>' in text
    assert "operations a second of one device" in text
    found = {price["challenge"]: price for price in site.json("/api/prices")["prices"]}
    assert found[1] | {"reward": "8000000000000000000", "per_exaflop": 2e18, "per_hour": 4e18} == found[1]
    assert found[1]["declared"]["flops"] == str(4 * 10**18)
    assert (found[0]["declared"], found[0]["per_exaflop"], found[0]["ignored"]) == (None, None, "")
    assert "is believed" in found[2]["ignored"]
    assert site.watch.picture is not None
    chart = charts.prices(site.watch.picture.prices)
    assert chart is not None
    # 2 ether lie between 1 and 10, in the smallest unit between two powers of ten
    assert [label for _, label in chart.exaflops] == ["10 ether", "1 ether"]
    assert [dot.exaflop is None for dot in chart.dots] == [True, False, True]


def test_a_log_of_declarations_that_fails_takes_nothing_else_away(tmp_path: Path) -> None:
    made = Invented()
    made.life(person("poster"), [person("ada"), person("ben")], {0: 230, 1: 226})
    winner = str(to_checksum_address(person("ada")))
    one = declared(10**18, challenge=0, trainer=winner, block=made.mined[-1].number, timestamp=0)
    answers: list[Any] = [NodeError("the node has no such log"), [one], NodeError("nor now"), [one]]

    def said() -> list[Declared]:
        answer = answers.pop(0)
        if isinstance(answer, NodeError):
            raise answer
        return list(answer)

    watch = Watch(lambda: Index(tmp_path / "i", made, MARKET), declared=said)

    def seen() -> tuple[str, list[bool]]:
        watch.look()
        assert watch.picture is not None
        return watch.trouble, [price.declared is not None for price in watch.picture.prices]

    told = "The node does not answer, or not as it should. What is shown may be out of date."
    assert seen() == (told, [False])
    assert seen() == ("", [True]), "asked again, though no block came"
    assert seen() == ("", [True])
    made.wait(12)
    assert seen() == (told, [True]), "what was known stays"
    assert seen() == ("", [True])
    assert answers == []


@pytest.mark.parametrize("flops", [[1], [1, 2**100], [10**18], [2**100] * 3, [10**i for i in range(30)]])
def test_prices_of_exaflops_stay_in_their_frame(flops: list[int]) -> None:
    paid = [payment(challenge=i, declared=declared(one), timestamp=i) for i, one in enumerate(flops)]
    chart = charts.prices(paid)
    assert chart is not None
    assert all(dot.exaflop is not None and 0 <= dot.exaflop <= charts.LOWER for dot in chart.dots)
    assert 2 <= len(chart.exaflops) <= 5
    assert all(0 <= y <= charts.LOWER for y, _ in chart.exaflops)


def test_hundreds_of_trainers_are_drawn_as_a_few(tmp_path: Path) -> None:
    made = Invented()
    id = made.post(person("poster"))
    made.draw(id)
    made.commit(id, [person(f"trainer {i}") for i in range(300)], 12)
    site = Site(tmp_path / "i", made, MARKET)
    site.watch.look()
    drawn = charts.streams(flow(site.reader.story(id)))
    assert len(drawn.left) == charts.FEW
    assert sum(stream.amount for stream in drawn.left) == sum(stream.amount for stream in drawn.right)
    assert "295 others" in site.text(f"/challenge/{id}")


def test_a_reward_that_went_back_is_no_price(tmp_path: Path) -> None:
    """A model was shown and counted, then disproven, and no other claim stood."""
    made = Invented()
    poster = person("poster")
    id = made.post(poster)
    made.draw(id)
    made.commit(id, [person("ada")])
    made.until(made.now + TERMS.windows.commit)
    made.reveal(id, poster)
    made.claim(id, {0: 230})
    made.until(made.now + TERMS.windows.claim)
    made.unseal(id, 0, 230)
    made.fraud(id, 0, 0, person("auditor"))
    made.wait(TERMS.windows.nominate)
    said = {"id": id, "outcome": int(Outcome.UNNOMINATED), "winner": ETHER, "reward": TERMS.reward}
    made.call(made.pay(id, poster, TERMS.reward), ("Settled", said))
    site = Site(tmp_path / "i", made, MARKET)
    site.watch.look()
    assert site.json("/api/prices")["prices"] == []
    assert site.json("/api/market")["outcomes"] == {"unnominated": 1}
    assert "No claim left standing" in site.text(f"/challenge/{id}")
    assert [span["phase"] for span in site.json(f"/api/challenges/{id}")["phases"]][-3:] == [
        "nominate",
        "settle",
        "closed",
    ]


def test_no_phase_comes_back_after_calls_that_leave_the_clock_as_it_was(tmp_path: Path) -> None:
    """A withheld hold-out: bonds are released while the clock stored last is still that of the commits."""
    made = Invented()
    id = made.post(person("poster"))
    made.draw(id)
    trainers = [person("ada"), person("ben")]
    made.commit(id, trainers)
    made.until(made.now + TERMS.windows.commit + TERMS.windows.reveal)
    for seal, trainer in enumerate(trainers):
        made.wait(60)
        made.release(id, seal, trainer)
    site = Site(tmp_path / "i", made, MARKET)
    site.watch.look()
    phases = [span["phase"] for span in site.json(f"/api/challenges/{id}")["phases"]]
    assert phases == ["draw", "commit", "reveal", "settle"]


# ── many ──


def test_thousands_are_shown_page_by_page(tmp_path: Path) -> None:
    site = Site(tmp_path / "i", many(5000), MARKET)
    site.watch.look()
    seen: list[int] = []
    for page in range(1, 101):
        found = site.json(f"/api/challenges?page={page}")
        assert len(found["challenges"]) == PAGE
        seen += [row["challenge"] for row in found["challenges"]]
    assert seen == list(range(4999, -1, -1))
    text = site.text("/?page=2")
    assert 'rel="prev" href="/"' in text
    assert 'rel="next" href="/?page=3"' in text
    assert len(text) < 100_000
    assert 'rel="next"' not in site.text("/?page=100")
    assert site.text("/?page=101", 404)
    phases = site.json("/api/challenges")["phases"]
    assert sum(phases.values()) == 5000
    last = -(-phases["commit"] // PAGE)
    rows = site.json(f"/api/challenges?phase=commit&page={last}")["challenges"]
    assert {row["phase"] for row in rows} == {"commit"}


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=x", "page=1e3", "page=99999999999", "page=²", "phase=COMMIT", "phase=x"]
)
def test_nonsense_in_the_address_is_refused(site: Site, query: str) -> None:
    assert "There is no such phase or page" in site.text(f"/?{query}", 400)


@pytest.mark.parametrize("path", ["/challenge/24", f"/challenge/{2**70}", "/challenge/-1", "/x", "/api/challenges/24"])
def test_what_is_not_there_is_not_found(site: Site, path: str) -> None:
    assert "There is nothing here" in site.text(path, 404)


# ── several at once ──


def test_readers_and_the_thread_do_not_disturb_each_other(tmp_path: Path) -> None:
    """While the chain grows, every page is of one moment."""
    whole = shown()
    heights = [mined.number for mined in whole.mined if mined.logs][::9]
    node = Node(History(MARKET, [mined for mined in whole.mined if mined.number <= heights[0]]))
    site = Site(tmp_path / "i", node, MARKET)
    site.watch.look()
    done = threading.Event()

    def read() -> int:
        client, count = site.app.test_client(), 0
        while not done.is_set():
            for path in ("/", "/challenge/0", "/market"):
                assert client.get(path).status_code == 200
            found = client.get("/api/challenges/0").json
            paid = sum(map(int, found["paid_in"].values()))
            assert paid == sum(map(int, found["paid_out"].values()))
            assert found["seals"] == sum(event["event"] == "Committed" for event in found["events"])
            count += 1
        return count

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        try:
            for height in heights[1:]:
                node.chain = whole_until(whole, height)
                site.watch.look()
                assert not site.watch.trouble
        finally:
            done.set()
        assert all(reader.result() for reader in readers)
    assert site.json("/api/state")["known"]["block"] == heights[-1]


def test_a_story_is_of_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process writes between the two halves of a reading, and the reader sees none of it."""
    whole = shown()
    topic = keccak(b"Committed(uint256,uint256,address,bytes32,uint256)")
    commit = next(mined.number for mined in whole.mined for log in mined.logs if log.topics[0] == topic)
    node = Node(whole_until(whole, commit - 1))
    site = Site(tmp_path / "i", node, MARKET)
    site.watch.look()
    events = Index.events

    def late(index: Index, id: int) -> list[Event]:
        node.chain = whole
        site.watch.look()
        return events(index, id)

    monkeypatch.setattr(Index, "events", late)
    story = site.reader.story(0)
    assert not site.watch.trouble
    assert len(story.life.seals) == sum(event.name == "Committed" for event in story.events)
    monkeypatch.setattr(Index, "events", events)
    assert len(site.reader.story(0).life.seals) > len(story.life.seals)


def whole_until(whole: Invented, height: int) -> History:
    """A history up to a block."""
    return History(MARKET, [mined for mined in whole.mined if mined.number <= height])


# ── a node that does not answer, a cache that is spoilt ──


def test_the_page_says_when_the_node_is_gone_and_when_it_is_back(tmp_path: Path) -> None:
    node = Node(shown(), fails=0)
    site = Site(tmp_path / "i", node, MARKET)
    assert "The chain is being read" in site.text("/", 503)
    site.watch.look()
    assert "The node does not answer" in site.text("/", 503)
    assert "The node does not answer" in site.json("/api/state")["known"]["trouble"]
    node.fails = None
    site.watch.look()
    assert "does not answer" not in site.text("/")
    assert f"<b>{shown().head().number:,}</b>" in site.text("/")
    node.fails = 0
    site.watch.look()
    text = site.text("/")
    assert "The node does not answer" in text
    assert f"<b>{shown().head().number:,}</b>" in text
    assert "#23" in text


def test_progress_of_the_first_reading_is_shown(tmp_path: Path) -> None:
    site = Site(tmp_path / "i", shown(), MARKET)
    site.watch.progress = (1234, 56789)
    assert "Reading block 1,234 of 56,789" in site.text("/", 503)


def test_a_failure_of_the_thread_is_said_without_its_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Invented):
        def head(self) -> Any:
            raise RuntimeError("/home/someone/secret")

    site = Site(tmp_path / "i", Broken(), MARKET)
    site.watch.look()
    assert "Reading the chain failed" in site.text("/", 503)
    assert "secret" not in site.text("/", 503)
    assert "secret" in caplog.text


def test_another_chain_and_another_market_are_said_without_paths(tmp_path: Path) -> None:
    node = Node(shown())
    site = Site(tmp_path / "i", node, MARKET)
    site.watch.look()
    node.chain_id = lambda: 7  # type: ignore[method-assign]
    site.watch.look()
    assert "on another chain than before" in site.text("/")
    assert str(tmp_path) not in site.text("/")


def test_a_fork_is_followed(tmp_path: Path) -> None:
    one, other = history(1, 120), history(1, 120, [(60, 1)])
    node = Node(one)
    site = Site(tmp_path / "i", node, one.address)
    site.watch.look()
    node.chain = other
    site.watch.look()
    fresh = Site(tmp_path / "fresh", other, other.address)
    fresh.watch.look()
    for path in ("/api/challenges", "/api/market", "/api/prices"):
        assert site.json(path) == fresh.json(path)


# ── who may ask, and what they get ──

PAGES = ("/", "/market", f"/challenge/{LIAR}", "/api/state", "/static/style.css", "/static/live.js", "/x")


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_has_the_headers(site: Site, path: str) -> None:
    answer = site.client.get(path)
    assert {name: answer.headers.get(name) for name in guard.HEADERS} == guard.HEADERS
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_nothing_but_get_and_head_is_answered(site: Site, path: str, method: str) -> None:
    answer = site.client.open(path, method=method)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    head = site.client.head(path)
    assert head.status_code == site.client.get(path).status_code
    assert head.data == b""


@pytest.mark.parametrize(
    ("host", "fine"),
    [
        ("localhost", True),
        ("LOCALHOST:8480", True),
        ("127.0.0.1:8480", True),
        ("[::1]:8480", True),
        ("192.0.2.7", True),
        ("assay.example.org", True),
        ("assay.example.org:443", True),
        ("evil.example.org", False),
        ("assay.example.org.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost@evil.example", False),
        ("evil.example/localhost", False),
        ("evil.example#127.0.0.1", False),
        ("127.0.0.1:x", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_a_strange_host_is_refused(tmp_path: Path, host: str, fine: bool) -> None:
    site = Site(tmp_path / "i", shown(), MARKET, hosts=("assay.example.org",))
    for path in ("/api/state", "/static/style.css"):
        answer = site.client.get(path, headers={"Host": host}, environ_overrides={"HTTP_HOST": host})
        assert answer.status_code == (200 if fine else 421)
        if not fine:
            assert "does not answer for that host" in answer.text
            assert "evil" not in answer.text


def test_pages_ask_nobody_else_and_need_no_style_or_script_of_their_own(site: Site) -> None:
    for path in PAGES[:3]:
        text = site.text(path)
        # what a browser would fetch, or go to
        assert re.findall(r'(?:href|src|action|content)="(?:[a-z]+:|//)[^"]*"', text) == []
        assert not re.search(r'style="|<style|\son\w+=|javascript:', text)
        assert re.findall(r"<script[^>]*>([^<]*)</script>", text) == [""]
    assert "http" not in Path(charts.__file__).with_name("static").joinpath("live.js").read_text()


def test_pages_refresh_themselves_without_scripts(site: Site) -> None:
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in site.text("/")


HOSTILE = "\"><script>alert(1)</script><svg onload=alert(1)>'"


def test_hostile_text_is_shown_as_text(tmp_path: Path) -> None:
    """In samples and models of logs, in the address, and even where addresses belong, in a cache that was spoilt."""
    made = Invented()
    made.life(person("poster"), [person("ada"), person("ben")], {0: 220, 1: 221})
    mean = made.post(person("mean"), replace(TERMS, root=b"<script>alert(1)</script>".ljust(32)))
    made.draw(mean)
    made.commit(mean, [person("ada")])
    made.until(made.now + TERMS.windows.commit)
    made.reveal(mean, person("mean"), samples=HOSTILE.encode())
    path = tmp_path / "i"
    site = Site(path, made, MARKET)
    site.watch.look()
    connection = sqlite3.connect(path)
    with connection:
        for id, state in connection.execute("SELECT id, state FROM challenges").fetchall():
            values = json.loads(state)
            assert values[0] == site.reader.story(id).life.poster
            values[0] = values[6][0][0] = HOSTILE
            connection.execute("UPDATE challenges SET state = ? WHERE id = ?", (json.dumps(values), id))
    connection.close()
    spoilt = Site(path, made, MARKET)
    spoilt.watch.look()
    for page in ("/", "/market", "/challenge/0", f"/challenge/{mean}"):
        text = spoilt.text(page)
        assert "<script>alert" not in text
        assert "<svg onload" not in text
    assert "&gt;&lt;script&gt;alert(1)" in spoilt.text("/")
    for query in ("phase", "page"):
        assert "alert" not in spoilt.client.get("/", query_string={query: HOSTILE}).text
    assert "alert" not in spoilt.text("/challenge/<script>alert(1)", 404)
    assert spoilt.client.get("/api/challenges").mimetype == "application/json"


@pytest.mark.parametrize("query", ["_external=1", "_scheme=javascript", "_anchor=x", "endpoint=x"])
def test_the_address_does_not_steer_links(site: Site, query: str) -> None:
    text = site.text(f"/?{query}")
    assert query.partition("=")[0] not in text


def test_no_path_of_the_machine_is_shown(site: Site, tmp_path: Path) -> None:
    for path in (*PAGES, "/static/../app.py", "/static/missing", "/static/%2e%2e/app.py", "/static//etc/passwd"):
        text = site.client.get(path).text
        assert str(tmp_path) not in text
        assert str(Path(__file__).parent.parent.parent) not in text
        assert "import" not in text or path == "/static/style.css"


# ── as a process, and in a browser ──


@pytest.fixture
def address(site: Site) -> Iterator[str]:
    """The showcase behind the real server."""
    server = create_server(site.app, host="127.0.0.1", port=0, threads=4, ident=None)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.trigger.pull_trigger(lambda: server.close())
    server.task_dispatcher.shutdown()
    server.asyncore.close_all(server._map)
    thread.join(10)
    assert not thread.is_alive()


def test_neither_titanoboa_nor_a_compiler_is_needed() -> None:
    code = (
        "import sys, trainer.dashboard.app, trainer.commands.dashboard;"
        "print(sorted({'boa', 'vyper', 'jax'} & {name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def _chromium(tmp_path: Path, *arguments: str) -> str:
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}",
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    assert not re.search(r"CONSOLE.*(Refused|Error|violat)", done.stderr), done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which(CHROMIUM) is None, reason=f"no {CHROMIUM}; on Debian: apt install chromium")
def test_a_browser_draws_the_pages_as_its_policy_allows(address: str, site: Site, tmp_path: Path) -> None:
    picture = tmp_path / "challenge.png"
    _chromium(tmp_path, "--window-size=1280,1400", f"--screenshot={picture}", f"{address}/challenge/{LIAR}")
    assert picture.stat().st_size > 20_000
    page = f"{address}/challenge/{AUDITED}"
    dom = _chromium(tmp_path, "--dump-dom", page)
    assert dom.count("<rect") > 20
    assert ">audit</span>" in dom
    site.ticks += 2 * TERMS.windows.audit
    assert ">settle</span>" in _chromium(tmp_path, "--dump-dom", page)
