"""The commands of poster, trainer, auditor and everyone else, as each of them types them, on a real node."""

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boa
import pytest
from eth_account import Account

from tests.node.challenges import GROUPS, HOLDOUT, POOR, SAMPLES, SEGMENTED, dense, segmented, terms
from tests.node.people import PASSWORD, Town
from trainer import networks
from trainer.amounts import parse_amount
from trainer.node.outbox import Outbox
from trainer.roles import trainer as trainer_role

ETH = 10**18
FRESH = "0xB0b0000000000000000000000000000000000000"
POST = {"challenge", "seed_block", "root", "transactions"}


# ── one life, command by command ──


def test_a_challenge_from_its_post_to_every_withdrawal(town: Town) -> None:
    poster, ada, ben, auditor = town.poster, town.ada, town.ben, town.auditor
    package, public = town.file("life"), town.file("public")
    dense(package, 1)
    before = {who: who.balance for who in (poster, ada, ben, auditor)}

    # post: estimated, sent, asked again, and once more
    estimate = poster.does("post", package, *terms(), "--dry-run")
    assert set(estimate) == {"transactions"}
    (only,) = estimate["transactions"]
    assert (only["sent"], only["value"], poster.nonce) == (False, str(5 * ETH // 2), 0)
    first = poster.does("post", package, *terms())
    assert set(first) == POST
    challenge = first["challenge"]
    again = poster.run("post", package, *terms(), "--json")
    assert json.loads(again.stdout)["challenge"] == challenge
    assert f"note: posted before, as challenge {challenge}; --again posts" in again.stderr
    other = poster.does("post", package, *terms(), "--again")["challenge"]
    assert (other, poster.nonce) == (challenge + 1, 2)
    assert poster.does("cancel", other)["outcome"] == "CANCELLED"
    assert poster.does("withdraw")["amount"] == "2.5"

    # draw: before its time, and then whoever likes
    assert f"is the hash of block {first['seed_block']}" in auditor.refused("draw", challenge)
    assert auditor.nonce == 0
    assert "not drawn yet; `trainer draw" in poster.refused("publish", challenge, "--to", public)
    town.node.mine(6)
    drawn = auditor.does("draw", challenge)
    assert len(drawn["held_out"].split(", ")) == HOLDOUT

    # the training groups
    told = poster.tells("publish", challenge, "--to", public)
    assert f"Next: trainers: trainer fetch {challenge} --from {public} --out training" in told
    got = ada.does("fetch", challenge, "--from", public, "--out", ada.place / "training")
    assert (got["groups"], got["samples"]) == (GROUPS - HOLDOUT, (GROUPS - HOLDOUT) * SAMPLES)

    # commit: estimated, sent, asked again; another model is refused
    assert ada.does("commit", challenge, town.file("good.bin"), "--dry-run")["transactions"][0]["sent"] is False
    assert not trainer_role.directory_of(ada.desk(), challenge).exists()
    sealed = ada.does("commit", challenge, town.file("good.bin"))
    assert set(sealed) == {"challenge", "seal", "saved", "transactions"}
    assert ada.does("commit", challenge, town.file("good.bin"))["transactions"] == sealed["transactions"]
    assert "already seals another model" in ada.refused("commit", challenge, town.file("poor.bin"))
    assert ada.nonce == 1
    assert ben.does("commit", challenge, town.file("poor.bin"))["seal"] == 1

    # reveal: too early, then every group
    assert "is in phase COMMIT, and reveal needs REVEAL" in poster.refused("reveal", challenge)
    town.pass_phase(challenge)
    told = poster.tells("reveal", challenge)
    assert re.search(rf"^revealed +{HOLDOUT}\nNext: trainer withdraw$", told, re.M), told

    # claim
    samples = HOLDOUT * SAMPLES
    assert f"reaches {samples}, not {samples + 1}" in ada.refused("claim", challenge, "--score", samples + 1)
    assert "nothing to claim: `trainer release" in ben.refused("claim", challenge)
    assert ada.does("claim", challenge)["claimed"] == samples
    assert "is in phase CLAIM, and unseal needs UNSEAL" in ada.refused("unseal", challenge)
    town.pass_phase(challenge)

    # unseal, audit on the own machine, and then on the chain
    assert "is " + ada.address in ben.refused("unseal", challenge)
    assert ada.does("unseal", challenge)["right"] == samples
    told = auditor.tells("audit", challenge)
    assert re.search(rf"^Next: trainer audit {challenge} --full, .* {samples} samples", told, re.M)
    full = auditor.does("audit", challenge, "--full")
    assert (full["false"], full["executed"], full["verdict"]) == (0, samples, "honest")

    # settle, release, withdraw
    settled = auditor.does("settle", challenge)
    assert (settled["outcome"], settled["winner"], settled["reward"]) == ("WON", ada.address, "2")
    assert auditor.does("settle", challenge) == settled, "the transaction that was sent"
    assert "phase CLOSED, and settle needs SETTLE; it is over" in poster.refused("settle", challenge)
    ben.does("release", challenge)
    paid = {who: who.does("withdraw")["amount"] for who in (poster, ada, ben)}
    assert paid == {poster: "0.5", ada: "2.25", ben: "0.25"}
    assert "credits nothing to" in ada.refused("withdraw")
    gains = {who: round((who.balance - before[who]) / ETH, 1) for who in before}
    assert gains == {poster: -2.0, ada: 2.0, ben: -0.0, auditor: -0.0}

    # what everyone sees
    seen = ada.does("show", challenge)
    assert (seen["phase"], seen["outcome"], seen["claims"]) == ("CLOSED", "WON", {"0": samples})
    assert [event["name"] for event in seen["events"]][-3:] == ["Settled", "Credited", "Released"]
    assert f"Next: trainer release {challenge}; trainer withdraw" in ada.tells("show", challenge)
    rows = {row["challenge"]: row for row in ada.does("list")["challenges"]}
    assert (rows[challenge]["outcome"], rows[other]["outcome"]) == ("WON", "CANCELLED")
    assert ada.does("list", "--phase", "commit") == {"challenges": []}
    assert "No challenge in phase COMMIT." in ada.tells("list", "--phase", "commit")


def test_a_liar_loses_his_bond_and_the_next_claim_wins(town: Town) -> None:
    challenge = town.revealed("liar", {town.mallory: "poor.bin", town.ada: "good.bin"})
    samples = HOLDOUT * SAMPLES
    # no command lies, so he calls the market himself: claims what his model does not reach, and shows the labels
    desk = town.mallory.desk()
    desk.challenge(challenge)
    desk.client.claim(challenge, samples, sender=town.mallory.address)
    town.ada.does("claim", challenge)
    town.pass_phase(challenge)
    desk.index.sync()
    labels = desk.index.holdout(challenge).labels
    desk.client.unseal(trainer_role.seal_of(desk, challenge), [labels[slot] for slot in range(HOLDOUT)])

    estimate = town.auditor.does("audit", challenge, "--dry-run")
    assert (len(estimate["transactions"]), town.phase(challenge)) == (1, "AUDIT")
    told = town.auditor.run("audit", challenge, "--json")
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert (found["verdict"], found["bounty"], len(found["transactions"])) == ("fraud", "0.125", 1)
    assert found["false"] > 0
    assert town.phase(challenge) == "NOMINATE"
    # it was proven: what is left is the next claim
    assert "phase NOMINATE, and audit needs AUDIT" in town.auditor.refused("audit", challenge)
    assert town.auditor.does("nominate", challenge)["seal"] == 1
    town.pass_phase(challenge)
    town.ada.does("unseal", challenge)
    town.ada.does("audit", challenge, "--full")
    assert town.ada.does("settle", challenge)["winner"] == town.ada.address
    assert town.auditor.does("withdraw")["amount"] == "0.125"
    town.ada.does("withdraw")
    assert "credits nothing" in town.mallory.refused("withdraw")


def test_a_candidate_who_never_comes_back_is_passed_over(town: Town) -> None:
    challenge = town.revealed("late", {town.mallory: "good.bin", town.ada: "good.bin"})
    town.mallory.does("claim", challenge)
    town.ada.does("claim", challenge)
    town.pass_phase(challenge)
    town.pass_phase(challenge)

    # no event says yet that the first one fell
    assert town.phase(challenge) == "NOMINATE"
    assert town.auditor.does("nominate", challenge)["seal"] == 1


def test_an_optimistic_challenge_is_settled_once_the_audits_are_over(town: Town) -> None:
    package = town.file("optimistic")
    dense(package, 2)
    challenge = town.poster.does("post", package, *terms(), "--optimistic")["challenge"]
    town.node.mine(6)
    town.poster.does("draw", challenge)
    town.ada.does("commit", challenge, town.file("good.bin"))
    town.pass_phase(challenge)
    town.poster.does("reveal", challenge)
    town.ada.does("claim", challenge)
    town.pass_phase(challenge)
    assert f"Next: trainer settle {challenge} --wait" in town.ada.tells("unseal", challenge)
    assert f"Next: trainer settle {challenge} --wait" in town.auditor.tells("audit", challenge)
    assert "is in phase AUDIT, and settle needs SETTLE" in town.auditor.refused("settle", challenge)
    town.pass_phase(challenge)
    assert town.auditor.does("settle", challenge)["outcome"] == "WON"
    town.ada.does("withdraw")


def test_a_network_in_segments_is_registered_and_audited_in_steps(town: Town) -> None:
    challenge = town.drawn("segments", segmented, engine="segmented")
    town.ada.does("commit", challenge, town.file("segmented.bin"))
    town.pass_phase(challenge)
    town.poster.does("reveal", challenge)
    assert town.ada.does("claim", challenge)["claimed"] == HOLDOUT * SAMPLES
    town.pass_phase(challenge)
    assert town.ada.does("unseal", challenge)["right"] == HOLDOUT * SAMPLES
    before = town.auditor.nonce
    # nothing of an audit can be estimated before its steps are taken: the steps are what it takes
    town.auditor.does("audit", challenge, "--full", "--dry-run")
    assert town.auditor.nonce == before
    full = town.auditor.does("audit", challenge, "--full")
    assert full["executed"] == HOLDOUT * SAMPLES
    steps = len(SEGMENTED.trunks) + 1
    assert town.auditor.nonce - before == HOLDOUT * SAMPLES * steps + len(full["transactions"])
    assert town.auditor.does("settle", challenge)["winner"] == town.ada.address
    town.ada.does("withdraw")


def test_a_challenge_in_a_token_asks_for_no_approval_of_its_own(town: Town) -> None:
    desk = town.deployer.desk()
    with desk.chain.active():
        token = boa.load_partial("tests/mocks/Token.vy").deploy()
    for who, amount in ((town.poster, 25), (town.ada, 3)):
        desk.chain.send(token.mint, who.address, amount, sender=town.deployer.address)
    # this token has no decimals, so its amounts are whole
    asked = terms(token=token.address, reward=20, poster_bond=5, trainer_bond=2, seal_fee=1)
    package = town.file("token")
    dense(package, 4)
    assert "'2.5' is no amount; use such as" in town.poster.refused("post", package, *asked, "--reward", "2.5")
    estimate = town.poster.does("post", package, *asked, "--dry-run")
    assert len(estimate["transactions"]) == 1, "the post cannot be estimated before it is approved"
    posted = town.poster.does("post", package, *asked)
    assert [sent["what"] for sent in posted["transactions"]] == ["approve", "post"]
    assert [sent["what"] for sent in town.poster.does("post", package, *asked)["transactions"]] == ["post"]
    assert "holds 0 of the token" in town.poster.refused("post", package, *asked, "--again")
    challenge = posted["challenge"]
    assert (town.ada.does("show", challenge)["reward"], town.ada.does("show", challenge)["seal_fee"]) == ("20", "1")
    assert f"20 of {token.address}" in [row["reward"] for row in town.ada.does("list")["challenges"]]
    town.node.mine(6)
    town.poster.does("draw", challenge)
    assert "holds 0 of the token" in town.ben.refused("commit", challenge, town.file("good.bin"))
    town.ada.does("commit", challenge, town.file("good.bin"), "--dry-run")
    town.ada.does("commit", challenge, town.file("good.bin"))
    town.pass_phase(challenge)
    town.poster.does("reveal", challenge)
    town.ada.does("claim", challenge)
    town.pass_phase(challenge)
    town.ada.does("unseal", challenge)
    town.auditor.does("audit", challenge, "--full")
    assert town.auditor.does("settle", challenge)["reward"] == "20"
    paid = town.ada.does("withdraw", "--token", token.address)
    assert (paid["amount"], paid["token"], int(token.balanceOf(town.ada.address))) == ("22", token.address, 22)


def test_a_reward_that_rises_is_posted_shown_and_paid_as_it_was_at_the_commit(town: Town) -> None:
    package = town.file("rising")
    dense(package, 9)
    posted = town.poster.does("post", package, *terms(reward=2, opening="0.5", rule="first"))
    challenge = posted["challenge"]
    assert (town.ada.does("show", challenge)["reward"], town.ada.does("show", challenge)["opening"]) == ("2", "0.5")
    town.node.mine(6)
    town.poster.does("draw", challenge)
    town.ada.does("commit", challenge, town.file("good.bin"))
    town.pass_phase(challenge)
    town.poster.does("reveal", challenge)
    town.ada.does("claim", challenge)
    town.pass_phase(challenge)
    town.ada.does("unseal", challenge)
    town.auditor.does("audit", challenge, "--full")
    won = parse_amount(town.auditor.does("settle", challenge)["reward"], "reward")
    index = town.ada.desk().index
    index.sync()
    found = index.challenge(challenge)
    (drawn,) = [event for event in index.events(challenge) if event.name == "Drawn"]
    (sealed,) = [event for event in index.events(challenge) if event.name == "Committed"]
    assert won == found.seals[0].reward == found.terms.reward_at(sealed.timestamp, drawn.values["ends"])
    assert found.terms.opening < won < found.terms.reward
    back = [
        e.values["amount"]
        for e in index.events(challenge)
        if e.name == "Credited" and e.values["owner"] == found.poster
    ]
    assert found.terms.reward - won in back


# ── cut off, and gone on ──


def test_a_deployment_that_was_cut_off_goes_on(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("deploy", "--save", town.file("second.toml"), "--min-window", "10s", "--name", "second")
    sent = _cut_off(monkeypatch, after=2)
    assert town.deployer.run(*words).exit_code != 0
    assert (sent(), town.file("second.toml").exists()) == (2, False)
    monkeypatch.undo()
    nonce = town.deployer.nonce
    found = town.deployer.does(*words)
    assert town.deployer.nonce == nonce + 3, "the other three of five contracts"
    third = town.deployer.does(*words[:2], town.file("third.toml"), *words[3:])
    assert (third["market"], third["dense"]) == (found["market"], found["dense"])
    assert found["market"] != town.deployed["market"]
    assert "second.toml exists" in town.deployer.refused(*words)


def test_a_reveal_that_was_cut_off_goes_on(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    challenge = town.drawn("cut")
    town.ada.does("commit", challenge, town.file("good.bin"))
    town.pass_phase(challenge)
    sent = _cut_off(monkeypatch, after=1)
    assert town.poster.run("reveal", challenge).exit_code != 0
    assert sent() == 1
    monkeypatch.undo()
    assert (town.poster.does("show", challenge)["revealed"], town.phase(challenge)) == (1, "REVEAL")
    assert town.poster.does("reveal", challenge)["revealed"] == HOLDOUT - 1
    assert town.phase(challenge) == "CLAIM"


def _cut_off(monkeypatch: pytest.MonkeyPatch, *, after: int) -> Callable[[], int]:
    """Have the process end, as by Ctrl-C, before it sends more than so many transactions; returns how many it did."""
    send, count = Outbox.send, 0

    def cut(self: Outbox, *args: Any, **more: Any) -> Any:
        nonlocal count
        if count == after:
            raise KeyboardInterrupt
        count += 1
        return send(self, *args, **more)

    monkeypatch.setattr(Outbox, "send", cut)
    return lambda: count


def test_a_node_that_dies_says_that_the_same_command_goes_on(town: Town) -> None:
    challenge = town.drawn("dies")
    nonce = town.ada.nonce
    town.node.automine(False)
    try:
        commit = town.ada.starts("commit", challenge, town.file("good.bin"))
        # it was sent, and waits to be mined
        assert commit.stderr is not None
        while town.node.rpc("txpool_status")["pending"] == "0x0":
            assert commit.poll() is None, commit.communicate()
            time.sleep(0.1)
        town.node.stop()
        out, said = commit.communicate(timeout=120)
        assert (commit.returncode, out) == (1, "")
        assert re.search(r"^error: no answer from the node .*the same command goes on", said, re.M), said
        assert "Traceback" not in said
        # nobody is there
        assert "no answer from the node" in town.ada.refused("list")
    finally:
        town.node.start()
    done = town.ada.does("commit", challenge, town.file("good.bin"))
    assert (done["seal"], town.ada.nonce) == (0, nonce + 1)


# ── waiting ──


def test_what_waits_waits_until_it_is_time(town: Town) -> None:
    package = town.file("waiting")
    dense(package, 5)
    number = len(town.poster.does("list")["challenges"])
    draw = town.poster.starts("draw", number, "--wait", "--json")
    assert draw.stderr is not None
    assert draw.stderr.readline() == f"waiting to draw: there is no challenge {number} yet\n"
    assert town.poster.does("post", package, *terms())["challenge"] == number
    assert draw.stderr.readline() == "it is time\n"
    assert draw.stderr.readline().startswith("waiting to draw: the seed is the hash of block ")
    town.node.mine(6)
    out, _ = draw.communicate(timeout=120)
    assert (draw.returncode, json.loads(out)["challenge"]) == (0, number)
    # what can come no more is not waited for
    assert "and cancel needs POSTED" in town.poster.refused("cancel", number)
    town.pass_phase(number)
    assert "is in phase SETTLE, and reveal needs REVEAL; it is decided (DESERTED)" in town.poster.refused(
        "reveal", number, "--wait"
    )
    assert town.auditor.does("settle", number)["outcome"] == "DESERTED"
    assert town.poster.does("withdraw")["token"] == "ether"


# ── keys ──


def test_keys_are_made_taken_and_told(town: Town) -> None:
    place = town.file("keys")
    place.mkdir()
    made = town.ada.does("key", "new", place / "new.json")
    assert set(made) == {"address", "keystore"}
    assert town.ada.does("key", "address", place / "new.json")["address"] == made["address"]
    key = Account.create().key
    taken = town.ada.run("key", "import", place / "taken.json", input="0x" + key.hex() + "\n")
    assert (taken.exit_code, taken.stdout) == (0, Account.from_key(key).address + "\n")
    assert "never overwritten" in town.ada.refused("key", "new", place / "new.json")
    assert "no private key" in town.ada.refused("key", "import", place / "other.json")
    assert sorted(path.name for path in place.iterdir()) == ["new.json", "taken.json"]
    assert PASSWORD not in (place / "new.json").read_text()


# ── refusals: one line, exit code 1, and nothing changed ──


def test_what_is_wrong_is_one_line_and_changes_nothing(town: Town) -> None:
    challenge = town.drawn("wrong")
    ada, deployed = town.ada, town.deployed
    before, head = (ada.nonce, ada.balance), town.node.block()
    model = town.file("good.bin")

    def fails(*words: object, **environment: str) -> str:
        return ada.refused("commit", challenge, model, *words, **environment)

    assert "no answer from the node http://127.0.0.1:1 (connection refused); check" in fails(
        "--node", "http://127.0.0.1:1"
    )
    assert "is no JSON-RPC node" in fails("--node", "http://127.0.0.1:1", "--node", _web(town))
    assert "is on chain 31337, and the settings want 1" in fails("--chain-id", "1")
    assert f"there is no contract at {_checksum(FRESH)} on this chain" in fails("--market", _checksum(FRESH))
    assert f"{deployed['dense']} is no market of this version" in fails("--market", deployed["dense"])
    assert "--market: market is '0x12'; use an address" in fails("--market", "0x12")
    assert "no market is named" in fails(ASSAY_CONFIG=str(_empty(town)))
    assert "no node is named; start one with `make node`" in fails(ASSAY_CONFIG=str(_empty(town)), ASSAY_NODE="")
    assert "no such file of settings" in fails("--config", town.file("nowhere.toml"))

    wrong = town.file("wrong-password")
    wrong.write_text("guess\n")
    assert "wrong password; the key stays locked" in fails("--password-file", wrong)
    assert "is locked and nobody is there to type; use --password-file" in fails(ASSAY_PASSWORD_FILE="")
    assert "no key to sign with; name a keystore" in fails(ASSAY_KEYSTORE="")
    assert "`trainer key new` writes a keystore" in fails("--keystore", town.file("nowhere.json"))

    assert "has no challenge 999" in ada.refused("commit", 999, model)
    assert "has no challenge 999" in ada.refused("show", 999)
    assert "is no model" in ada.refused("commit", challenge, town.file("assay.toml"))
    assert "nowhere.bin: No such file or directory; `trainer train" in ada.refused("commit", challenge, "nowhere.bin")
    assert "the challenge's engine refuses the model" in ada.refused("commit", challenge, town.file("segmented.bin"))
    assert "phase COMMIT, and claim needs CLAIM" in ada.refused("claim", challenge)
    assert "--phase: 'late' is no phase" in ada.refused("list", "--phase", "late")
    assert "max_fee_gwei is 1e-09; wait, or allow more" in fails("--max-fee-gwei", "0.000000001")
    assert "no seal in challenge" in ada.refused("release", challenge)

    assert ((ada.nonce, ada.balance), town.node.block()) == (before, head)

    # nothing was signed for the model above, so another may be sealed, were even its files torn
    (trainer_role.directory_of(ada.desk(), challenge) / "seal.json").write_text("{")
    ada.does("commit", challenge, town.file("poor.bin"))
    assert (ada.nonce, trainer_role.seal_of(ada.desk(), challenge).model) == (before[0] + 1, networks.model_of(POOR))


def test_posts_that_are_wrong_are_one_line_and_change_nothing(town: Town) -> None:
    package, poster = town.file("posts"), town.poster
    dense(package, 6)
    before, head = (poster.nonce, poster.balance), town.node.block()

    def fails(package: Path = package, **changes: object) -> str:
        return poster.refused("post", package, *terms(**changes))

    assert "the settings have no engine 'sparse' (there: dense, segmented)" in fails(engine="sparse")
    assert "terms: " in fails(engine=_checksum(FRESH)), "what the market says"
    assert "--reward: 'much' is no amount" in fails(reward="much")
    assert "--opening: 2.5 is more than the whole reward, 2; give at most that" in fails(opening=2.5)
    assert "--commit: 'soon' is no duration" in fails(commit="soon")
    assert "--threshold: 11 is 11 right answers, and the hold-out has 10" in fails(threshold=11)
    assert "--rule: 'worst' is no rule" in fails(rule="worst")
    assert "terms: window too short" in fails(claim="9s")
    assert "terms: " in fails(holdout=GROUPS)
    assert "takes 20000.5 and gas; send it more first" in fails(reward=20_000)
    whole = {"poster_bond": 1, "trainer_bond": 1, "seal_fee": 0}
    assert "is no token: it does not answer allowance" in fails(token=town.deployed["market"], **whole)
    assert "is no token: it does not answer allowance" in fails(token=_checksum(FRESH), **whole)
    assert "nowhere: no package there" in fails(package=town.file("nowhere"))
    spoilt = town.file("spoilt")
    shutil.copytree(package, spoilt)
    records = max(spoilt.iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(records.read_bytes())
    content[-1] ^= 1
    records.write_bytes(content)
    assert str(spoilt) in fails(package=spoilt)
    assert ((poster.nonce, poster.balance), town.node.block()) == (before, head)


def test_an_account_without_ether_is_told_what_it_takes(town: Town) -> None:
    challenge = town.drawn("poorhouse")
    place = town.file("nobody")
    place.mkdir()
    key = town.ada.does("key", "new", place / "key.json")
    told = town.ada.refused("commit", challenge, town.file("good.bin"), "--keystore", place / "key.json")
    assert f"{key['address']} holds 0 ether, and" in told
    assert "takes 0.26 and gas; send it more first" in told
    # nothing was signed: with ether another model may be sealed
    town.node.fund(key["address"], ETH)
    done = town.ada.does("commit", challenge, town.file("poor.bin"), "--keystore", place / "key.json")
    assert done["seal"] == 0


def test_a_spoilt_mirror_is_named_with_the_group(town: Town) -> None:
    challenge = town.drawn("mirror")
    public, out = town.file("mirror-public"), town.ada.place / "mirrored"
    town.poster.does("publish", challenge, "--to", public)
    groups = [path for path in public.rglob("*") if path.is_file() and path.stat().st_size]
    records = max(groups, key=lambda path: path.stat().st_size)
    content = bytearray(records.read_bytes())
    content[len(content) // 2] ^= 1
    records.write_bytes(content)
    assert str(public) in town.ada.refused("fetch", challenge, "--from", public, "--out", out)
    # somebody else's package, under this root
    other = town.drawn("mirror-other")
    elsewhere = town.file("mirror-elsewhere")
    town.poster.does("publish", other, "--to", elsewhere)
    town.ada.refused("fetch", challenge, "--from", elsewhere, "--out", out)
    assert not out.exists() or not (out / "manifest.json").exists()
    told = town.poster.refused("publish", challenge, "--to", town.file("third"), "--package", town.file("mirror-other"))
    assert f"and challenge {challenge} 0x" in told


def test_a_lost_seal_is_said_to_be_lost(town: Town) -> None:
    challenge = town.revealed("lost", {town.ben: "good.bin"})
    directory = trainer_role.directory_of(town.ben.desk(), challenge)
    shutil.move(directory, town.file("backup"))
    assert "what was lost comes from a backup alone" in town.ben.refused("claim", challenge)
    directory.mkdir()
    assert "no complete seal there" in town.ben.refused("claim", challenge)
    shutil.copytree(town.file("backup"), directory, dirs_exist_ok=True)
    assert town.ben.does("claim", challenge)["claimed"] == HOLDOUT * SAMPLES
    # a seal that was signed for is never replaced
    shutil.rmtree(directory)
    assert "comes from a backup" in town.ben.refused("commit", challenge, town.file("poor.bin"))


def _checksum(address: str) -> str:
    from eth_utils import to_checksum_address

    return str(to_checksum_address(address))


def _empty(town: Town) -> Path:
    path = town.file("empty.toml")
    path.write_text("")
    return path


def _web(town: Town) -> str:
    """The node's address where it answers no JSON-RPC."""
    return town.node.url + "/nothing/here"
