"""Who signs: an encrypted keystore file, or a signer behind a JSON-RPC endpoint. No key is ever an argument.

A keystore is the Web3 Secret Storage file that geth, foundry and eth-account write
(https://ethereum.org/developers/docs/data-structures-and-encoding/web3-secret-storage). Its password comes from a file
or from the terminal.
"""

import getpass
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from eth_utils.address import is_address, to_checksum_address

from trainer.errors import DataError, NodeError, RpcError
from trainer.node.rpc import Rpc, octets

if TYPE_CHECKING:
    # takes a second to import, and whoever only looks needs no key
    from eth_account.signers.local import LocalAccount

NO_METHOD = -32601
"""Code of JSON-RPC for a method that an endpoint does not have."""
NO_KEY = "no key to sign with; name a keystore with --keystore, or a signer with --signer"


class Signer(Protocol):
    """One account that can sign."""

    address: str

    def sign(self, transaction: Mapping[str, Any]) -> bytes:
        """The raw transaction: fields as `eth_account` takes them, numbers as ints, `data` as bytes."""
        ...


class KeySigner:
    """A private key in this process."""

    def __init__(self, account: "LocalAccount") -> None:
        self.account, self.address = account, str(account.address)

    def sign(self, transaction: Mapping[str, Any]) -> bytes:
        """Sign here."""
        return bytes(self.account.sign_transaction(dict(transaction)).raw_transaction)


class RemoteSigner:
    """An account that a signer holds, such as clef or web3signer, which signs transactions without sending them."""

    def __init__(self, rpc: Rpc, address: str | None = None) -> None:
        """Take this account of the signer's, or its only one. Raises `NodeError` where it has not exactly that."""
        try:
            listed, self._method = rpc.call("eth_accounts"), "eth_signTransaction"
        except RpcError as error:
            if error.code != NO_METHOD:
                raise
            # clef has names of its own for the same
            listed, self._method = rpc.call("account_list"), "account_signTransaction"
        held = [to_checksum_address(one) for one in listed]
        if address is None and len(held) != 1:
            raise NodeError(f"the signer {rpc.name} holds {len(held)} accounts; choose one with --account")
        if address is not None and to_checksum_address(address) not in held:
            raise NodeError(f"the signer {rpc.name} does not hold {address}; it has {', '.join(held) or 'none'}")
        self.rpc, self.address = rpc, held[0] if address is None else str(to_checksum_address(address))

    def sign(self, transaction: Mapping[str, Any]) -> bytes:
        """Have it signed there. Raises `NodeError` where what comes back is not what was to be signed."""
        fields = {
            name: hex(value) if isinstance(value, int) else value.hex() if isinstance(value, bytes) else value
            for name, value in transaction.items()
        }
        fields["data"] = "0x" + transaction["data"].hex()
        found = self.rpc.call(self._method, {"from": self.address, **fields})
        # geth gives an object, others the bytes
        raw = octets(found["raw"] if isinstance(found, Mapping) else found)
        self._check(raw, transaction)
        return raw

    def _check(self, raw: bytes, transaction: Mapping[str, Any]) -> None:
        """Whoever confirms may change fees, or the nonce, and then nothing is known of what was sent."""
        from eth_account import Account
        from eth_account.typed_transactions.typed_transaction import TypedTransaction
        from hexbytes import HexBytes

        remedy = "confirm what is asked, unchanged"
        try:
            signed = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
            signer = Account.recover_transaction(raw)
        except Exception as error:  # eth_account has errors of many kinds
            raise NodeError(f"the signer {self.rpc.name} answered no signed transaction ({error}); {remedy}") from error
        if signer != self.address:
            raise NodeError(f"the signer {self.rpc.name} signed for {signer}, not for {self.address}; {remedy}")
        for name, asked in transaction.items():
            given = signed.get(name)
            if name == "to":
                asked, given = asked.lower(), "0x" + bytes(given or b"").hex()
            if given != asked:
                raise NodeError(f"the signer {self.rpc.name} signed another transaction: {name} differs; {remedy}")
        if "to" not in transaction and signed.get("to"):
            raise NodeError(f"the signer {self.rpc.name} signed another transaction: to differs; {remedy}")


def create(path: Path, password: str) -> str:
    """Write a new key, encrypted, to a new file only its owner can read; returns its address."""
    from eth_account import Account

    return _write(path, Account.create(), password)


def store(path: Path, key: bytes, password: str) -> str:
    """Write a key that exists, 32 bytes, encrypted, to a new file; raises `DataError` for what is no key."""
    from eth_account import Account

    try:
        account = Account.from_key(key)
    except Exception as error:  # eth_keys has errors of many kinds
        raise DataError("that is no private key: 32 bytes below the order of secp256k1") from error
    return _write(path, account, password)


def _write(path: Path, account: "LocalAccount", password: str) -> str:
    if not password:
        raise DataError("the password is empty; choose one that nobody guesses")
    if path.exists():
        raise DataError(f"{path} exists, and a key is never overwritten; choose another file")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(account.encrypt(password))
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return str(account.address)


def address_in(path: Path) -> str | None:
    """The address that a keystore says it holds; None where it keeps that to itself."""
    found = _keystore(path).get("address")
    return str(to_checksum_address(found)) if is_address(found) else None


def unlock(path: Path, password: str) -> KeySigner:
    """The account of a keystore; raises `DataError` for a wrong password or a file that is none."""
    from eth_account import Account

    try:
        key = Account.decrypt(_keystore(path), password)
    except ValueError as error:
        if "MAC mismatch" in str(error):
            raise DataError(f"{path}: wrong password; the key stays locked") from error
        raise DataError(f"{path} is no keystore ({error}); `trainer key new` writes one") from error
    except (KeyError, TypeError, NotImplementedError) as error:
        raise DataError(f"{path} is no keystore ({error!r}); `trainer key new` writes one") from error
    return KeySigner(Account.from_key(key))


def _keystore(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; `trainer key new` writes a keystore") from error
    except ValueError as error:
        raise DataError(f"{path} is no keystore (no JSON); `trainer key new` writes one") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} is no keystore; `trainer key new` writes one")
    return found


def password_for(path: Path, file: Path | None, *, new: bool = False) -> str:
    """The password of a keystore: the first line of a file, or what is typed; raises `DataError` where neither is had.

    new: ask twice.
    """
    if file is not None:
        try:
            lines = file.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{file}: the password cannot be read ({error}); name another file") from error
        if not lines or not lines[0]:
            raise DataError(f"{file}: its first line is empty; write the password there")
        return lines[0]
    if not sys.stdin.isatty():
        raise DataError(f"{path} is locked and nobody is there to type; use --password-file, or ASSAY_PASSWORD_FILE")
    typed = getpass.getpass(f"password of {path}: ")
    if new and typed != getpass.getpass("once more: "):
        raise DataError("the two passwords differ; try again")
    return typed
