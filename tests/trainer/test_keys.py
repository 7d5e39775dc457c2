"""Keystores: written once, encrypted, and never a key in a message."""

import io
import json
import stat
from pathlib import Path
from typing import Any

import eth_account.account
import pytest
from eth_account import Account

from trainer.errors import DataError, NodeError, RpcError
from trainer.node import keys
from trainer.node.rpc import octets

KEY = bytes(range(1, 33))
TRANSACTION = {
    "chainId": 31337,
    "nonce": 3,
    "to": "0x5FbDB2315678afecb367f032d93F642f64180aa3",
    "value": 7,
    "data": b"\x01\x02",
    "gas": 50_000,
    "maxFeePerGas": 10,
    "maxPriorityFeePerGas": 1,
    "type": 2,
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rounds of the key derivation in place of 262,144: it takes seconds on purpose."""
    write = eth_account.account.create_keyfile_json
    monkeypatch.setattr(
        eth_account.account,
        "create_keyfile_json",
        lambda key, password, **_: write(key, password, kdf="pbkdf2", iterations=2),
    )


def test_a_new_key_is_encrypted_and_private(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key.json"

    address = keys.create(path, "a password")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.address_in(path) == address
    assert keys.unlock(path, "a password").address == address
    assert keys.create(tmp_path / "other.json", "a password") != address


def test_a_stored_key_signs_as_it_would_by_itself(tmp_path: Path) -> None:
    address = keys.store(tmp_path / "key.json", KEY, "x")
    raw = keys.unlock(tmp_path / "key.json", "x").sign(TRANSACTION)

    assert KEY.hex() not in (tmp_path / "key.json").read_text()
    assert Account.recover_transaction(raw) == address == Account.from_key(KEY).address


def test_a_wrong_password_is_one_sentence_without_it(tmp_path: Path) -> None:
    keys.store(tmp_path / "key.json", KEY, "right")

    with pytest.raises(DataError, match="wrong password; the key stays locked") as error:
        keys.unlock(tmp_path / "key.json", "hunter2")
    assert "hunter2" not in str(error.value)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    keys.store(tmp_path / "key.json", KEY, "x")
    before = (tmp_path / "key.json").read_bytes()

    with pytest.raises(DataError, match="never overwritten"):
        keys.create(tmp_path / "key.json", "y")
    assert (tmp_path / "key.json").read_bytes() == before


@pytest.mark.parametrize("key", [b"", bytes(32), b"\xff" * 32, KEY[:31]])
def test_what_is_no_key_is_refused(tmp_path: Path, key: bytes) -> None:
    with pytest.raises(DataError, match="no private key"):
        keys.store(tmp_path / "key.json", key, "x")
    assert not (tmp_path / "key.json").exists()


def test_an_empty_password_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="password is empty"):
        keys.create(tmp_path / "key.json", "")
    assert not (tmp_path / "key.json").exists()


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", '{"version": 3, "crypto": {}}', '{"version": 9}'])
def test_what_is_no_keystore_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "key.json").write_text(text)

    with pytest.raises(DataError, match="no keystore"):
        keys.unlock(tmp_path / "key.json", "x")


def test_a_keystore_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone.json: No such file .*; `trainer key new`"):
        keys.unlock(tmp_path / "gone.json", "x")


def test_a_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a b \nnot this\n")

    assert keys.password_for(tmp_path / "key.json", tmp_path / "password") == "a b "
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(DataError, match="first line is empty"):
        keys.password_for(tmp_path / "key.json", tmp_path / "empty")
    with pytest.raises(DataError, match="cannot be read"):
        keys.password_for(tmp_path / "key.json", tmp_path / "gone")


def test_where_nobody_types_a_file_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())

    with pytest.raises(DataError, match="locked and nobody is there to type; use --password-file"):
        keys.password_for(tmp_path / "key.json", None)


NODE, CLEF = ("eth_accounts", "eth_signTransaction"), ("account_list", "account_signTransaction")


class Signer:
    """Stands in for a signer's endpoint: holds a key and signs what it is asked to.

    names:   of its methods.
    changes: what whoever confirms makes of a transaction.
    """

    name = "http://signer"

    def __init__(
        self, *held: bytes, wrapped: bool = False, names: tuple[str, str] = NODE, **changes: int | str | None
    ) -> None:
        self.accounts, self.wrapped = [Account.from_key(key) for key in held], wrapped
        self.names, self.changes, self.asked = names, changes, list[str]()

    def call(self, method: str, *params: Any) -> Any:
        self.asked.append(method)
        if method not in self.names:
            raise RpcError(method, -32601, f"the method {method} does not exist/is not available")
        if method == self.names[0]:
            return [account.address.lower() for account in self.accounts]
        asked = json.loads(json.dumps(params[0]))
        sender = asked.pop("from")
        (account,) = (one for one in self.accounts if one.address == sender)
        fields = {name: int(value, 16) if name not in ("to", "data") else value for name, value in asked.items()}
        fields = {name: value for name, value in (fields | self.changes).items() if value is not None}
        asked["data"] = fields["data"]
        raw = "0x" + bytes(account.sign_transaction({**fields, "data": octets(asked["data"])}).raw_transaction).hex()
        return {"raw": raw, "tx": {}} if self.wrapped else raw


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_signer_elsewhere_signs_the_same_bytes(wrapped: bool) -> None:
    signer = keys.RemoteSigner(Signer(KEY, wrapped=wrapped))  # type: ignore[arg-type]  # a stand-in

    assert signer.sign(TRANSACTION) == keys.KeySigner(Account.from_key(KEY)).sign(TRANSACTION)


@pytest.mark.parametrize("there", [True, False])
def test_clef_is_asked_by_its_own_names(there: bool) -> None:
    transaction = {name: value for name, value in TRANSACTION.items() if there or name != "to"}
    clef = Signer(KEY, wrapped=True, names=CLEF)
    signer = keys.RemoteSigner(clef)  # type: ignore[arg-type]

    assert signer.sign(transaction) == keys.KeySigner(Account.from_key(KEY)).sign(transaction)
    assert clef.asked == ["eth_accounts", *CLEF]


def test_a_signer_that_knows_neither_names_is_refused() -> None:
    with pytest.raises(RpcError, match="account_list"):
        keys.RemoteSigner(Signer(KEY, names=("list", "sign")))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [("nonce", 99), ("maxFeePerGas", 10**12), ("value", 1), ("data", "0x99"), ("to", "0x" + "77" * 20), ("to", None)],
)
def test_what_was_changed_before_it_was_signed_is_refused(name: str, value: int | str | None) -> None:
    signer = keys.RemoteSigner(Signer(KEY, **{name: value}))  # type: ignore[arg-type]

    with pytest.raises(NodeError, match=f"http://signer signed another transaction: {name} differs; confirm what"):
        signer.sign(TRANSACTION)


def test_a_receiver_that_was_added_is_refused() -> None:
    creation = {name: value for name, value in TRANSACTION.items() if name != "to"}
    signer = keys.RemoteSigner(Signer(KEY, to="0x" + "77" * 20))  # type: ignore[arg-type]

    with pytest.raises(NodeError, match="to differs"):
        signer.sign(creation)


@pytest.mark.parametrize("answer", ["0x", "0x02c0", "0x" + "ff" * 40])
def test_what_is_no_signed_transaction_is_refused(answer: str) -> None:
    held = Signer(KEY)
    signer = keys.RemoteSigner(held)  # type: ignore[arg-type]
    held.call = lambda *_: answer  # type: ignore[method-assign]

    with pytest.raises(NodeError, match="answered no signed transaction"):
        signer.sign(TRANSACTION)


def test_what_another_account_signed_is_refused() -> None:
    held = Signer(KEY)
    signer = keys.RemoteSigner(held)  # type: ignore[arg-type]
    other = keys.KeySigner(Account.from_key(b"\x01" * 32))
    held.call = lambda *_: "0x" + other.sign(TRANSACTION).hex()  # type: ignore[method-assign]

    with pytest.raises(NodeError, match=f"signed for {other.address}, not for {signer.address}"):
        signer.sign(TRANSACTION)


def test_a_signer_with_other_accounts_is_said() -> None:
    other = Account.from_key(b"\x01" * 32).address

    with pytest.raises(NodeError, match="holds 2 accounts; choose one with --account"):
        keys.RemoteSigner(Signer(KEY, b"\x01" * 32))  # type: ignore[arg-type]
    assert keys.RemoteSigner(Signer(KEY, b"\x01" * 32), other.lower()).address == other  # type: ignore[arg-type]
    with pytest.raises(NodeError, match="does not hold"):
        keys.RemoteSigner(Signer(KEY), other)  # type: ignore[arg-type]
