"""A training script under `trainer run` that is stopped midway, and an agent that does the duties of its seal."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.node.anvil import Anvil
from tests.node.people import ROOT
from trainer.allocation import plan as plans
from trainer.allocation.plan import DevicePlan, Do, Entry, Plan, Slot

pytestmark = pytest.mark.long_node

LIMIT = 900.0
"""Seconds after which something must be wrong."""
WORKING, WAITING = 4.0, 0.1
"""Seconds of real time from block to block."""
POSTER_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
TRAINER_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"

OPENING = f"""
export ASSAY_KEYSTORE=poster.json
echo {POSTER_KEY} | trainer key import poster.json
trainer deploy --min-window 5s
awk 'BEGIN {{ srand(1); print "height,width,kind"; for (i = 0; i < 640; i++) {{ h = rand(); w = rand();
  print h "," w "," (h > w ? "tall" : "wide") }} }}' > shapes.csv
trainer data pack --dataset shapes.csv --bits 8 --group-size 16 --out package
trainer post package --reward 5 --holdout 8 --threshold 90% --commit 90s --reveal 5m --claim 60s --unseal 5m \
  --audit 5m --nominate 5m
"""
POSTER = """
export ASSAY_KEYSTORE=poster.json
trainer draw 0 --wait
trainer publish 0 --to public
trainer reveal 0 --wait
"""
TRAINER = f"""
export ASSAY_KEYSTORE=ada.json
echo {TRAINER_KEY} | trainer key import ada.json
trainer run --until-end --poll 0.2
trainer run --status --json > status.json
trainer agent --budget 0 --poll 0.5 --until-idle
"""
SCRIPT = """#!/bin/sh -e
test -d "data-$1" || trainer fetch "$1" --from public --out "data-$1" --wait
test -f "$1.bin" || trainer train --dataset "data-$1" --preset "$2" --checkpoint "run-$1" --out "$1.bin"
trainer commit "$1" "$1.bin"
"""
RIG = """
currency = "USD"
[training]
command = ["sh", "train.sh", "{challenge}", "{preset}"]
grace_seconds = 120
[[device]]
name = "cpu"
idle_watts = 1
cores = "0"
[[device.mining]]
algorithm = "heavy"
hash_rate = 1
watts = 1
command = ["sleep", "1000"]
"""


def plan(*slots: Slot) -> Plan:
    """A plan of hours for one device."""
    now = int(time.time())
    entry = Entry(challenge=0, preset="mlp", hours=2, chance=0.9, reward=5, commit_by=now + 9000, expected=1)
    device = DevicePlan(name="cpu", slots=slots)
    return Plan(made=now, start=now, step=3600, currency="USD", expected=1, devices=(device,), entries=(entry,))


def hours(first: int, last: int, do: Do) -> Slot:
    """A slot, in hours from now."""
    now = int(time.time())
    more = {"challenge": 0, "preset": "mlp"} if do is Do.TRAIN else {"coin": "KAS", "algorithm": "heavy"}
    return Slot(start=now + 3600 * first, end=now + 3600 * last, do=do, why=do.value, **more)


def test_a_challenge_is_won_with_the_script_of_the_readme(anvil: Anvil, tmp_path: Path) -> None:
    place = tmp_path / "reader"
    program = tmp_path / "bin" / "trainer"
    for folder in (place, program.parent):
        folder.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m trainer "$@"\n')
    program.chmod(0o755)
    (place / "train.sh").write_text(SCRIPT)
    (place / "rig.toml").write_text(RIG)
    (place / "password").write_text("not-for-real-money\n")
    plans.save(place / "plan.json", plan(hours(0, 2, Do.TRAIN)))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ASSAY_")}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "ASSAY_NODE": anvil.url,
        "ASSAY_HOME": str(place / "home"),
        "ASSAY_PASSWORD_FILE": str(place / "password"),
    }

    def start(name: str, commands: str) -> "subprocess.Popen[bytes]":
        words = [shutil.which("bash") or "bash", "-euc", commands]
        with (place / f"{name}.log").open("wb") as log:
            return subprocess.Popen(words, cwd=place, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def said(name: str) -> str:
        return (place / f"{name}.log").read_text()

    anvil.rpc("anvil_setBlockTimestampInterval", 1)
    assert start("opening", OPENING).wait(LIMIT) == 0, said("opening")
    terminals = {"poster": start("poster", POSTER), "trainer": start("trainer", TRAINER)}
    end, due, swaps = time.monotonic() + LIMIT, 0.0, ["mine", "train"]
    try:
        while open_ones := [name for name, terminal in terminals.items() if terminal.poll() is None]:
            assert time.monotonic() < end, {name: said(name) for name in terminals}
            if swaps == ["mine", "train"] and any((place / "run-0").glob("[0-9]*")):
                # its first epoch is saved, and mining pays more for a moment
                plans.save(place / "plan.json", plan(hours(0, 1, Do.MINE)))
                swaps.pop(0)
            elif swaps == ["train"] and "cpu: begins to mine KAS" in said("trainer"):
                plans.save(place / "plan.json", plan(hours(0, 2, Do.TRAIN)))
                swaps.pop(0)
            last = [said(name).rstrip("\n").rpartition("\n")[2] for name in open_ones]
            if all(line.startswith("waiting to") or ": waits: " in line for line in last):
                due = min(due, time.monotonic())
            if time.monotonic() >= due:
                anvil.mine(seconds=1)
                due = time.monotonic() + WORKING
            time.sleep(WAITING)
    finally:
        for terminal in terminals.values():
            terminal.terminate()
            terminal.wait(60)
    for name, terminal in terminals.items():
        assert terminal.returncode == 0, said(name)
    told = said("trainer")
    assert re.findall(r"cpu: (begins|ceases|has done what there was) to (mine|train)", told) == [
        ("begins", "train"),
        ("ceases", "train"),
        ("begins", "mine"),
        ("ceases", "mine"),
        ("begins", "train"),
        ("has done what there was", "train"),
    ], told
    (log,) = (place / "home" / "rig").glob("*/logs/cpu-train_for_challenge_0.log")
    # it saved, and went on from there
    assert "SIGTERM: ends after this epoch, which is saved" in log.read_text()
    assert "run-0 holds what was trained" in log.read_text()
    status = json.loads((place / "status.json").read_text())
    assert [entry["challenge"] for entry in status["ended"]] == [0]
    assert (status["devices"][0]["totals"]["starts"], status["devices"][0]["totals"]["crashes"]) == (3, 0)
    # the duties of the seal were done: claimed, unsealed, settled, and paid out
    for act in ("claim", "unseal", "settle", "withdraw"):
        assert re.search(rf"^0: {act}|^{act}", told, re.M), f"{act}: {told}"
