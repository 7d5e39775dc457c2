"""Commands after something went wrong: cut off half-way, another home, an address with a key, a lie in segments."""

import json
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.node.challenges import CLASSES, HOLDOUT, SAMPLES, SEGMENTED, dense, pack, terms
from tests.node.people import Town
from trainer import networks
from trainer.integer import Uint8
from trainer.node import settings
from trainer.node.outbox import DONE, Outbox
from trainer.roles import trainer as trainer_role


@pytest.mark.parametrize(("step", "seed"), [("_broadcast", 11), ("_mined", 12)])
def test_posting_again_that_was_cut_off_goes_on_under_the_same_name(
    town: Town, monkeypatch: pytest.MonkeyPatch, step: str, seed: int
) -> None:
    poster, package = town.poster, town.file(f"again{step}")
    dense(package, seed)
    first = poster.does("post", package, *terms())["challenge"]
    nonce = poster.nonce

    def killed(*_: Any) -> None:
        # signed and saved, but not sent; or sent and mined, but not noted
        raise KeyboardInterrupt

    monkeypatch.setattr(Outbox, step, killed)
    assert poster.run("post", package, *terms(), "--again").exit_code != 0
    monkeypatch.undo()
    assert poster.nonce == nonce + (step == "_mined")

    again = poster.does("post", package, *terms(), "--again")["challenge"]

    assert (again, poster.nonce) == (first + 1, nonce + 1)
    assert poster.does("post", package, *terms(), "--again")["challenge"] == first + 2
    outbox = poster.desk().chain.outbox
    assert outbox is not None
    root = poster.does("show", first)["root"].removeprefix("0x")
    records = [record for record in outbox.records() if root in record.key]
    names = [record.key.partition("/post/")[2].split("-")[2:] for record in records]
    assert (names, {record.state for record in records}) == ([[], ["1"], ["2"]], {DONE})


def test_a_home_that_did_not_send_a_seal_writes_none_over_it(town: Town) -> None:
    challenge, ada = town.drawn("two-homes"), town.ada
    other = town.file("other-home")
    done = ada.run("commit", challenge, town.file("good.bin"), ASSAY_HOME=str(other))
    assert done.exit_code == 0, done.output
    nonce, model = ada.nonce, town.file("good.bin")

    told = ada.refused("commit", challenge, model)

    assert f"{ada.address} has a seal in challenge {challenge}, and this home did not send it; use the home" in told
    directory = trainer_role.directory_of(ada.desk(), challenge)
    assert not directory.exists()
    # the salt comes back from a backup, without the transactions: it stays as it is, whatever is asked
    (kept,) = other.glob(f"*/*/seals/{challenge}-{ada.address}")
    directory.parent.mkdir(parents=True, exist_ok=True)
    kept.rename(directory)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    for name in ("good.bin", "poor.bin"):
        assert "has a seal in challenge" in ada.refused("commit", challenge, town.file(name))
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    assert ada.nonce == nonce
    town.pass_phase(challenge)
    town.poster.does("reveal", challenge)
    assert ada.does("claim", challenge)["claimed"] == HOLDOUT * SAMPLES


def test_what_a_deployment_writes_for_everyone_holds_no_key_of_the_node(town: Town) -> None:
    address = town.node.url.replace("http://", "http://somebody:hush@") + "/?key=hushed"
    words = ("deploy", "--save", town.file("shared.toml"), "--min-window", "10s", "--engines", "dense,segmented")
    done = town.deployer.run(*words, ASSAY_NODE=address, ASSAY_CONFIG="")
    assert done.exit_code == 0, done.output

    written = town.file("shared.toml").read_text()

    assert "hush" not in written + done.output
    assert settings.load(town.file("shared.toml")).node == town.node.url
    assert settings.load(town.file("shared.toml")).market == town.deployed["market"]


def test_a_home_is_nobody_elses_to_look_into(town: Town) -> None:
    made = {who.home for who in town.people.values() if who.home.exists()}
    assert town.deployer.home in made
    assert {stat.S_IMODE(home.stat().st_mode) for home in made} == {0o700}


def _mostly(x: Uint8) -> Uint8:
    """Labels of which the network in segments has all but every fifth right."""
    said = networks.predict(SEGMENTED, x)
    return np.where(np.arange(len(said)) % SAMPLES == 0, (said + 1) % CLASSES, said).astype(np.uint8)


def _pack(place: Path, seed: int) -> None:
    pack(place, _mostly, (4, 4, 3), seed)


@pytest.mark.parametrize("words", [("audit",), ("watch", "--once", "--poll", "0.05")])
def test_a_lie_by_a_network_in_segments_is_proven_by_the_steps_of_one_sample(
    town: Town, words: tuple[str, ...]
) -> None:
    challenge = town.drawn(f"segments-lie-{words[0]}", _pack, engine="segmented")
    town.mallory.does("commit", challenge, town.file("segmented.bin"))
    town.pass_phase(challenge)
    town.poster.does("reveal", challenge)
    # no command lies: he claims all, and shows the labels
    desk = town.mallory.desk()
    desk.challenge(challenge)
    desk.client.claim(challenge, HOLDOUT * SAMPLES, sender=desk.me)
    town.pass_phase(challenge)
    desk.index.sync()
    labels = desk.index.holdout(challenge).labels
    desk.client.unseal(trainer_role.seal_of(desk, challenge), [labels[slot] for slot in range(HOLDOUT)])
    nonce = town.auditor.nonce

    done = town.auditor.run(*words, *([challenge] if words[0] == "audit" else []), "--json")

    assert done.exit_code == 0, done.output
    found = [json.loads(line) for line in done.stdout.splitlines()]
    told = found[0] if words[0] == "audit" else next(one for one in found if one.get("challenge") == challenge)
    assert (told["verdict"], told["false"] >= 1) == ("fraud", True), done.output
    # a step a segment, then the audit of that sample alone
    assert town.auditor.nonce - nonce == len(SEGMENTED.trunks) + 1 + 1
    assert [seal.fell for seal in town.auditor.desk().challenge(challenge).seals] == ["fraud"]
    assert town.phase(challenge) in ("NOMINATE", "SETTLE")
    assert town.auditor.does("withdraw")["amount"] == "0.125"
