"""Packages: what is packed comes back, what is exported proves itself and hides the rest, what is altered is named."""

import json
from pathlib import Path

import numpy as np
import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from trainer import merkle
from trainer.datasets import Dataset
from trainer.errors import PackageError
from trainer.package import Manifest, Package, build, load_training, verify_group
from trainer.quantise import fit

ROWS, FEATURES, BITS, SIZE = 103, 5, 4, 8
HOLDOUT = {0, 5, 11}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    rng = np.random.default_rng(1)
    return Dataset(
        name="table",
        features=rng.normal(size=(ROWS, FEATURES)),
        labels=rng.integers(0, 3, ROWS, dtype=np.uint8),
        class_names=("a", "b", "c"),
    )


@pytest.fixture(scope="module")
def package(dataset: Dataset) -> Package:
    return build(dataset, fit(dataset, bits=BITS), group_size=SIZE, seed=7)


@pytest.fixture
def export(package: Package, tmp_path: Path) -> Path:
    package.export_training(tmp_path / "export", HOLDOUT)
    return tmp_path / "export"


def test_groups_hold_the_shuffled_rows(dataset: Dataset, package: Package) -> None:
    assert package.manifest.groups == ROWS // SIZE == 12
    assert package.manifest.sample_bytes == 3
    order = np.random.default_rng(7).permutation(ROWS)
    x = fit(dataset, bits=BITS).apply(dataset.features)
    for index in range(12):
        group, rows = package.group(index), order[index * SIZE : (index + 1) * SIZE]
        assert (group.x == x[rows]).all()
        assert (group.y == dataset.labels[rows]).all()
        assert group.labels == bytes(dataset.labels[rows]) + bytes(32 - SIZE)
        assert len(group.samples) == SIZE * 3
        # the first feature in the highest bits of the first byte
        assert group.samples[0] == group.x[0, 0] << 4 | group.x[0, 1]


def test_the_root_commits_to_the_documented_leaves(package: Package) -> None:
    leaves = []
    for index in range(12):
        group = package.group(index)
        salted = index.to_bytes(32, "big") + group.salt + group.labels
        leaves.append(keccak(b"\x00" + salted + keccak(group.samples)))
    assert package.root == package.manifest.root == merkle.Tree(leaves).root


@given(st.integers(0, 11), st.data())
def test_a_group_verifies_and_no_altered_one_does(package: Package, index: int, data: st.DataObject) -> None:
    group, proof = package.group(index), package.proof(index)
    parts = [group.salt, group.labels, group.samples]
    assert verify_group(package.root, 12, index, *parts, proof)
    assert not verify_group(package.root, 12, (index + 1) % 12, *parts, proof)
    assert not verify_group(package.root, 12, index + 12, *parts, proof)
    which = data.draw(st.integers(0, 2))
    place = data.draw(st.integers(0, len(parts[which]) - 1))
    altered = bytearray(parts[which])
    altered[place] ^= 1 << data.draw(st.integers(0, 7))
    parts[which] = bytes(altered)
    assert not verify_group(package.root, 12, index, *parts, proof)
    parts[which] = parts[which][:-1]
    assert not verify_group(package.root, 12, index, *parts, proof)


def test_seeds_repeat_and_differ(dataset: Dataset, package: Package) -> None:
    quantiser = fit(dataset, bits=BITS)
    assert build(dataset, quantiser, group_size=SIZE, seed=7).root == package.root
    roots = {build(dataset, quantiser, group_size=SIZE, seed=seed).root for seed in (7, 8, None, None)}
    assert len(roots) == 4


def test_salts_differ_by_group(package: Package) -> None:
    assert len({package.salt(index) for index in range(12)}) == 12


def test_a_saved_package_loads_the_same(package: Package, tmp_path: Path) -> None:
    package.save(tmp_path / "p")
    again = Package.load(tmp_path / "p")
    assert again.manifest == package.manifest
    assert again.salt_seed == package.salt_seed
    assert again.group(3).leaf == package.group(3).leaf
    assert again.proof(3) == package.proof(3)
    assert (tmp_path / "p").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "p").iterdir()} == {0o600}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p"]


