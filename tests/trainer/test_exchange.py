"""Publishing and fetching between folders: what arrives has the root, what is held out never leaves, lies are named."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer.datasets import Dataset
from trainer.errors import DataError, PackageError
from trainer.exchange import fetch as fetching
from trainer.exchange.fetch import Fetched, fetch
from trainer.exchange.ipfs import find
from trainer.exchange.publish import publish
from trainer.exchange.sources import Folder
from trainer.exchange.web import Patience
from trainer.package import Package, build, load_training
from trainer.quantise import fit

ROWS, FEATURES, BITS, SIZE, GROUPS = 331, 5, 4, 8, 41
HOLDOUT = frozenset({0, 5, 11, 40})
RECORD = 64 + SIZE * 3
FILES = {"manifest.json", "leaves.bin", "training.json", "training.bin"}
Published = tuple[Package, Path]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    dataset = Dataset(
        name="table",
        features=rng.normal(size=(ROWS, FEATURES)),
        labels=rng.integers(0, 3, ROWS, dtype=np.uint8),
        class_names=("a", "b", "c"),
    )
    directory = tmp_path_factory.mktemp("poster") / "package"
    build(dataset, fit(dataset, bits=BITS), group_size=SIZE, seed=7).save(directory)
    return directory


@pytest.fixture
def published(packed: Path, tmp_path: Path) -> Published:
    shutil.copytree(packed, tmp_path / "poster" / "package")
    publish(tmp_path / "poster" / "package", HOLDOUT, tmp_path / "public")
    return Package.load(packed), tmp_path / "public"


def get(published: Published, *folders: Path, **more: Any) -> Fetched:
    """Fetch from folders; by default from the published one."""
    package, public = published
    sources = [Folder(folder, package.root) for folder in folders or (public,)]
    return fetch(package.root, sources, public.parent / "got", patience=Patience(pause=0), **more)


def copy(published: Published, name: str) -> Path:
    """Another mirror; returns its folder."""
    target = published[1].with_name(name)
    shutil.copytree(published[1], target)
    return target


def change(folder: Path, file: str, work: Callable[[bytes], bytes]) -> None:
    path = next(folder.iterdir()) / file
    path.write_bytes(work(path.read_bytes()))


def flip(*groups: int, byte: int = 70) -> Callable[[bytes], bytes]:
    """One byte of each of these groups' records is another."""
    kept = [index for index in range(GROUPS) if index not in HOLDOUT]

    def work(content: bytes) -> bytes:
        altered = bytearray(content)
        for group in groups:
            altered[kept.index(group) * RECORD + byte] ^= 1
        return bytes(altered)

    return work


def edit(**entries: object) -> Callable[[bytes], bytes]:
    """A JSON file with other entries."""
    return lambda content: json.dumps(json.loads(content) | entries).encode()


def test_what_is_published_comes_back(published: Published) -> None:
    package, public = published
    seen: list[tuple[int, int, str]] = []
    fetched = get(published, progress=lambda *step: seen.append(step))
    training = load_training(fetched.directory, package.root)
    kept = [index for index in range(GROUPS) if index not in HOLDOUT]
    assert [group.index for group in training.groups] == kept
    assert (training.x == np.concatenate([package.group(index).x for index in kept])).all()
    assert (training.y == np.concatenate([package.group(index).y for index in kept])).all()
    assert (training.holdout, fetched.notes, fetched.kept) == (HOLDOUT, (), 0)
    assert seen == [(number + 1, 37, str(public)) for number in range(37)]
    assert {path.name for path in fetched.directory.iterdir()} == FILES
    for path in fetched.directory.iterdir():
        assert path.read_bytes() == (public / package.root.hex() / path.name).read_bytes()
    assert {path.name for path in public.parent.iterdir()} == {"poster", "public", "got"}


def test_the_packages_own_folder_is_a_source_too(published: Published) -> None:
    package, public = published
    assert get(published, public / package.root.hex()).notes == ()


