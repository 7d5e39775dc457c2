"""`trainer key …`: keystores."""

import getpass
import json as json_module
import sys
from pathlib import Path
from typing import Annotated

import typer

from trainer.errors import DataError
from trainer.node import keys

app = typer.Typer(no_args_is_help=True)
FileArgument = Annotated[Path, typer.Argument(help="The keystore.")]
PasswordOption = Annotated[
    Path | None,
    typer.Option("--password-file", envvar="ASSAY_PASSWORD_FILE", help="By default the password is asked for."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("new")
def new(file: FileArgument, password_file: PasswordOption = None, json: JsonOption = False) -> None:
    """Make a key and write it, encrypted, to a new file."""
    _check_new(file)
    _tell(file, keys.create(file, keys.password_for(file, password_file, new=True)), json)


@app.command("import")
def take(file: FileArgument, password_file: PasswordOption = None, json: JsonOption = False) -> None:
    """Encrypt a key that exists, read from the terminal or from standard input, into a new file."""
    _check_new(file)
    text = getpass.getpass("private key: ") if sys.stdin.isatty() else sys.stdin.readline()
    try:
        key = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError as error:
        raise DataError("that is no private key: 0x and 64 hexadecimal digits") from error
    _tell(file, keys.store(file, key, keys.password_for(file, password_file, new=True)), json)


@app.command("address")
def address(file: FileArgument, json: JsonOption = False) -> None:
    """The address of a keystore, which needs no password."""
    found = keys.address_in(file)
    if found is None:
        raise DataError(f"{file} does not say its address; unlock it with any command that sends")
    _tell(file, found, json)


def _check_new(file: Path) -> None:
    if file.exists():
        raise DataError(f"{file} exists, and a key is never overwritten; choose another file")


def _tell(file: Path, found: str, json: bool) -> None:
    typer.echo(json_module.dumps({"address": found, "keystore": str(file)}) if json else found)
