"""What the chain says of challenges, for a rig: those that are over, and a node that does not answer."""

from pathlib import Path

from tests.invented import MARKET, showcase
from tests.rig_world import eventually
from trainer.errors import NodeError
from trainer.index import Index
from trainer.rig.market import MarketWatch


def test_what_is_over_is_what_the_index_says(tmp_path: Path) -> None:
    said: list[str] = []
    market = showcase()
    trouble = False

    def index() -> Index:
        if trouble:
            raise NodeError("it does not answer")
        return Index(tmp_path / "index.sqlite", market, MARKET)

    watch = MarketWatch(index, lambda event, text: said.append(event))
    assert watch() == {}
    watch.look()
    found = index()
    head = found.sync()
    outcomes = {one.id: one.clock(head.timestamp, head.number).outcome for one in found.challenges()}
    found.close()
    over = {number: outcome.name.lower() for number, outcome in outcomes.items() if outcome}
    assert watch() == over
    assert 0 < len(over) < len(outcomes), f"an example for nothing: {outcomes}"

    trouble = True
    watch.look()
    watch.look()
    # what is known stays known, and it is said once
    assert (watch(), said) == (over, ["outage"])
    trouble = False
    watch.look()
    assert said == ["outage", "recovered"]


def test_it_looks_by_itself_until_it_is_stopped() -> None:
    looks: list[int] = []

    def index() -> Index:
        looks.append(1)
        raise NodeError("it does not answer")

    watch = MarketWatch(index, lambda event, text: None, every=0.01)
    watch.start()
    eventually(lambda: len(looks) > 3, "several looks")
    watch.stop()
    watch._thread.join(30)
    assert not watch._thread.is_alive()