def test_held_out_groups_are_never_in_the_published_tree(published: Published) -> None:
    package, public = published
    paths = [path for path in public.rglob("*") if path.is_file()]
    assert {str(path.relative_to(public)) for path in paths} == {f"{package.root.hex()}/{name}" for name in FILES}
    content = b"".join(path.read_bytes() for path in paths)
    for index in range(GROUPS):
        group = package.group(index)
        # every group's samples differ, so that being found means something
        assert (group.samples in content) == (index not in HOLDOUT)
        assert (group.salt in content) == (index not in HOLDOUT)
        assert (group.labels + group.samples in content) == (index not in HOLDOUT)
    assert package.salt_seed not in content
    assert package.salt_seed.hex().encode() not in content
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o644}


@pytest.mark.parametrize("holdout", [set(), set(range(GROUPS)), {GROUPS}, {-1}, {1, 99}])
def test_a_holdout_that_no_draw_has_is_refused(packed: Path, tmp_path: Path, holdout: set[int]) -> None:
    shutil.copytree(packed, tmp_path / "package")
    with pytest.raises(PackageError, match="use some of 0 to 40, not all"):
        publish(tmp_path / "package", holdout, tmp_path / "public")
    assert not (tmp_path / "public").exists()
    assert not (tmp_path / "package" / "published.json").exists()


def test_publishing_again_is_the_same_and_with_other_groups_is_refused(published: Published, tmp_path: Path) -> None:
    poster = tmp_path / "poster" / "package"
    before = {path: path.stat().st_mtime_ns for path in published[1].rglob("*")}
    assert publish(poster, HOLDOUT, published[1]).holdout == HOLDOUT
    assert {path: path.stat().st_mtime_ns for path in published[1].rglob("*")} == before
    with pytest.raises(PackageError, match="other held-out groups, 2 of which this would show; for another challenge"):
        publish(poster, {0, 5, 7}, tmp_path / "elsewhere")
    with pytest.raises(PackageError, match="was published with other held-out groups; for another challenge pack"):
        publish(poster, {0, 5, 7}, published[1])
    assert not (tmp_path / "elsewhere").exists()
    (poster / "published.json").unlink()
    with pytest.raises(PackageError, match="was published with other held-out groups; for another challenge pack"):
        publish(poster, {0, 5, 7}, published[1])
    assert not (poster / "published.json").exists()
    change(published[1], "training.bin", flip(7))
    with pytest.raises(PackageError, match=r"group 7 does not match the root; .*; remove \S+ and publish again"):
        publish(poster, HOLDOUT, published[1])
    (poster / "published.json").write_text("{}")
    shutil.rmtree(published[1])
    with pytest.raises(PackageError, match="published.json: cannot be read, and tells what was held out; restore it"):
        publish(poster, HOLDOUT, published[1])


def test_a_package_is_not_published_around_itself(packed: Path, tmp_path: Path) -> None:
    shutil.copytree(packed, tmp_path / "web" / "package")
    for place in ("web", "web/package", "web/package/public"):
        with pytest.raises(PackageError, match="lie in each other; publish to a folder of its own"):
            publish(tmp_path / "web" / "package", HOLDOUT, tmp_path / place)
    (tmp_path / "link").symlink_to(tmp_path / "web")
    with pytest.raises(PackageError, match="lie in each other"):
        publish(tmp_path / "web" / "package", HOLDOUT, tmp_path / "link")
    assert [path.name for path in (tmp_path / "web").iterdir()] == ["package"]


@pytest.mark.parametrize("byte", [0, 32, 64, RECORD - 1])
@pytest.mark.parametrize("group", [1, 20, 39])
def test_a_wrong_byte_is_named_with_its_group_and_mended_by_the_next_mirror(
    published: Published, group: int, byte: int
) -> None:
    bad = copy(published, "bad")
    change(bad, "training.bin", flip(group, byte=byte))
    fetched = get(published, bad, published[1])
    assert fetched.notes == (f"{bad}: group {group} does not match the root",)
    assert len(load_training(fetched.directory, published[0].root).groups) == 37


