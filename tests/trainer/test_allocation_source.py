"""Feeds that stall, jump, break off or lie: none of them is acted on, and the last good one is kept."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mirrors import Fault, Mirror
from tests.trainer.test_allocation_files import FEED
from trainer.allocation import feed as feeds
from trainer.allocation import source
from trainer.allocation.source import Reading, Trust, jumps, read
from trainer.errors import AssayError, DataError
from trainer.exchange.web import Patience

START = 10_000
TRUST = Trust(stale=3_600, jump=3.0)
QUICK = Patience(timeout=1.0, attempts=3, pause=1.0, longest=8.0)


def feed(seconds: int = 0, **changes: Any) -> dict[str, Any]:
    """A feed made so many seconds after the start; `price` is the coin's."""
    found = copy.deepcopy(FEED) | {"time": START + seconds}
    coin = found["coins"]["KAS"]
    coin["forecast"] = []
    coin |= {name: changes.pop(name) for name in ("price", "network_hash_rate") if name in changes}
    return found | changes


class Source:
    """A feed in a file, and what is remembered of it."""

    def __init__(self, folder: Path) -> None:
        self.path, self.memory = folder / "feed.json", folder / "memory.json"

    def says(self, value: Any, seconds: int) -> Reading:
        self.path.write_text(value if isinstance(value, str) else json.dumps(value))
        return self.at(seconds)

    def at(self, seconds: int) -> Reading:
        return read(str(self.path), self.memory, now=START + seconds, trust=TRUST)


@pytest.fixture
def said(tmp_path: Path) -> Source:
    return Source(tmp_path)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses are written down instead of slept, and the servers are on this machine."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    found: list[float] = []
    monkeypatch.setattr(source.time, "sleep", found.append)
    return found


def test_a_good_feed_is_fresh_and_remembered(said: Source) -> None:
    found = said.says(feed(0), 60)
    assert (found.fresh, found.age, found.note, found.feed.coins["KAS"].quote.price) == (True, 60, "", 0.11)
    said.path.unlink()
    later = said.at(600)
    assert (later.fresh, later.age, later.feed) == (False, 600, found.feed)
    assert "cannot be read" in later.note
    assert "10 m old" in later.note


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("", "no JSON"),
        ("[]", "use a table"),
        (feed(600, ether=float("nan")), "ether is nan; use a finite number"),
        (feed(600, price=float("inf")), "price is inf; use a finite number"),
        (feed(600, price=-1.0), "price is -1.0; use a number above 0"),
        (feed(-1), "older than the last one, by 1 s"),
        (feed(1_200), "the feed is of 10 m from now"),
        (feed(600, coins={}), "jumped (coin KAS is gone)"),
        (feed(600, coins=feed()["coins"] | {"NEW": feed()["coins"]["KAS"]}), "jumped (coin NEW is new)"),
        (feed(600, price=0.11 * 3.01), "jumped (price of KAS from 0.11 to 0.3311)"),
        (feed(600, price=0.11 / 3.01), "jumped (price of KAS"),
        (feed(600, network_hash_rate=1e12), "jumped (hash rate of KAS from 1e+15 to 1e+12)"),
        (feed(600, ether=31.0), "jumped (ether from 3100 to 31)"),
        (feed(600, currency="EUR"), "jumped (currency from USD to EUR)"),
        (feed(600, tokens={"0xab": 1.0}), "jumped (token 0xab is new)"),
        (feed(600, electricity=[{"from": 0, "price": 9.0}]), "jumped (a kWh from -0.02 to 9)"),
        # usual is 0.07, the mean of 0.12 and 0.02
        (feed(600, electricity=[{"from": 0, "price": 0.121}]), "jumped (a kWh from -0.02 to 0.121)"),
        (feed(600, electricity=[{"from": 0, "price": -0.161}]), "jumped (a kWh from -0.02 to -0.161)"),
    ],
)
def test_a_bad_feed_is_not_acted_on(said: Source, bad: Any, why: str) -> None:
    good = said.says(feed(0), 0)
    found = said.says(bad, 600)
    assert (found.fresh, found.feed) == (False, good.feed)
    assert why in found.note
    # without a good one before it there is nothing to plan with, unless the bad one is only new
    said.memory.unlink()
    if "jumped" in why or "older" in why:
        assert said.at(600).fresh
    else:
        with pytest.raises(DataError, match="there is no earlier one"):
            said.at(600)


def test_what_moves_within_the_factor_is_acted_on(said: Source) -> None:
    said.says(feed(0), 0)
    assert said.says(feed(600, price=0.3, electricity=[{"from": 0, "price": 0.119}]), 600).fresh
    # each reading is weighed against the last good one, so it may go on from there
    assert said.says(feed(1_200, price=0.8, electricity=[{"from": 0, "price": 0.35}]), 1_200).fresh


def test_a_forecast_can_jump_too(said: Source) -> None:
    value = feed(0)
    value["coins"]["KAS"]["forecast"] = [{"from": START + 7_200, "price": 0.12, "network_hash_rate": 1e15}]
    assert said.says(value, 0).fresh
    value = copy.deepcopy(value) | {"time": START + 60}
    value["coins"]["KAS"]["forecast"][0]["price"] = 12.0
    assert "price of KAS from 0.12 to 12" in said.says(value, 60).note