def test_an_export_verifies_and_holds_the_training_groups_only(package: Package, export: Path) -> None:
    training = load_training(export, package.root)
    assert training.holdout == HOLDOUT
    assert [group.index for group in training.groups] == [i for i in range(12) if i not in HOLDOUT]
    assert training.x.shape == (9 * SIZE, 6)
    assert export.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in export.iterdir()} == {0o644}
    assert (training.y[:SIZE] == package.group(1).y).all()


def test_an_export_leaks_neither_seeds_nor_the_holdout(package: Package, export: Path) -> None:
    content = b"".join(path.read_bytes() for path in export.iterdir())
    assert package.salt_seed not in content
    assert package.salt_seed.hex().encode() not in content
    for index in HOLDOUT:
        assert package.group(index).salt not in content
        assert package.group(index).samples not in content
    assert package.group(1).samples in content
    assert {path.name for path in export.iterdir()} == {
        "manifest.json",
        "leaves.bin",
        "training.json",
        "training.bin",
    }
    assert "seed" not in (export / "manifest.json").read_text()


@pytest.mark.parametrize("group", [1, 6, 10])
@pytest.mark.parametrize("part", ["salt", "label", "sample"])
def test_an_altered_group_is_named(package: Package, export: Path, group: int, part: str) -> None:
    record = 64 + SIZE * 3
    kept = [i for i in range(12) if i not in HOLDOUT]
    offset = kept.index(group) * record + {"salt": 0, "label": 32, "sample": 70}[part]
    content = bytearray((export / "training.bin").read_bytes())
    content[offset] ^= 1
    (export / "training.bin").write_bytes(content)
    with pytest.raises(PackageError, match=f"group {group} does not match the root; fetch it again"):
        load_training(export, package.root)


def test_an_export_for_another_root_is_refused(export: Path) -> None:
    with pytest.raises(PackageError, match="made for root 0x.*, not for 0x0000"):
        load_training(export, bytes(32))


def test_altered_leaves_are_refused(export: Path) -> None:
    content = (export / "leaves.bin").read_bytes()
    (export / "leaves.bin").write_bytes(bytes(32) + content[32:])
    with pytest.raises(PackageError, match="leaves.bin: these leaves do not have root"):
        load_training(export)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("training.bin", b"short", "training.bin: 5 bytes, the manifest asks for 792"),
        ("leaves.bin", b"", "leaves.bin: 0 bytes"),
        ("training.json", b"{}", "holdout must list groups from 0 to 11"),
        ("training.json", b'{"holdout": [12]}', "holdout must list groups from 0 to 11"),
        ("training.json", b'{"holdout": [true]}', "holdout must list groups from 0 to 11"),
        ("training.json", b'{"holdout": [0,1,2,3,4,5,6,7,8,9,10,11]}', "every group is held out"),
        ("training.json", b"[", "training.json: no JSON"),
        ("training.json", b"[]", "training.json: holds no JSON object"),
        ("manifest.json", b"\xff", "manifest.json: cannot be read"),
        ("manifest.json", b"{}", "manifest.json: entry format is missing"),
    ],
)
def test_a_broken_export_is_refused(export: Path, name: str, content: bytes, reason: str) -> None:
    (export / name).write_bytes(content)
    with pytest.raises(PackageError, match=reason):
        load_training(export)