def test_without_another_mirror_the_rest_is_kept_and_used_again(published: Published) -> None:
    bad = copy(published, "bad")
    change(bad, "training.bin", flip(7, 30))
    seen: list[int] = []
    with pytest.raises(
        PackageError,
        match=r"^2 of 37 groups are missing: \S*bad: group 7 does not match the root; \S*bad: group 30 does not match "
        r"the root; the rest is in \S*got.part: the same command with another source goes on from there$",
    ):
        get(published, bad)
    assert not (published[1].parent / "got").exists()
    fetched = get(published, progress=lambda there, *_: seen.append(there))
    assert (fetched.kept, seen) == (35, [36, 37])
    assert not (published[1].parent / "got.part").exists()


def test_two_bad_mirrors_make_a_good_one(published: Published) -> None:
    first, second = copy(published, "first"), copy(published, "second")
    change(first, "training.bin", flip(1, 2, 30))
    change(second, "training.bin", flip(3, 39))
    assert [note.partition(": ")[2][:8] for note in get(published, first, second).notes] == [
        "group 1 ",
        "group 2 ",
        "group 30",
    ]


def test_a_mirror_with_nothing_right_is_given_up(published: Published) -> None:
    bad = copy(published, "bad")
    change(bad, "training.bin", lambda content: bytes(len(content)))
    fetched = get(published, bad, published[1])
    assert fetched.notes[-1] == f"{bad}: more than 16 groups are wrong"
    assert len(fetched.notes) == 17
    shutil.rmtree(fetched.directory)
    with pytest.raises(PackageError, match=r"nothing could be fetched: .*group 1 does.*; and 11 more$"):
        get(published, bad)
    assert not (published[1].parent / "got.part").exists()


def test_another_root_is_not_taken(published: Published) -> None:
    package, public = published
    other = bytes(31) + b"\x01"
    with pytest.raises(PackageError, match=r"nothing could be fetched: .*/manifest.json: no such file"):
        fetch(other, [Folder(public, other)], public.parent / "got")
    shutil.copytree(public / package.root.hex(), public / other.hex())
    with pytest.raises(PackageError, match=rf"made for root 0x{package.root.hex()}, not for 0x{other.hex()}"):
        fetch(other, [Folder(public, other)], public.parent / "got")
    path = public / other.hex() / "manifest.json"
    path.write_bytes(edit(root="0x" + other.hex())(path.read_bytes()))
    with pytest.raises(PackageError, match=rf"leaves.bin: these leaves do not have root 0x{other.hex()}"):
        fetch(other, [Folder(public, other)], public.parent / "got")
    assert not (public.parent / "got.part").exists()


