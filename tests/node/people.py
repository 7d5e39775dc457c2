"""People at one node, each with a machine of their own: a home, a key, and the settings that the deployer gave out."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import Result
from eth_account import Account
from typer.testing import CliRunner

from tests.node.anvil import Anvil
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