def test_a_jump_is_believed_at_the_second_reading(said: Source) -> None:
    said.says(feed(0), 0)
    assert not said.says(feed(60, price=1.1), 60).fresh
    # the same reading once more is no second one
    assert not said.at(120).fresh
    confirmed = said.says(feed(180, price=1.2), 180)
    assert (confirmed.fresh, confirmed.feed.coins["KAS"].quote.price) == (True, 1.2)
    # and a jump back is a jump
    assert not said.says(feed(240, price=0.11), 240).fresh


def test_a_jump_that_goes_back_is_forgotten(said: Source) -> None:
    said.says(feed(0), 0)
    assert not said.says(feed(60, price=1.1), 60).fresh
    assert said.says(feed(120, price=0.12), 120).fresh
    assert not said.says(feed(180, price=1.1), 180).fresh


def test_two_different_jumps_do_not_confirm_each_other(said: Source) -> None:
    said.says(feed(0), 0)
    assert not said.says(feed(60, price=1.1), 60).fresh
    assert not said.says(feed(120, price=11.0), 120).fresh
    assert said.says(feed(180, price=12.0), 180).fresh


def test_a_feed_that_stalls_grows_old(said: Source) -> None:
    said.says(feed(0), 0)
    assert said.at(3_600).fresh
    with pytest.raises(DataError, match="the feed stalls: it is 1 h 1 s old; the last good one is 1 h 1 s old"):
        said.at(3_601)


def test_a_broken_memory_is_told_and_made_anew(said: Source) -> None:
    said.memory.write_text('{"version": 1')
    found = said.says(feed(0), 0)
    assert found.fresh
    assert "what was remembered of the feed is of no use" in found.note
    assert said.at(1).note == ""


@given(st.floats(1e-6, 1e6), st.floats(1.01, 100), st.floats(0.2, 5))
def test_a_jump_is_the_same_in_either_direction(price: float, factor: float, part: float) -> None:
    change = factor**part
    one, other = (feeds.loads(json.dumps(feed(price=each))) for each in (price, price * change))
    if abs(part - 1) > 1e-6:
        assert bool(jumps(one, other, factor)) == bool(jumps(other, one, factor)) == (part > 1)


# ── the web ──


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "feed.json").write_text(json.dumps(feed(0)))
    return tmp_path / "web"


def over_web(url: str, tmp_path: Path, seconds: int = 0) -> Reading:
    return read(url, tmp_path / "memory.json", now=START + seconds, trust=TRUST, patience=QUICK)


@pytest.mark.parametrize("lengths", [True, False])
def test_a_feed_comes_over_the_web(folder: Path, tmp_path: Path, lengths: bool) -> None:
    with Mirror(folder, lengths=lengths) as server:
        assert over_web(f"{server.url}/feed.json", tmp_path).fresh


@pytest.mark.parametrize(
    ("faults", "why", "asked"),
    [
        ([Fault(status=503)] * 3, "answers 503", 3),
        ([Fault(status=404)], "answers 404", 1),
        ([Fault(status=302, headers=(("Location", "/other?key=secret"),))], "redirects to /other; name that", 1),
        ([Fault(after=100)] * 3, "broke off", 3),
        ([Fault(after=10, then="flood")], "more than 4194304 bytes", 1),
        ([Fault(status=200, headers=(("Content-Encoding", "gzip"),))], "compressed", 1),
    ],
)
def test_a_fault_of_the_web_leaves_the_last_good_feed(
    folder: Path, tmp_path: Path, faults: list[Fault], why: str, asked: int
) -> None:
    # without lengths, so that a flood is one; a body that ends early is told by its chunks
    with Mirror(folder, lengths=False) as server:
        url = f"{server.url}/feed.json?key=secret"
        good = over_web(url, tmp_path)
        server.asked.clear()
        server.faults["feed.json"] = list(faults)
        found = over_web(url, tmp_path, 60)
        assert (found.fresh, found.feed) == (False, good.feed)
        assert why in found.note
        assert "secret" not in found.note
        assert len(server.asked) == asked


def test_a_short_answer_is_no_feed(folder: Path, tmp_path: Path) -> None:
    with Mirror(folder) as server:
        server.faults["feed.json"] = [Fault(after=100)] * 3
        with pytest.raises(DataError, match="broke off"):
            over_web(f"{server.url}/feed.json", tmp_path)


def test_a_fault_that_passes_is_waited_for(folder: Path, tmp_path: Path, pauses: list[float]) -> None:
    with Mirror(folder) as server:
        server.faults["feed.json"] = [Fault(status=503, headers=(("Retry-After", "5"),)), Fault(status=503)]
        assert over_web(f"{server.url}/feed.json", tmp_path).fresh
    assert pauses == [5.0, 2.0]


def test_nobody_there_is_said_in_a_line(folder: Path, tmp_path: Path) -> None:
    with Mirror(folder) as server:
        url = f"{server.url}/feed.json"
    with pytest.raises(DataError, match="connection refused; there is no earlier one"):
        over_web(url, tmp_path)
    with pytest.raises(AssayError, match="no http.s. address"):
        source.fetch("ftp://example.org/feed.json")


def test_a_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "feed.json"
    path.write_bytes(b" " * (source.LARGEST + 1))
    with pytest.raises(DataError, match="a feed has at most"):
        source.fetch(str(path))