@pytest.mark.parametrize(
    ("file", "work", "reason"),
    [
        ("manifest.json", lambda c: b"", "bad/manifest.json: no JSON"),
        ("manifest.json", lambda c: b"[" * 10000, "bad/manifest.json: no JSON"),
        ("manifest.json", lambda c: b"\xff", "bad: manifest.json cannot be read (byte 0 is no UTF-8)"),
        ("manifest.json", lambda c: c + b" " * 2**20, "bad: manifest.json has more than 1048576 bytes"),
        ("manifest.json", edit(name="../../etc"), "name: '../../etc' is no plain name"),
        ("manifest.json", edit(name="a\x1b[2J"), "is no plain name"),
        ("manifest.json", edit(groups=2**63), f"{2**63} groups; a challenge has 2 to 1048576"),
        ("manifest.json", edit(groups=2**20), "leaves.bin has 1312 bytes, the manifest asks for 33554432"),
        ("manifest.json", edit(groups=40), "training.json: holdout must list groups from 0 to 39"),
        ("manifest.json", edit(groups=42), "leaves.bin has 1312 bytes, the manifest asks for 1344"),
        ("manifest.json", edit(groups=-1), "-1 groups"),
        ("manifest.json", edit(group_size=9), f"training.bin has {37 * RECORD} bytes, the manifest asks for"),
        ("manifest.json", edit(group_size=10**9), "1000000000 samples a group"),
        ("manifest.json", edit(root="0x" + "11" * 32), "made for root 0x1111"),
        ("manifest.json", edit(classes=2, class_names=["a", "b"]), "group 1: label word 0x"),
        ("training.json", edit(holdout=[]), "training.bin has 3256 bytes, the manifest asks for 3608"),
        ("training.json", edit(holdout=[0, 5, 11]), "training.bin has 3256 bytes, the manifest asks for 3344"),
        ("training.json", edit(holdout=[0, 5, 11, 12]), "group 13 does not match the root"),
        ("training.json", lambda c: c + b" " * 500, "bad: training.json has more than 433 bytes"),
        ("training.json", edit(holdout=list(range(GROUPS))), "every group is held out"),
        ("leaves.bin", lambda c: c[:-1], "leaves.bin has 1311 bytes, the manifest asks for 1312"),
        ("leaves.bin", lambda c: c + c, "leaves.bin has 2624 bytes, the manifest asks for 1312"),
        ("leaves.bin", lambda c: bytes(32) + c[32:], "leaves.bin: these leaves do not have root"),
        ("training.bin", lambda c: c[:-1], "training.bin has 3255 bytes, the manifest asks for 3256"),
        ("training.bin", lambda c: c + b"0", "training.bin has 3257 bytes, the manifest asks for 3256"),
        ("training.bin", lambda c: b"", "training.bin has 0 bytes, the manifest asks for 3256"),
    ],
)
def test_a_mirror_with_something_else_is_named_and_the_next_is_used(
    published: Published, file: str, work: Callable[[bytes], bytes], reason: str
) -> None:
    bad = copy(published, "bad")
    change(bad, file, work)
    fetched = get(published, bad, published[1])
    assert any(reason in note for note in fetched.notes), fetched.notes
    for note in fetched.notes:
        assert note.startswith(str(bad)) or ": lists other held-out groups than the source before" in note
        assert len(note) <= 300
        assert note.isprintable()
    assert len(load_training(fetched.directory, published[0].root).groups) == 37
    assert fetched.outline.manifest == published[0].manifest


def test_padding_of_the_tree_is_no_group(published: Published) -> None:
    """With a leaf of zeros more the root would be the same, and the group it pretends to be would be missed."""
    bad = copy(published, "bad")
    change(bad, "manifest.json", edit(groups=42))
    change(bad, "leaves.bin", lambda content: content + bytes(32))
    change(bad, "training.json", edit(holdout=[*sorted(HOLDOUT), 41]))
    with pytest.raises(PackageError, match="leaves.bin: these leaves do not have root"):
        get(published, bad)


@pytest.mark.parametrize("file", sorted(FILES))
def test_a_mirror_that_lacks_a_file_is_named(published: Published, file: str) -> None:
    bad = copy(published, "bad")
    (next(bad.iterdir()) / file).unlink()
    fetched = get(published, bad, published[1])
    assert fetched.notes == (f"{next(bad.iterdir()) / file}: no such file",)


def test_something_that_is_no_file_is_not_opened(published: Published) -> None:
    bad = copy(published, "bad")
    path = next(bad.iterdir()) / "training.bin"
    path.unlink()
    os.mkfifo(path)
    assert get(published, bad, published[1]).notes == (f"{path}: no such file",)


def test_a_mirror_that_keeps_groups_back_is_found_out_by_the_draw(published: Published) -> None:
    """It is right in every byte: only the key tells which groups are held out."""
    bad = copy(published, "bad")
    kept = [index for index in range(GROUPS) if index not in HOLDOUT]
    place = kept.index(20) * RECORD
    change(bad, "training.bin", lambda content: content[:place] + content[place + RECORD :])
    change(bad, "training.json", edit(holdout=sorted({*HOLDOUT, 20})))
    fetched = get(published, bad, published[1], holdout=lambda groups: HOLDOUT)
    assert fetched.notes == (f"{bad}: lists other held-out groups than the draw",)
    shutil.rmtree(fetched.directory)
    assert len(get(published, bad).outline.kept) == 36
    shutil.rmtree(fetched.directory)
    # what it has is used all the same, and what it says no longer once it was wrong
    change(bad, "training.bin", flip(2))
    fetched = get(published, bad, published[1])
    assert fetched.notes == (
        f"{bad}: group 2 does not match the root",
        f"{published[1]}: lists other held-out groups than the source before, which was not whole",
    )
    assert fetched.outline.holdout == HOLDOUT
    assert len(load_training(fetched.directory, published[0].root).groups) == 37