@pytest.mark.parametrize(
    ("entry", "value", "reason"),
    [
        ("format", 2, "format 2; this version reads format 1"),
        ("groups", 1, "1 groups; a challenge has 2 to"),
        ("groups", "many", "manifest.json: entry groups is 'many'; it must be a whole number"),
        ("group_size", 33, "33 samples a group; use 1 to 32"),
        ("class_names", ["one"], "1 classes; use 2 to 256"),
        ("root", "0x12", "a root has 32 bytes, not 1"),
        ("root", 5, "entry root is 5; it must be text"),
        ("root", "12", "entry root is '12'; it must be 0x and hexadecimal digits"),
        ("features", 6, "features is 6; the other entries give 5"),
        ("classes", 4, "classes is 4; the other entries give 3"),
        ("name", "a/b", "name: 'a/b' is no plain name"),
        ("name", "a\nb", r"name: 'a\\nb' is no plain name"),
        ("name", "", "name: '' is no plain name"),
        ("name", None, "entry name is None; it must be text"),
        ("class_names", ["a", 2, "c"], "entry class_names is .* a list of text"),
        ("sample_bytes", 4, "sample_bytes is 4; the other entries give 3"),
        ("quantisation", {"bits": 4}, "manifest.json: entry ranges is missing"),
    ],
)
def test_a_broken_manifest_is_refused(package: Package, entry: str, value: object, reason: str) -> None:
    entries = json.loads(package.manifest.to_json()) | {entry: value}
    with pytest.raises(PackageError, match=reason):
        Manifest.from_json(json.dumps(entries), source=Path("manifest.json"))


@pytest.mark.parametrize(
    ("entry", "value", "reason"),
    [
        ("bits", 4.0, "entry bits is 4.0; it must be a whole number"),
        ("bits", 3, "3 bits a feature"),
        ("pooled", 0, "entry pooled is 0; it must be true or false"),
        ("pixel_bits", 9, "pixel_bits: 9 bits"),
        ("image_shape", [2, "2"], "entry image_shape is .* null or"),
        ("image_shape", [-1, -5], "image_shape: no image is"),
        ("image_shape", [1, 5], "ranges: a table needs one for each column, images have none"),
        ("ranges", [[0, 1]] * 4 + [[1]], "entry ranges must be a list of"),
        ("ranges", [[0, 1]] * 4 + [[1, 0]], "ranges: column 4 goes from 1.0 to 0.0"),
        ("ranges", [[0, float("nan")]] * 5, "ranges: column 0 goes from 0.0 to nan"),
        ("ranges", [[0, 10**400]] * 5, "ranges: column 0 goes from 0.0 to inf"),
        ("ranges", [], "ranges: a table needs one"),
        ("more", 1, "unknown entries .'more'"),
    ],
)
def test_a_broken_quantisation_is_refused(package: Package, entry: str, value: object, reason: str) -> None:
    entries = json.loads(package.manifest.to_json())
    entries["quantisation"][entry] = value
    with pytest.raises(PackageError, match=reason) as caught:
        Manifest.from_json(json.dumps(entries), source=Path("manifest.json"))
    assert str(caught.value).count("manifest.json") == 1


@pytest.mark.parametrize("name", ["groups.bin", "secret.json", "manifest.json"])
def test_a_damaged_package_is_refused(package: Package, tmp_path: Path, name: str) -> None:
    package.save(tmp_path / "p")
    text = (tmp_path / "p" / name).read_bytes()
    place = len(text) // 2 if name == "groups.bin" else text.index(b'0x"') if b'0x"' in text else text.index(b"0x") + 2
    changed = b"1" if text[place : place + 1] != b"1" else b"2"
    (tmp_path / "p" / name).write_bytes(text[:place] + changed + text[place + 1 :])
    with pytest.raises(PackageError, match="its groups have root 0x.*, its manifest says 0x.* is damaged; restore"):
        Package.load(tmp_path / "p")


def test_nothing_is_overwritten(package: Package, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="exists; remove it or choose another"):
        package.save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_nothing(package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PackageError, match="p: cannot be written .No space left on device.; choose another") as caught:
        package.save(tmp_path / "p")
    assert ".assay" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("holdout", [set(), set(range(12)), {12}, {-1}])
