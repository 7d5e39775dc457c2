"""Options that few need, as people type them on a real node: rules, seals by number, signers, IPFS."""

from tests.mirrors import Kubo
from tests.node.challenges import GROUPS, HOLDOUT, SAMPLES, dense, terms
from tests.node.people import Town
from tests.node.signer import Clef


def test_any_claim_may_be_nominated_until_a_better_one_is(town: Town) -> None:
    who = dict.fromkeys((town.mallory, town.ben, town.ada, town.auditor), "good.bin")
    challenge = town.revealed("nominate", who, threshold=1)
    for one in (town.mallory, town.ada):
        one.does("claim", challenge)
    # less than his model reaches
    town.ben.does("claim", challenge, "--score", 3)
    town.pass_phase(challenge)
    assert "phase UNSEAL, and nominate needs NOMINATE" in town.ben.refused("nominate", challenge, "--seal", 1)
    # mallory, who leads, never comes
    town.pass_phase(challenge)
    nonce = town.auditor.nonce
    told = town.auditor.refused("nominate", challenge, "--seal", 0)
    assert "the contract refuses: nominate: " in told
    for number in (3, 99):
        # one that claimed nothing, and one that is not there
        assert "the contract refuses" in town.auditor.refused("nominate", challenge, "--seal", number)
    assert town.auditor.nonce == nonce
    assert town.ben.does("nominate", challenge, "--seal", 1)["seal"] == 1
    assert town.auditor.does("nominate", challenge)["seal"] == 2
    assert "the contract refuses" in town.poster.refused("nominate", challenge, "--seal", 1)
    town.pass_phase(challenge)
    assert "is " + town.ada.address in town.ben.refused("unseal", challenge)
    town.ada.does("unseal", challenge)
    town.ada.does("audit", challenge, "--full")
    assert town.ada.does("settle", challenge)["winner"] == town.ada.address
    town.ada.does("withdraw")


def test_where_the_first_wins_every_claim_is_the_threshold(town: Town) -> None:
    package = town.file("first")
    dense(package, 21)
    challenge = town.poster.does("post", package, *terms(rule="first", threshold=6))["challenge"]
    town.node.mine(6)
    town.poster.does("draw", challenge)
    for one in (town.ben, town.ada):
        one.does("commit", challenge, town.file("good.bin"))
    town.pass_phase(challenge)
    town.poster.does("reveal", challenge)
    assert "the contract refuses: claim: not the threshold" in town.ada.refused("claim", challenge, "--score", 7)
    # who sealed first wins, whoever claims first
    assert town.ada.does("claim", challenge)["claimed"] == 6
    assert town.ben.does("claim", challenge)["claimed"] == 6
    town.pass_phase(challenge)
    assert "is " + town.ben.address in town.ada.refused("unseal", challenge)
    # shown is what it reaches, claimed was less
    assert town.ben.does("unseal", challenge)["right"] == HOLDOUT * SAMPLES
    town.ben.does("audit", challenge, "--full")
    settled = town.auditor.does("settle", challenge)
    assert (settled["outcome"], settled["winner"]) == ("WON", town.ben.address)
    town.ada.does("release", challenge)
    for one in (town.ben, town.ada):
        one.does("withdraw")


def test_a_signer_such_as_clef_signs_what_is_confirmed(town: Town) -> None:
    challenge, ada = town.drawn("signer"), town.ada
    with Clef(town.node.accounts[ada.number].key) as clef:
        there = {"ASSAY_KEYSTORE": "", "ASSAY_PASSWORD_FILE": "", "ASSAY_SIGNER": clef.url}
        words = ("commit", challenge, town.file("good.bin"))
        clef.confirms, nonce = False, ada.nonce
        told = ada.refused(*words, **there)
        assert "refuses account_signTransaction: Request denied" in told
        assert ada.nonce == nonce
        clef.confirms = True
        other = town.ben.address
        assert f"does not hold {other}; it has {ada.address}" in ada.refused(*words, "--account", other, **there)
        done = ada.run(*words, "--account", ada.address, "--json", **there)
        assert done.exit_code == 0, done.output
        assert ada.nonce == nonce + 1
        signed = clef.asked.count("account_signTransaction")
        # it is there: nothing is signed again
        assert ada.run(*words, **there).exit_code == 0
        assert clef.asked.count("account_signTransaction") == signed
    assert [seal.trainer for seal in ada.desk().challenge(challenge).seals] == [ada.address]


def test_training_groups_go_through_ipfs(town: Town) -> None:
    challenge, ada = town.drawn("ipfs"), town.ada
    assert "no IPFS node; name its API with --ipfs-node" in town.poster.refused("publish", challenge, "--to", "ipfs")
    with Kubo() as kubo:
        done = town.poster.does("publish", challenge, "--to", "ipfs", "--ipfs-node", kubo.url)
        source = done["published"]
        assert source.startswith("ipfs://")
        out = ada.place / "from-ipfs"
        assert "--ipfs-gateway" in ada.refused("fetch", challenge, "--from", source, "--out", out)
        got = ada.does("fetch", challenge, "--from", source, "--out", out, "--ipfs-node", kubo.url)
        assert (got["groups"], got["samples"]) == (GROUPS - HOLDOUT, (GROUPS - HOLDOUT) * SAMPLES)
        # and an agent takes the same options
        asked = len(kubo.queries)
        words = ("--budget", 1, "--once", "--depth", 0, "--poll", 0.05, "--hidden", 0)
        ran = town.ben.run("agent", *words, "--training-time", "3m", "--source", source, "--ipfs-node", kubo.url)
        assert ran.exit_code == 0, ran.output
        assert len(kubo.queries) > asked
        (data,) = town.ben.home.glob(f"*/*/agent/{challenge}-*/data/training.bin")
        assert data.read_bytes() == (out / "training.bin").read_bytes()