def test_what_came_under_another_listing_is_used_once_the_draw_is_known(published: Published) -> None:
    bad = copy(published, "bad")
    change(bad, "training.json", edit(holdout=[0, 5, 11, 39]))
    with pytest.raises(
        PackageError, match=r"1 of 37 groups are missing: \S*bad: group 40 does not match the root; the"
    ):
        get(published, bad)
    fetched = get(published, holdout=lambda groups: HOLDOUT)
    assert (fetched.kept, fetched.notes) == (36, ())
    assert load_training(fetched.directory, published[0].root).holdout == HOLDOUT


def test_a_draw_that_no_such_package_has_is_an_error_of_the_mirror(published: Published) -> None:
    def draw(groups: int) -> frozenset[int]:
        raise DataError(f"no draw of {groups}")

    with pytest.raises(PackageError, match="nothing could be fetched: .*public: no draw of 41"):
        get(published, holdout=draw)


def test_terms_of_the_challenge_are_compared(published: Published) -> None:
    """The root says nothing of how the bytes of a group are cut into samples, nor of their bits."""
    terms = published[0].manifest.terms
    bad = copy(published, "bad")
    quantisation = json.loads(published[0].manifest.to_json())["quantisation"]
    quantisation["bits"] = 8
    quantisation["ranges"] = quantisation["ranges"][:3]
    change(bad, "manifest.json", edit(features=3, quantisation=quantisation))
    fetched = get(published, bad, published[1], terms=terms)
    assert fetched.notes == (f"{bad}: input_bits is 8 in its manifest, 4 in the challenge",)
    shutil.rmtree(fetched.directory)
    for name, value in (("groups", 42), ("samples", 7), ("sample_bytes", 4), ("classes", 4)):
        with pytest.raises(PackageError, match=rf"public: {name} is .* in its manifest, {value} in the challenge"):
            get(published, terms={**terms, name: value})
    assert get(published, terms={"classes": 3, "reward": 10**18}).notes == ()


def test_a_mirror_of_other_sizes_than_what_is_here_is_named(published: Published) -> None:
    first, second = copy(published, "first"), copy(published, "second")
    change(first, "training.bin", flip(7))
    change(second, "manifest.json", edit(group_size=9))
    fetched = get(published, first, second, published[1])
    assert fetched.notes[1] == f"{second}: its manifest has other sizes than the groups that match the root"


@pytest.mark.parametrize("spoil", ["cut", "torn", "empty", "longer"])
def test_what_is_left_of_a_download_is_checked_anew(published: Published, spoil: str) -> None:
    bad = copy(published, "bad")
    change(bad, "training.bin", flip(39))
    with pytest.raises(PackageError, match="1 of 37 groups are missing"):
        get(published, bad)
    path = published[1].parent / "got.part" / "training.bin"
    content = path.read_bytes()
    path.write_bytes(
        {
            "cut": content[: 10 * RECORD + 5],
            "torn": content[: 3 * RECORD] + bytes(RECORD) + content[4 * RECORD :],
            "empty": b"",
            "longer": content + bytes(3 * RECORD),
        }[spoil]
    )
    # each group at its index there: 0 and 5 are held out
    assert get(published).kept == {"cut": 8, "torn": 35, "empty": 0, "longer": 36}[spoil]
    load_training(published[1].parent / "got", published[0].root)


