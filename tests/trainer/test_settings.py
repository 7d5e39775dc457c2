"""Settings of the roles on a node: file, environment, flags."""

from pathlib import Path
from typing import Any

import pytest

from trainer.errors import DataError
from trainer.node.settings import Settings, load, save

MARKET = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_anything_there_are_defaults() -> None:
    assert load() == Settings()


def test_flags_go_before_the_environment_and_that_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("assay.toml").write_text('node = "http://file"\nchain_id = 1\nmax_fee_gwei = 3\nfirst_block = 5')
    monkeypatch.setenv("ASSAY_CHAIN_ID", "2")
    monkeypatch.setenv("ASSAY_NODE", "http://variable")

    found = load(None, {"node": "http://flag", "chain_id": None})

    assert (found.node, found.chain_id, found.max_fee_gwei, found.first_block) == ("http://flag", 2, 3.0, 5)


def test_paths_in_a_file_are_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    file = tmp_path / "there" / "mine.toml"
    file.write_text('keystore = "keys/poster.json"\nhome = "/absolute"')
    monkeypatch.setenv("ASSAY_PASSWORD_FILE", "secret.txt")

    found = load(file)

    assert found.keystore == tmp_path / "there" / "keys" / "poster.json"
    assert (found.home, found.password_file) == (Path("/absolute"), Path("secret.txt"))


def test_an_empty_variable_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_NODE", "")

    assert load().node is None


def test_addresses_get_their_checksum() -> None:
    assert load(None, {"market": MARKET.lower()}).market == MARKET


def test_what_was_saved_is_read(tmp_path: Path) -> None:
    save(tmp_path / "new.toml", {"node": "http://127.0.0.1:1", "chain_id": 5, "market": MARKET}, {"dense": MARKET})

    found = load(tmp_path / "new.toml")

    assert (found.node, found.chain_id, found.market) == ("http://127.0.0.1:1", 5, MARKET)
    assert found.engines == {"dense": MARKET}
    with pytest.raises(DataError, match="new.toml exists"):
        save(tmp_path / "new.toml", {}, {})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nod = 1", "assay.toml: no such setting: nod; there are node, "),
        ("node = 5", "assay.toml: node is 5; use an address such as"),
        ('node = "ftp://x"', "node is 'ftp://x'; use an address"),
        ("chain_id = 0", "chain_id is 0; use a whole number of 1 or more"),
        ("chain_id = true", "chain_id is True; use a whole number"),
        ("chain_id = 1.5", "chain_id is 1.5; use a whole number"),
        ('market = "0x12"', "market is '0x12'; use an address: 0x and 40"),
        # a capital in the wrong place: the checksum says that a digit is wrong
        (f'market = "{MARKET.replace("F", "f", 1)}"', "use an address: 0x and 40"),
        ("max_fee_gwei = -1", "max_fee_gwei is -1; use a number above 0"),
        ("max_fee_gwei = nan", "use a number above 0"),
        ("confirmations = 0", "confirmations is 0; use a whole number of 1 or more"),
        ('engines = "dense"', "engines is 'dense'; use a table"),
        ("keystore = 5", "keystore is 5; name a file"),
        ("node = ", "not a file of settings"),
    ],
)
def test_bad_settings_are_named_with_their_remedy(text: str, told: str) -> None:
    Path("assay.toml").write_text(text)

    with pytest.raises(DataError) as error:
        load()
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("flags", "told"), [({"chain_id": "x"}, "--chain-id: chain_id is 'x'"), ({"node": "x"}, "--node: ")]
)
def test_bad_flags_are_named(flags: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=told):
        load(None, flags)


def test_a_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CONFIRMATIONS", "no")

    with pytest.raises(DataError, match="ASSAY_CONFIRMATIONS: confirmations is 'no'"):
        load()


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone.toml: no such file of settings"):
        load(tmp_path / "gone.toml")