def test_impossible_holdouts_are_refused(package: Package, tmp_path: Path, holdout: set[int]) -> None:
    with pytest.raises(PackageError, match="use some of 0 to 11, not all"):
        package.export_training(tmp_path / "e", holdout)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"group_size": 33}, "33 samples a group"),
        ({"group_size": 0}, "0 samples a group"),
        ({"group_size": 32, "groups": 4}, "4 groups of 32; 103 rows fill 3"),
        ({"group_size": 32, "groups": 1}, "1 groups; a challenge has 2 to"),
    ],
)
def test_impossible_packages_are_refused(dataset: Dataset, arguments: dict, reason: str) -> None:
    with pytest.raises(PackageError, match=reason):
        build(dataset, fit(dataset, bits=BITS), **arguments)


@pytest.mark.parametrize(
    ("features", "bits", "group_size", "reason"),
    [
        (4097, 1, 1, "4104 features a sample, at most 4096 fit; pool images .--pooled. or drop features"),
        (4096, 8, 31, "31 samples takes 126976 bytes, at most 125952 fit; lower --group-size to 30, pool, or drop"),
    ],
)
def test_packages_that_no_challenge_takes_are_refused(features: int, bits: int, group_size: int, reason: str) -> None:
    labels = np.arange(2 * group_size, dtype=np.uint8) % 2
    wide = Dataset(name="wide", features=np.zeros((2 * group_size, features)), labels=labels, class_names=("a", "b"))
    with pytest.raises(PackageError, match=reason):
        build(wide, fit(wide, bits=bits), group_size=group_size)


def test_the_widest_package_fits() -> None:
    labels = np.arange(58, dtype=np.uint8) % 2
    wide = Dataset(name="wide", features=np.zeros((58, 4096)), labels=labels, class_names=("a", "b"))
    assert build(wide, fit(wide, bits=8), group_size=29).manifest.sample_bytes == 4096


def test_a_small_table_says_what_to_do() -> None:
    small = Dataset(
        name="small", features=np.zeros((3, 1)), labels=np.array([0, 1, 0], np.uint8), class_names=("a", "b")
    )
    with pytest.raises(PackageError, match="3 rows fill 1 group of 2; add rows or lower --group-size"):
        build(small, fit(small, bits=8), group_size=2)


def test_a_package_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"p: no package there \(no manifest.json\)"):
        Package.load(tmp_path / "p")
    with pytest.raises(PackageError, match=r"p: no package there \(no manifest.json\)"):
        load_training(tmp_path / "p")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("groups.bin", b"short", "groups.bin: 5 bytes, the manifest asks for .*; restore it from a backup"),
        ("groups.bin", None, r"groups.bin: cannot be read \(No such file or directory\); restore it from a backup"),
        ("secret.json", b"{}", "secret.json: entry shuffle_seed is missing; restore it from a backup"),
        ("secret.json", b'{"shuffle_seed": 1, "salt_seed": "no"}', "secret.json: entry salt_seed is 'no'"),
    ],
)
def test_a_broken_package_is_refused(
    package: Package, tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    package.save(tmp_path / "p")
    path = tmp_path / "p" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PackageError, match=reason) as caught:
        Package.load(tmp_path / "p")
    assert str(caught.value).count(str(path)) == 1


def test_unknown_groups_are_refused(package: Package) -> None:
    with pytest.raises(PackageError, match="no group 12; this package has groups 0 to 11"):
        package.group(12)


@pytest.mark.parametrize("labels", [b"\x03" + bytes(31), bytes(SIZE) + b"\x01" + bytes(31 - SIZE)])
def test_labels_that_no_market_takes_are_refused(package: Package, tmp_path: Path, labels: bytes) -> None:
    samples = [package.group(index).samples for index in range(12)]
    words = [package.group(index).labels for index in range(11)]
    bad = Package(
        manifest=package.manifest, labels=[*words, labels], samples=samples, shuffle_seed=0, salt_seed=bytes(32)
    )
    bad.save(tmp_path / "p")
    with pytest.raises(PackageError, match="group 11: label word 0x.* is none for 8 of 3 classes"):
        Package.load(tmp_path / "p")