def test_a_rest_that_is_damaged_or_of_another_package_is_refused(published: Published) -> None:
    bad = copy(published, "bad")
    change(bad, "training.bin", flip(39))
    with pytest.raises(PackageError, match="1 of 37 groups are missing"):
        get(published, bad)
    part = published[1].parent / "got.part"
    with pytest.raises(
        PackageError, match=r"got.part: made for root 0x.*, not for 0x0000.*; remove \S*got.part to start"
    ):
        fetch(bytes(32), [], published[1].parent / "got")
    (part / "leaves.bin").write_bytes(b"")
    with pytest.raises(PackageError, match=r"leaves.bin: 0 bytes.*; remove \S*got.part to start anew"):
        get(published)
    assert part.is_dir()


def test_only_what_is_missing_is_read(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "GAP", 2 * RECORD)
    bad = copy(published, "bad")
    change(bad, "training.bin", flip(1, 2, 5 + 3, 20, 39))
    asked: list[tuple[int, int]] = []

    class Watched(Folder):
        def open(self, file: str, start: int, stop: int, size: int | None) -> Any:
            if file == "training.bin":
                asked.append((start // RECORD, stop // RECORD))
            return super().open(file, start, stop, size)

    package, public = published
    fetch(package.root, [Folder(bad, package.root), Watched(public, package.root)], public.parent / "got")
    # positions, not groups: 0, 5 and 11 are held out; runs with at most two others between them are one
    assert asked == [(0, 2), (6, 7), (17, 18), (36, 37)]


def test_nobody_is_asked_for_what_is_there(published: Published) -> None:
    absent = published[1].with_name("absent")
    assert get(published, published[1], absent).notes == ()
    (published[1].parent / "got").rename(published[1].parent / "old")
    got = published[1].parent / "got"
    with pytest.raises(PackageError, match="got exists"):
        get(published, progress=lambda *_: got.mkdir(exist_ok=True))
    got.rmdir()
    assert get(published, absent).notes == ()


def test_nothing_is_overwritten(published: Published) -> None:
    got = published[1].parent / "got"
    got.mkdir()
    with pytest.raises(PackageError, match="got exists; remove it or choose another"):
        get(published)
    got.rmdir()
    assert get(published).notes == ()


def test_a_directory_that_appears_in_the_meantime_is_left_alone(published: Published) -> None:
    got = published[1].parent / "got"
    with pytest.raises(PackageError, match="got exists; remove it or choose another"):
        get(published, progress=lambda *_: got.mkdir(exist_ok=True))
    assert list(got.iterdir()) == []
    got.rmdir()
    assert get(published).kept == 37


def test_a_disk_without_room_is_said_before(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**6, 10**6, 1000))
    with pytest.raises(PackageError, match=r"got: 4,568 bytes are to come, \S+ has 1,000 free; choose another place"):
        get(published)
    assert not (published[1].parent / "got.part").exists()


def test_a_kill_in_the_middle_loses_nothing_that_was_there(published: Published) -> None:
    def stop(there: int, *_: object) -> None:
        if there == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(published, progress=stop)
    assert get(published).kept == 20


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ftp://host/x", "ftp://host/x: no source; use a folder"),
        ("file:///etc/passwd", "no source; use a folder"),
        ("http://", "'http://' is no http(s) address"),
        ("http://[::1", "is no http(s) address"),
        ("https://host:port/x", "is no http(s) address"),
        ("ipfs://short", "no IPFS address; use ipfs:// and the CID"),
        ("ipfs://" + "b" * 59 + "/../../secret", "no IPFS address"),
        ("ipfs://" + "b" * 59 + "/./x", "no IPFS address"),
        ("ipfs://" + "b" * 59 + "?x=1", "no IPFS address"),
        ("ipfs://" + "b" * 59, "no way to IPFS; name a gateway with --ipfs-gateway (or ASSAY_IPFS_GATEWAY), or a"),
    ],
)
def test_a_word_that_is_no_source_is_refused(text: str, reason: str) -> None:
    with pytest.raises(PackageError) as caught:
        find(text, bytes(32), Patience(), gateway=None, api=None)
    assert reason in str(caught.value)
