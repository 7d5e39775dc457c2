"""Settings: one TOML file, overridden by the environment, overridden by flags.

    node = "http://127.0.0.1:8545"
    chain_id = 31337
    market = "0x…"
    keystore = "keys/poster.json"

The file is `assay.toml` in the working directory, or the one that `--config` or ASSAY_CONFIG names. Paths in it are
relative to it. Every setting has a variable: `node` is ASSAY_NODE.
"""

import json
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from eth_utils.address import is_address, is_checksum_address, to_checksum_address

from trainer.errors import DataError

FILE = Path("assay.toml")
PREFIX = "ASSAY_"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the roles on a node have in common.

    node:          its address, http or https.
    chain_id:      what the chain must be; None for any.
    market:        address of the market.
    first_block:   the block from which on the market has logs.
    keystore:      file with the key; or
    signer:        address of a signer, such as clef; with
    account:       which of its accounts.
    password_file: whose first line is the keystore's password; None to be asked.
    home:          directory of everything that must not be lost: seals, transactions, and a cache of the logs.
    confirmations: blocks from the one of a transaction on that must be there, 1 or more, before it counts.
    max_fee_gwei:  most that a gas may cost; above, nothing is sent.
    gas_cap:       most gas that a transaction may ask for.
    patience:      seconds for which a node that does not answer is asked again.
    ipfs_gateway:  address of a gateway that packages are fetched through.
    ipfs_node:     address of the API of a node that packages are published with, and fetched from.
    declarations:  address of the log of what training took; None for a market without one.
    engines:       addresses of engines by name, such as dense; in the file only, as a table.
    """

    node: str | None = None
    chain_id: int | None = None
    market: str | None = None
    first_block: int = 0
    keystore: Path | None = None
    signer: str | None = None
    account: str | None = None
    password_file: Path | None = None
    home: Path = Path.home() / ".assay"
    confirmations: int = 1
    max_fee_gwei: float = 100.0
    gas_cap: int = 2**24
    patience: float = 10.0
    ipfs_gateway: str | None = None
    ipfs_node: str | None = None
    declarations: str | None = None
    engines: Mapping[str, str] = field(default_factory=dict)


def load(config: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """Settings from file, environment and flags, the later before the earlier; None among the flags counts for nothing.

    Raises `DataError` that names the setting, where it stands, and what it should be.
    """
    asked = os.environ.get(PREFIX + "CONFIG")
    named = config or (Path(asked) if asked else None)
    path = named or FILE
    found: dict[str, Any] = {}
    if path.is_file():
        found = {name: _read(name, value, str(path), path.parent) for name, value in _file(path).items()}
    elif named is not None:
        raise DataError(f"{path}: no such file of settings; `trainer deploy --save {path}` writes one")
    for name in set(_KINDS) - {"engines"}:
        value = os.environ.get(PREFIX + name.upper())
        if value:
            found[name] = _read(name, value, PREFIX + name.upper(), Path())
    for name, value in (flags or {}).items():
        if value is not None:
            found[name] = _read(name, value, "--" + name.replace("_", "-"), Path())
    return replace(Settings(), **found)


def save(path: Path, entries: Mapping[str, str | int], engines: Mapping[str, str]) -> None:
    """Write a new file of settings; raises `DataError` where there is one."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in entries.items()]
    lines += ["", "[engines]", *(f"{name} = {json.dumps(address)}" for name, address in engines.items())]
    try:
        with path.open("x") as file:
            file.write("\n".join(lines) + "\n")
    except FileExistsError as error:
        raise DataError(f"{path} exists; choose another file for the new settings") from error


def _file(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: not a file of settings ({error}); mend or delete it") from error
    unknown = sorted(set(found) - set(_KINDS))
    if unknown:
        raise DataError(f"{path}: no such setting: {', '.join(unknown)}; there are {', '.join(_KINDS)}")
    return found


def _read(name: str, value: Any, where: str, base: Path) -> Any:
    try:
        return _KINDS[name](value, base)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{where}: {name} is {value!r}; {error}") from error


def _url(value: Any, _: Path) -> str:
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        raise ValueError("use an address such as http://127.0.0.1:8545")
    return value


def _address(value: Any, _: Path) -> str:
    mixed = isinstance(value, str) and value[2:] not in (value[2:].lower(), value[2:].upper())
    if not isinstance(value, str) or not is_address(value) or (mixed and not is_checksum_address(value)):
        raise ValueError("use an address: 0x and 40 hexadecimal digits, with its checksum if it has capitals")
    return str(to_checksum_address(value))


def _path(value: Any, base: Path) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError("name a file")
    return base / Path(value).expanduser()


def _engines(value: Any, base: Path) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise ValueError("use a table of names and addresses")
    return {str(name): _address(address, base) for name, address in value.items()}


def _whole(least: int) -> Callable[[Any, Path], int]:
    def read(value: Any, _: Path) -> int:
        remedy = f"use a whole number of {least} or more"
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError(remedy)
        try:
            found = int(value)
        except ValueError as error:
            raise ValueError(remedy) from error
        if found < least:
            raise ValueError(remedy)
        return found

    return read


def _real(value: Any, _: Path) -> float:
    if isinstance(value, bool) or not 0 < float(value) < float("inf"):
        raise ValueError("use a number above 0")
    return float(value)


_KINDS: dict[str, Callable[[Any, Path], Any]] = {
    "node": _url,
    "chain_id": _whole(1),
    "market": _address,
    "first_block": _whole(0),
    "keystore": _path,
    "signer": _url,
    "account": _address,
    "password_file": _path,
    "home": _path,
    "confirmations": _whole(1),
    "max_fee_gwei": _real,
    "gas_cap": _whole(21_000),
    "patience": _real,
    "ipfs_gateway": _url,
    "ipfs_node": _url,
    "declarations": _address,
    "engines": _engines,
}
assert list(_KINDS) == [field.name for field in fields(Settings)], "every setting has a kind"
