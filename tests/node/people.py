"""People at one node, each with a machine of their own: a home, a key, and the settings that the deployer gave out."""

import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import Result
from eth_account import Account
from typer.testing import CliRunner

from tests.node.anvil import Anvil
from tests.node.challenges import GOOD, POOR, SEGMENTED, dense, terms
from trainer import networks
from trainer.cli import app
from trainer.node import settings
from trainer.node.chain import connect
from trainer.node.keys import KeySigner
from trainer.roles.desk import Desk

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "secret"


@dataclass(frozen=True)
class Person:
    """Somebody with an account, and a directory that is his machine."""

    node: Anvil
    place: Path
    number: int

    @property
    def address(self) -> str:
        """His account, one of the node's."""
        return self.node.accounts[self.number].address

    @property
    def home(self) -> Path:
        """Where his seals and transactions are."""
        return self.place / "home"

    @property
    def environment(self) -> dict[str, str]:
        """What his commands find."""
        return {
            "ASSAY_HOME": str(self.home),
            "ASSAY_KEYSTORE": str(self.place / "key.json"),
            "ASSAY_PASSWORD_FILE": str(self.place / "password"),
            "ASSAY_NODE": self.node.url,
            "ASSAY_CONFIG": str(self.place.parent / "assay.toml"),
            "ASSAY_PATIENCE": "1",
        }

    def run(self, *words: object, input: str | None = None, **environment: str) -> Result:
        """A command in this process; its result, whatever it is."""
        return CliRunner().invoke(app, list(map(str, words)), input=input, env={**self.environment, **environment})

    def does(self, *words: object) -> dict[str, Any]:
        """What a command that must succeed says with --json: one object, and nothing else on stdout."""
        done = self.run(*words, "--json")
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    def tells(self, *words: object) -> str:
        """What a command that must succeed tells a human on stdout."""
        done = self.run(*words)
        assert done.exit_code == 0, done.output
        return done.stdout

    def refused(self, *words: object, **environment: str) -> str:
        """The one line of a command that must fail, without what it says on the way."""
        done = self.run(*words, **environment)
        assert (done.exit_code, done.stdout) == (1, ""), done.output
        # anything else than an exit is a traceback
        assert isinstance(done.exception, SystemExit), done.exception
        *_, line = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert done.stderr.count("error: ") == 1
        return line.removeprefix("error: ")

    def starts(self, *words: object, **environment: str) -> "subprocess.Popen[str]":
        """A command as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "trainer", *map(str, words)],
            env={**os.environ, "PYTHONPATH": str(ROOT), **self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def desk(self) -> Desk:
        """What his commands work at, for what no command would do."""
        signer = KeySigner(Account.from_key(self.node.accounts[self.number].key))
        chosen = settings.load(self.place.parent / "assay.toml", {"home": self.home, "node": self.node.url})
        return Desk(connect(chosen, signer), chosen)

    @property
    def balance(self) -> int:
        """Wei in hand."""
        return int(self.node.rpc("eth_getBalance", self.address, "latest"), 16)

    @property
    def nonce(self) -> int:
        """How many transactions of his were mined."""
        return int(self.node.rpc("eth_getTransactionCount", self.address, "latest"), 16)


def person(node: Anvil, town: Path, number: int, name: str) -> Person:
    """A person with a key of the node's, in a directory of his own under the town's."""
    made = Person(node, town / name, number)
    made.place.mkdir(parents=True)
    # as strong as a keystore is, opening it would take a second a command
    text = json.dumps(Account.encrypt(node.accounts[number].key, PASSWORD, kdf="pbkdf2", iterations=1))
    (made.place / "key.json").write_text(text)
    (made.place / "password").write_text(PASSWORD + "\n")
    return made


class Town:
    """A node with a market, and people who know where it is."""

    def __init__(self, node: Anvil, place: Path) -> None:
        """Deploy; everyone has the deployer's settings, but for his own home and key."""
        self.node, self.place = node, place
        names = ("deployer", "poster", "ada", "ben", "mallory", "auditor")
        self.people = {name: person(node, place, number, name) for number, name in enumerate(names)}
        for name, network in (("good", GOOD), ("poor", POOR), ("segmented", SEGMENTED)):
            (place / f"{name}.bin").write_bytes(networks.write(network))
        self.deployed: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Person:
        return self.people[name]

    def file(self, name: str) -> Path:
        """One of the town's files."""
        return self.place / name

    def deploy(self) -> None:
        """A market for dense networks and those in segments."""
        save = self.file("assay.toml")
        words = ("deploy", "--save", save, "--min-window", "10s", "--engines", "dense,segmented", "--json")
        done = self.deployer.run(*words, ASSAY_CONFIG="")
        assert done.exit_code == 0, done.output
        self.deployed = json.loads(done.stdout)

    def posted(self, name: str, pack: Callable[[Path, int], None], **changes: object) -> int:
        """A challenge of the poster's with a package of its own."""
        package = self.file(name)
        if not package.exists():
            pack(package, zlib.crc32(name.encode()))
        return int(self.poster.does("post", package, *terms(**changes), "--again")["challenge"])

    def drawn(self, name: str, pack: Callable[[Path, int], None] = dense, **changes: object) -> int:
        """A challenge that is drawn."""
        challenge = self.posted(name, pack, **changes)
        self.node.mine(6)
        self.poster.does("draw", challenge)
        return challenge

    def revealed(self, name: str, sealed: dict[Person, str], **changes: object) -> int:
        """A challenge in which people sealed models, up to the claims."""
        challenge = self.drawn(name, **changes)
        for who, model in sealed.items():
            who.does("commit", challenge, self.file(model))
        self.pass_phase(challenge)
        self.poster.does("reveal", challenge)
        return challenge

    def pass_phase(self, challenge: int) -> None:
        """Go to the end of the present phase."""
        desk = self.deployer.desk()
        self.node.mine_until(desk.clock(desk.challenge(challenge)).ends)

    def phase(self, challenge: int) -> str:
        """Where a challenge stands."""
        return str(self.deployer.does("show", challenge)["phase"])
