"""Readers: good files give the right arrays, bad files an error naming file, place and value."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from trainer import datasets, fetch, idx
from trainer.errors import DataError


def idx_bytes(array: np.ndarray) -> bytes:
    shape = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return bytes((0, 0, 8, array.ndim)) + shape + array.tobytes()


@pytest.fixture
def fashion(tmp_path: Path) -> Path:
    """A directory with a tiny Fashion-MNIST: 30 training rows, gzipped, and 10 test rows, not."""
    rng = np.random.default_rng(0)
    for part, rows in (("train", 30), ("t10k", 10)):
        pixels = rng.integers(0, 256, (rows, 28, 28), dtype=np.uint8)
        classes = (np.arange(rows) % 10).astype(np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte", pixels), (f"{part}-labels-idx1-ubyte", classes)):
            if part == "train":
                (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array)))
            else:
                (tmp_path / name).write_bytes(idx_bytes(array))
    return tmp_path


def test_digits_are_there_and_split_without_overlap() -> None:
    digits = datasets.load("digits")
    train, test = digits.split()
    assert digits.features.shape == (1797, 64)
    assert digits.features.max() == 16
    assert (len(train), len(test)) == (1438, 359)
    assert sorted([*train, *test]) == list(range(1797))
    assert np.bincount(digits.labels[test]).min() > 20


def test_fashion_mnist_keeps_its_official_split(fashion: Path) -> None:
    data = datasets.load("fashion-mnist", data=fashion)
    train, test = data.split()
    assert data.features.shape == (40, 784)
    assert data.class_names[9] == "ankle boot"
    assert train.tolist() == list(range(30))
    assert test.tolist() == list(range(30, 40))
    assert data.labels[test].tolist() == list(range(10))


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("train-images-idx3-ubyte.gz", lambda b: b[:-20], "cannot be read .*fetch it again"),
        ("train-images-idx3-ubyte.gz", lambda b: b"", r"starts with nothing"),
        ("train-images-idx3-ubyte.gz", lambda b: b"not gzip at all", "cannot be read .*fetch it again"),
        ("train-images-idx3-ubyte.gz", lambda b: b[:40] + bytes(40) + b[80:], "cannot be read"),
        ("t10k-images-idx3-ubyte", lambda b: b[:-1], r"needs 7840 bytes, the file has 7839"),
        ("t10k-images-idx3-ubyte", lambda b: b + b"\0", r"needs 7840 bytes, the file has 7841"),
        ("t10k-images-idx3-ubyte", lambda b: b"\x00\x00\x0d\x03" + b[4:], "starts with 00000d03"),
        ("t10k-images-idx3-ubyte", lambda b: b[:10], "ends inside its header, after 10 of 16"),
        ("t10k-labels-idx1-ubyte", lambda b: b[:-1] + b"\x0a", "label 10 at position 9; labels go from 0 to 9"),
        ("t10k-labels-idx1-ubyte", lambda b: idx_bytes(np.zeros(9, np.uint8)), "has 10 images, .* has 9 labels"),
        ("t10k-images-idx3-ubyte", lambda b: idx_bytes(np.zeros((10, 8, 8), np.uint8)), "images of 8 x 8"),
    ],
)
def test_broken_idx_files_are_refused(fashion: Path, name: str, change, reason: str) -> None:
    path = fashion / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=reason) as caught:
        datasets.load("fashion-mnist", data=fashion)
    assert name in str(caught.value)


def test_missing_idx_files_say_how_to_get_them(fashion: Path) -> None:
    (fashion / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="neither t10k-labels-idx1-ubyte.gz nor .* run `trainer data fetch`"):
        datasets.load("fashion-mnist", data=fashion)
    with pytest.raises(DataError, match="no such directory; run `trainer data fetch`"):
        datasets.load("fashion-mnist", data=fashion / "absent")


def test_idx_reads_what_it_should(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "a").write_bytes(idx_bytes(array))
    assert (idx.read(tmp_path / "a", dimensions=3) == array).all()


def csv(tmp_path: Path, text: str) -> str:
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_csv_with_names_for_labels(tmp_path: Path) -> None:
    data = datasets.load(csv(tmp_path, "a,kind,b\n1,wet,-2.5\n3e2,dry,4\n\n0,wet,1\n"), label="kind")
    assert data.features.tolist() == [[1, -2.5], [300, 4], [0, 1]]
    assert data.class_names == ("dry", "wet")
    assert data.labels.tolist() == [1, 0, 1]


def test_csv_with_integers_for_labels_orders_by_value(tmp_path: Path) -> None:
    data = datasets.load(csv(tmp_path, "\ufeffa,y\n1,10\n2,9\n3,10\n"))
    assert data.class_names == ("9", "10")
    assert data.labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no header in the first line; add a header row"),
        ("a\n1\n", "needs a feature and a label column"),
        ("a,y\n", "no rows below the header"),
        ("a,a,y\n1,2,3\n", "more than once"),
        ("a,y\n1,x\ntwo,z\n", "line 3, column 'a': 'two' is no number; drop the column or make it"),
        ("a,y\n1,x\n,z\n", "line 3, column 'a': '' is no number; fill it or drop the row"),
        ("\n\n", "no header in the first line; add a header row"),
        ("a;b;y\n1;2;3\n", "seem to be separated by ';'; save it with commas"),
        ("a\ty\n1\t3\n", "save it with commas"),
        ("1,2.5,0\n3,4,1\n", "the first line holds numbers only; add a header row"),
        ("1,1,0\n3,4,1\n", "the first line holds numbers only; add a header row"),
        ("a,y\n1,x\nnan,z\n", "line 3, column 'a': 'nan'; use finite numbers"),
        ("a,y\n1,x\n-inf,z\n", "line 3, column 'a': '-inf'; use finite numbers"),
        ("a,y\n1,x\n1e200,z\n", "'1e200'; use finite numbers up to 1e.150"),
        ("a,y\n1,x\n1,2,3\n", "line 3: 3 cells under a header of 2"),
        ("a,y\n1,x\n1\n", "line 3: 1 cells under a header of 2"),
        ("a,y\n1,x\n2,\n", "line 3: the label .* is empty"),
        ("a,y\n1,x\n2,x\n", "only one class, 'x'"),
        ("a,y\n" + "".join(f"1,{i}\n" for i in range(257)), "257 classes, at most 256"),
        ('a,y\n1,"x\n', "cannot be read as a .csv"),
    ],
)
def test_broken_csv_files_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = csv(tmp_path, text)
    with pytest.raises(DataError, match=reason) as caught:
        datasets.load(path)
    assert path in str(caught.value)


def test_csv_of_other_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,y\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="cannot be read as a .csv in UTF-8; save it as UTF-8"):
        datasets.load(str(tmp_path / "t.csv"))


def test_csv_without_the_label_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'z' among \['a', 'y'\]"):
        datasets.load(csv(tmp_path, "a,y\n1,2\n"), label="z")


def test_npz_flattens_features(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, x=np.arange(24, dtype=np.float32).reshape(3, 2, 4), y=np.array([0, 2, 1]))
    data = datasets.load(str(path))
    assert data.features.shape == (3, 8)
    assert data.labels.tolist() == [0, 2, 1]
    assert data.class_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"x": np.zeros((3, 2))}, "array y is missing"),
        ({"y": np.zeros(3, int)}, "array x is missing"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(4, int)}, r"x has shape \(3, 2\) and y \(4,\)"),
        ({"x": np.zeros(3), "y": np.zeros(3, int)}, r"x has shape \(3,\)"),
        ({"x": np.zeros((0, 2)), "y": np.zeros(0, int)}, "which is empty"),
        ({"x": np.zeros((2, 2), complex), "y": np.array([0, 1])}, "x has dtype complex128"),
        ({"x": np.zeros((2, 2)), "y": np.array([0.0, 1.0])}, "y has dtype float64"),
        ({"x": np.array([[0.0], [np.nan]]), "y": np.array([0, 1])}, r"x\[1, 0\] is nan; use finite numbers"),
        ({"x": np.zeros((2, 2)), "y": np.array([0, -1])}, r"y\[1\] is -1; labels go from 0"),
        ({"x": np.zeros((2, 2)), "y": np.array([0, 256])}, r"y\[1\] is 256; labels go from 0 to 255"),
        ({"x": np.zeros((2, 2)), "y": np.array([0, 0])}, "only one class, '0'"),
        ({"x": np.zeros((2, 2)), "y": np.array([5, 5])}, "only one class, '5'"),
        ({"x": np.array([[object()]] * 2), "y": np.array([0, 1])}, "cannot be read as a .npz of plain arrays"),
    ],
)
def test_broken_npz_files_are_refused(tmp_path: Path, arrays: dict, reason: str) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=reason) as caught:
        datasets.load(str(path))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut short"])
def test_npz_of_other_bytes_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.npz").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as a .npz"):
        datasets.load(str(tmp_path / "t.npz"))


def test_npz_that_is_a_npy_or_damaged_says_how_to_save_it(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros((2, 2)))
    reason = r"t.npz: cannot be read as a .npz of plain arrays; save numbers with np.savez\(path, x=x, y=y\)$"
    with pytest.raises(DataError, match=reason):
        datasets.load(str(path))
    np.savez_compressed(path, x=np.random.default_rng(0).normal(size=(50, 2)), y=np.arange(50) % 2)
    content = bytearray(path.read_bytes())
    content[60:200] = bytes(140)
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason):
        datasets.load(str(path))


def test_unknown_names_and_stray_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="mnist is no dataset: use digits, fashion-mnist, cifar-10, or a .csv or .npz file"
    ):
        datasets.load("mnist")
    with pytest.raises(DataError, match="a label column is for .csv files only"):
        datasets.load("digits", label="y")
    with pytest.raises(DataError, match="a data directory is for fashion-mnist and cifar-10 only"):
        datasets.load("digits", data=tmp_path)
    with pytest.raises(DataError, match="fashion-mnist: --unofficial is for cifar-10 only"):
        datasets.load("fashion-mnist", data=tmp_path, unofficial=True)
    for name in ("absent.csv", "absent.npz"):
        with pytest.raises(DataError, match=f"{name}: no such file$"):
            datasets.load(str(tmp_path / name))
    with pytest.raises(DataError, match=r"a directory without a package \(no manifest.json\); use digits"):
        datasets.load(str(tmp_path))
    with pytest.raises(DataError, match="a .npy holds one array; save both as .npz with np.savez"):
        datasets.load("x.npy")


def test_a_file_is_known_by_its_name(tmp_path: Path) -> None:
    assert datasets.load(csv(tmp_path, "a,y\n1,2\n1,3\n")).name == "table.csv"


def test_a_dataset_of_one_class_is_refused() -> None:
    labels = np.ones(3, np.uint8)
    with pytest.raises(DataError, match="x: every row is of class 'b'; a challenge needs at least 2"):
        datasets.Dataset(name="x", features=np.zeros((3, 1)), labels=labels, class_names=("a", "b"))


def test_fetch_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="apt-get is missing: fetching takes a Debian system; or put the four"):
        fetch.fetch(tmp_path / "fashion")


@pytest.mark.parametrize("broken", ["download", "update"])
def test_fetch_without_a_network_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("apt-get", "dpkg"):
        script = f'#!/bin/sh\n[ "$1" = {broken} ] || [ "$1" = download ] || exit 0\necho "E: no route" >&2; exit 100\n'
        (tools / tool).write_text(script)
        (tools / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    with pytest.raises(DataError, match=f"`apt-get {broken}` failed: E: no route; check the network"):
        fetch.fetch(tmp_path / "cache" / "fashion")
    assert not (tmp_path / "cache").exists()


def test_fetch_keeps_what_is_there(fashion: Path) -> None:
    assert fetch.fetch(fashion) == fashion
