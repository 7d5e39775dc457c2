"""The README's session at a node is what a reader gets: its terminals are processes that run side by side.

The node's clock goes on by a second a block, as that of `make node` does; but blocks come fast while every terminal
waits, and slowly while one of them works, so that no window is missed on a busy machine.
"""

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

pytestmark = pytest.mark.long_node

BLOCKS = re.findall(r"^```sh\n# ([^:\n]+)[^\n]*\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
LIMIT = 1_200.0
"""Seconds after which something must be wrong."""
WORKING, WAITING = 4.0, 0.1
"""Seconds of real time from block to block."""


def test_the_terminals_of_the_readme_play_a_challenge(anvil: Anvil, tmp_path: Path) -> None:
    assert [name for name, _ in BLOCKS] == ["every terminal", *(f"terminal {n}" for n in (1, 2, 2, 3, 4))]
    (_, every), (_, node), (_, opening), *rest = BLOCKS
    assert node == "make node\n"
    place, port = tmp_path / "reader", anvil.url.rpartition(":")[2]
    place.mkdir()
    program = tmp_path / "bin" / "trainer"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m trainer "$@"\n')
    program.chmod(0o755)

    def start(name: str, commands: str) -> "subprocess.Popen[bytes]":
        text = every.replace("8545", port) + ("export ASSAY_KEYSTORE=poster.json\n" if name == "2" else "") + commands
        log = (place / f"{name}.log").open("wb")
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ASSAY_")}
        environment |= {"PYTHONPATH": str(ROOT), "PATH": f"{program.parent}:{os.environ['PATH']}", "COLUMNS": "120"}
        words = [shutil.which("bash") or "bash", "-euc", text]
        with log:
            return subprocess.Popen(words, cwd=place, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def said(name: str) -> str:
        return (place / f"{name}.log").read_text()

    anvil.rpc("anvil_setBlockTimestampInterval", 1)
    opened = start("opening", opening)
    assert opened.wait(LIMIT) == 0, said("opening")

    names = [name.removeprefix("terminal ") for name, _ in rest]
    terminals = {name: start(name, commands) for name, (_, commands) in zip(names, rest, strict=True)}
    end = time.monotonic() + LIMIT
    try:
        while open_ones := [name for name, terminal in terminals.items() if terminal.poll() is None]:
            assert time.monotonic() < end, {name: said(name) for name in names}
            last = [said(name).rstrip("\n").rpartition("\n")[2] for name in open_ones]
            time.sleep(WAITING if all(line.startswith("waiting to") for line in last) else WORKING)
            anvil.mine(seconds=1)
    finally:
        for terminal in terminals.values():
            terminal.kill()
    for name, terminal in terminals.items():
        assert terminal.returncode == 0, said(name)

    # the trainer won, every sample of the hold-out was executed, and all money has left the market
    assert "verdict    honest" in said("4")
    assert re.search(r"^executed +128$", said("4"), re.M), said("4")
    assert re.search(r"^outcome +WON$", said("4"), re.M)
    assert re.search(r"^amount +5\.1$", said("3"), re.M), said("3")
    assert re.search(r"^amount +0\.1$", said("2"), re.M), said("2")
    assert "Traceback" not in "".join(map(said, names))
    market = re.search(r'^market = "(.*)"$', (place / "assay.toml").read_text(), re.M)
    assert market is not None
    # the seal fee stays, burned
    assert int(anvil.rpc("eth_getBalance", market[1], "latest"), 16) == 10**15
    # what the hints say is what the README does
    hints = re.findall(r"^Next: (.*)$", "".join(map(said, ("opening", *names))), re.M)
    assert "trainer draw 0 --wait" in hints
    assert json.loads((place / "package" / "manifest.json").read_text())["classes"]
