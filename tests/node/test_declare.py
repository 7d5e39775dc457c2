"""A winner declares what his model took, from the file that stands beside it, and everyone reads it as a price."""

from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

from tests.node.challenges import GOOD
from tests.node.people import Town
from trainer import networks
from trainer.prices.work import Work, WorkFile

DAY = 86_400
EXA = 10**18


def work(town: Town, name: str, model: bytes, flops: int) -> Path:
    """A file of work."""
    path = town.file(name)
    WorkFile(model=keccak(model), work=Work(flops=flops, seconds=7200, device="NVIDIA H200"), samples=5).save(path)
    return path


def exaflops(town: Town) -> list[Any]:
    """Price and number of payments of each window."""
    (token,) = town.ben.does("prices")["tokens"]
    return [
        (point["price"], point["payments"])
        for series in token["series"]
        if series["measure"] == "exaflop"
        for point in series["points"]
    ]


def test_a_winner_declares_and_mends_what_he_declared(town: Town) -> None:
    model = networks.model_of(GOOD)
    right, wrong = work(town, "right.json", model, 4 * EXA), work(town, "wrong.json", b"another", EXA)
    challenge = town.revealed("declared", {town.ada: "good.bin", town.ben: "poor.bin"})
    assert "has no winner yet; declare after `trainer settle" in town.ada.refused("declare", challenge, "--from", right)
    town.ada.does("claim", challenge)
    town.pass_phase(challenge)
    town.ada.does("unseal", challenge)
    town.ada.does("audit", challenge, "--full")
    town.auditor.does("settle", challenge)

    # refused, and nothing sent: another's, another model's, what cannot be, what is missing
    before = town.ada.nonce
    assert f"was won by {town.ada.address}, not by" in town.ben.refused("declare", challenge, "--from", right)
    assert "the work of another model than the one that won" in town.ada.refused("declare", challenge, "--from", wrong)
    assert "--seconds, --device missing; or name" in town.ada.refused("declare", challenge, "--flops", "1e15")
    assert "--flops: '1.5' is no number" in town.ada.refused("declare", challenge, "--flops", "1.5")
    assert "believe nothing above 2e+16" in town.ada.refused("declare", challenge, "--from", right, "--flops", "2e25")
    assert "absent: No such file" in town.ada.refused("declare", challenge, "--from", town.file("absent"))
    assert "check `declarations`" in town.ada.refused(
        "declare", challenge, "--from", right, ASSAY_DECLARATIONS=town.deployed["market"]
    )
    (estimate,) = town.ada.does("declare", challenge, "--from", right, "--dry-run")["transactions"]
    assert estimate["sent"] is False
    assert town.ada.nonce == before
    assert exaflops(town) == []

    # declared, asked again, and mended
    said = town.ada.does("declare", challenge, "--from", right)
    assert said | {"flops": 4 * EXA, "seconds": 7200, "per_exaflop": "0.5", "per_hour": "1"} == said
    assert town.ada.does("declare", challenge, "--from", right)["transactions"] == said["transactions"]
    assert town.ada.nonce == before + 1
    assert exaflops(town) == [(0.5, 1)]
    told = town.ada.tells("declare", challenge, "--flops", "1e18", "--seconds", "2h", "--device", "NVIDIA H200")
    assert told.endswith("Next: trainer prices\n")
    assert town.ada.nonce == before + 2
    assert exaflops(town) == [(2.0, 1)]

    # a week later it is too late, and said so before anything is sent
    town.node.mine_until(int(town.node.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16) + 7 * DAY + 1)
    assert "settled more than 7 days ago" in town.ada.refused(
        "declare", challenge, "--from", right, "--seconds", "9000"
    )
    assert town.ada.nonce == before + 2
    assert "An exaFLOP, in ether" in town.ben.tells("prices")
