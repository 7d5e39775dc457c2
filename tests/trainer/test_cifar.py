"""CIFAR-10: both official versions, packed and unpacked, give the same images; everything else gets a reason."""

import contextlib
import gzip
import hashlib
import io
import itertools
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cifar_files import (
    BATCHES,
    CLASSES,
    FOLDER,
    files,
    images,
    python2,
    python_batch,
    write_archive,
    write_folder,
)
from trainer import archive, cifar, datasets
from trainer.errors import DataError

VERSIONS = ("binary", "python")
SIZES = (3, 3, 3, 3, 3, 2)


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return request.param


def read(path: Path) -> cifar.Images:
    return cifar.read(path, unofficial=True)


def check_images(found: cifar.Images) -> None:
    """Every pixel is where the documentation says."""
    assert found.features.shape == (17, 3072)
    assert found.features.dtype == found.labels.dtype == np.uint8
    assert found.test_rows == 2
    row = 0
    for batch, count in enumerate(SIZES):
        pixels, labels = images(batch, count)
        for image, label in zip(pixels, labels, strict=True):
            assert found.labels[row] == label
            for y in range(32):
                for c in range(3):
                    start = (y * 3 + c) * 32
                    assert (found.features[row, start : start + 32] == image[y, :, c]).all()
            row += 1


def test_a_folder_gives_the_images(tmp_path: Path, version: str) -> None:
    check_images(read(write_folder(tmp_path / "mine", files(version))))


def test_an_archive_gives_the_images(tmp_path: Path, version: str) -> None:
    check_images(read(write_archive(tmp_path / "some.tar.gz", FOLDER[version], files(version))))


def test_an_archive_in_another_order_gives_the_images(tmp_path: Path, version: str) -> None:
    content = dict(reversed(files(version).items()))
    directory = _member("x/z/test_batch", tarfile.DIRTYPE)
    check_images(read(write_archive(tmp_path / "some.tar.gz", "x/y", content, directory)))


def test_a_folder_may_hold_the_unpacked_one(tmp_path: Path, version: str) -> None:
    write_folder(tmp_path / "data" / FOLDER[version], files(version))
    check_images(read(tmp_path / "data"))


def test_of_archive_and_folder_the_archive_is_read(tmp_path: Path) -> None:
    write_folder(tmp_path / "data", files("binary", (1, 1, 1, 1, 1, 1)))
    write_archive(tmp_path / "data" / "cifar-10-python.tar.gz", FOLDER["python"], files("python"))
    check_images(read(tmp_path / "data"))


def test_an_array_in_the_order_of_columns_is_read(tmp_path: Path) -> None:
    content = files("python")
    pixels, labels = images(2, 3)
    rows = pixels.transpose(0, 3, 1, 2).reshape(3, 3072)
    content["data_batch_3"] = python2({"data": np.asfortranarray(rows), "labels": labels.tolist()})
    check_images(read(write_folder(tmp_path / "mine", content)))


def test_the_dataset_has_its_official_split(tmp_path: Path, version: str) -> None:
    path = write_folder(tmp_path / "mine", files(version))
    data = datasets.load("cifar-10", data=path, unofficial=True)
    train, test = data.split()
    assert (data.name, data.image_shape, data.class_names) == ("cifar-10", (32, 32, 3), CLASSES)
    assert train.tolist() == list(range(15))
    assert test.tolist() == [15, 16]
    assert data.labels[test].tolist() == images(5, 2)[1].tolist()


def test_by_default_it_is_looked_for_in_the_build_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        DataError, match=r"^build/datasets/cifar-10: no such file or directory; get cifar-10-binary.*--data"
    ):
        datasets.load("cifar-10")
    write_folder(tmp_path / "build/datasets/cifar-10", files("binary"))
    assert len(datasets.load("cifar-10", unofficial=True).labels) == 17


class TestChecksums:
    """An archive is taken for its MD5; what cannot be compared with it says so."""

    def test_the_checksums_are_those_of_the_official_page(self) -> None:
        assert cifar.CHECKSUMS == {
            "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
            "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
        }

    def test_an_archive_with_the_official_checksum_is_taken_without_a_word(
        self, tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write_archive(tmp_path / "renamed", FOLDER[version], files(version, (3,) * 6))
        digest = hashlib.md5(path.read_bytes()).hexdigest()
        monkeypatch.setattr(cifar, "CHECKSUMS", {**cifar.CHECKSUMS, f"cifar-10-{version}.tar.gz": digest})
        monkeypatch.setattr(cifar, "BATCH_IMAGES", 3)
        found = cifar.read(path)
        assert found.note is None
        assert len(found.labels) == 18

    def test_another_archive_is_refused_before_it_is_opened(self, tmp_path: Path, version: str) -> None:
        path = tmp_path / f"cifar-10-{version}.tar.gz"
        path.write_bytes(b"no archive at all")
        digest = hashlib.md5(b"no archive at all").hexdigest()
        with pytest.raises(
            DataError, match=rf"tar.gz has MD5 {digest}, .* c32a.* c58f.*; fetch it again, or add --unoff"
        ):
            cifar.read(path)

    def test_another_archive_that_was_asked_for_gets_a_note(self, tmp_path: Path) -> None:
        path = write_archive(tmp_path / "a.tar.gz", "x", files("binary"))
        digest = hashlib.md5(path.read_bytes()).hexdigest()
        assert (
            read(path).note == f"{path}: not the official archive (its MD5 is {digest}), taken because of --unofficial"
        )

    @pytest.mark.parametrize("unofficial", [False, True])
    def test_unpacked_files_get_a_note(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unofficial: bool) -> None:
        monkeypatch.setattr(cifar, "BATCH_IMAGES", 3)
        path = write_folder(tmp_path / "mine", files("binary", (3,) * 6))
        note = cifar.read(path, unofficial=unofficial).note
        assert note == f"{path}: unpacked files have no official checksum, only their form was checked"

    def test_a_batch_of_another_size_is_refused(self, tmp_path: Path, version: str) -> None:
        path = write_folder(tmp_path / "mine", files(version))
        with pytest.raises(DataError, match=r"data_batch_1(.bin)? has 3 images, an official batch has 10000; fetch"):
            cifar.read(path)

    def test_an_empty_batch_is_refused_even_when_asked_for(self, tmp_path: Path, version: str) -> None:
        path = write_folder(tmp_path / "mine", files(version, (3, 3, 3, 3, 3, 0)))
        with pytest.raises(DataError, match=r"test_batch(.bin)? has 0 images"):
            read(path)


Change = Callable[[dict[str, bytes]], object]


def _label(batch: str, image: int, label: int) -> Change:
    """Give an image of a binary batch a label."""

    def change(content: dict[str, bytes]) -> None:
        data = bytearray(content[batch])
        data[3073 * image] = label
        content[batch] = bytes(data)

    return change


def _with(name: str, data: bytes) -> Change:
    return lambda content: content.update({name: data})


def _entries(**entries: object) -> Change:
    """Give a Python batch entries of its own."""
    pixels, labels = images(1, 3)
    batch = {"data": pixels.reshape(3, 3072), "labels": labels.tolist()}
    return _with("data_batch_2", python2({**batch, **entries}))


def _doubled() -> Change:
    """A list of labels that would take 2**60 elements to print."""
    twice = b"h\x00\x86q\x00" * 60
    start = python_batch(*images(1, 3))[: -len(b"u.")]
    return _with("data_batch_2", start + b"U\x06labels]Nq\x00" + twice + b"au.")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("version", "change", "reason"),
    [
        *(("binary", lambda c, n=n: c.pop(f"{n}.bin"), f": {n}.bin is missing; get cifar-10-binary") for n in BATCHES),
        *(("python", lambda c, n=n: c.pop(n), f": {n} is missing; get cifar-10-binary") for n in BATCHES),
        ("binary", lambda c: c.pop("batches.meta.txt"), "batches.meta.txt is missing"),
        ("python", lambda c: c.pop("batches.meta"), "batches.meta is missing"),
        ("binary", _label("data_batch_4.bin", 2, 10), "data_batch_4.bin: image 2 has label 10; labels go from 0 to 9"),
        ("binary", _label("test_batch.bin", 0, 255), "test_batch.bin: image 0 has label 255; labels go from 0 to 9"),
        (
            "binary",
            lambda c: c.update({"data_batch_2.bin": c["data_batch_2.bin"][:-1]}),
            "data_batch_2.bin: image 2 ends after 3072 of 3073 bytes, the file after 9218",
        ),
        (
            "binary",
            lambda c: c.update({"data_batch_2.bin": c["data_batch_2.bin"] + b"\0"}),
            "data_batch_2.bin: image 3 ends after 1 of 3073 bytes",
        ),
        ("binary", _with("batches.meta.txt", b"cat\ndog\n"), "batches.meta.txt: 2 classes; CIFAR-10 has 10"),
        (
            "binary",
            _with("batches.meta.txt", " ".join(CLASSES[::-1]).encode()),
            "batches.meta.txt: class 0 is not 'airplane', so its labels mean others",
        ),
        ("python", _with("batches.meta", python2({"label_names": ["cat"]})), "batches.meta: 1 classes"),
        ("python", _with("batches.meta", python2({"label_names": 10})), "batches.meta: 0 classes"),
        ("python", _with("batches.meta", python2({})), "batches.meta: 0 classes"),
        (
            "python",
            _with("batches.meta", python2({"label_names": [*CLASSES[:9], 1]})),
            "batches.meta: class 9 is not 'truck'",
        ),
        ("python", _entries(labels=[0, 1, 10]), "data_batch_2: image 2 has label 10; labels go from 0 to 9"),
        ("python", _entries(labels=[0, -1, 1]), "data_batch_2: image 1 has label -1; labels go from 0 to 9"),
        ("python", _entries(labels=[0, 1]), "data_batch_2: 3 images and 2 labels"),
        ("python", _entries(labels=[0, 1, True]), "entry labels is no list of whole numbers"),
        ("python", _entries(labels=[0, 1, "2"]), "entry labels is no list of whole numbers"),
        ("python", _entries(labels=None), "entry labels is no list of whole numbers"),
        ("python", _entries(labels=np.zeros(3, np.uint8)), "entry labels is no list of whole numbers"),
        ("python", _doubled(), "entry labels is no list of whole numbers"),
        ("python", _entries(data=None), "entry data is no array; a batch has rows of 3072 bytes"),
        ("python", _entries(data=np.zeros((3, 3073), np.uint8)), r"entry data has shape \(3, 3073\)"),
        ("python", _entries(data=np.zeros((3, 32, 32, 3), np.uint8)), r"entry data has shape \(3, 32, 32, 3\)"),
        ("python", _with("data_batch_2", python2({"fine_labels": []})), "entry data is no array"),
        (
            "python",
            _with("data_batch_2", b"cposix\nsystem\n(S'true'\ntR."),
            "data_batch_2, byte 0: it asks for 'posix.sys",
        ),
        ("python", _with("data_batch_2", b"no pickle"), "data_batch_2: damaged after byte|data_batch_2, byte 0: instr"),
        ("python", lambda c: c.update({"data_batch_2": c["data_batch_2"][:-100]}), "data_batch_2: damaged after byte"),
    ],
)
def test_files_with_a_fault_are_refused(
    tmp_path: Path, version: str, change: Change, reason: str, packed: bool
) -> None:
    content = files(version)
    change(content)
    if packed:
        path = write_archive(tmp_path / "a.tar.gz", FOLDER[version], content)
    else:
        path = write_folder(tmp_path / "mine", content)
    with pytest.raises(DataError, match=reason) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))


def test_other_directories_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: neither an archive nor a batch of CIFAR-10 is there; get cifar-10-bin"):
        read(tmp_path / "empty")
    with pytest.raises(DataError, match="absent: no such file or directory; get cifar-10-binary.tar.gz from https"):
        read(tmp_path / "absent")
    with pytest.raises(DataError, match="data_batch_1 is missing"):
        read(write_archive(tmp_path / "other.tar.gz", "cifar-100-python", {"train": b"", "test": b"", "meta": b""}))


def test_unreadable_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    folder = write_folder(tmp_path / "mine", files("binary"))
    packed = write_archive(tmp_path / "a.tar.gz", "x", files("binary"))
    monkeypatch.setattr(Path, "read_bytes", denied)
    monkeypatch.setattr(Path, "open", denied)
    for path in (folder, packed):
        with pytest.raises(DataError, match=r"cannot be read \(Permission denied\)"):
            read(path)


def test_files_beyond_the_largest_are_refused_unread(
    tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "mine", files(version))
    packed = write_archive(tmp_path / "a.tar.gz", "x", files(version))
    monkeypatch.setattr(cifar, "MAX_FILE_BYTES", 9000)
    for path in (folder, packed):
        with pytest.raises(DataError, match=r"data_batch_1(.bin)? has [0-9]+ bytes, at most 9000 are read"):
            read(path)


def _member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (_member("../data_batch_1.bin", tarfile.REGTYPE), "'../data_batch_1.bin' leads out of the archive"),
        (_member("x/../../y", tarfile.REGTYPE), "'x/../../y' leads out of the archive"),
        (_member("x/..", tarfile.DIRTYPE), "'x/..' leads out of the archive"),
        (_member("/etc/passwd", tarfile.REGTYPE), "'/etc/passwd' leads out of the archive"),
        (
            _member("x/data_batch_9.bin", tarfile.SYMTYPE, "/etc/passwd"),
            "'x/data_batch_9.bin' is a link, no plain file",
        ),
        (_member("x/readme", tarfile.LNKTYPE, "x/test_batch.bin"), "'x/readme' is a link, no plain file"),
        (_member("x/pipe", tarfile.FIFOTYPE), "'x/pipe' is a device or has holes, no plain file"),
        (_member("x/disk", tarfile.BLKTYPE), "'x/disk' is a device or has holes, no plain file"),
        (_member("x/tty", tarfile.CHRTYPE), "'x/tty' is a device or has holes, no plain file"),
        (_member("y/test_batch.bin", tarfile.REGTYPE), "test_batch.bin is in it twice"),
    ],
)
def test_members_that_no_official_archive_has_are_refused(tmp_path: Path, member: tarfile.TarInfo, reason: str) -> None:
    path = write_archive(tmp_path / "a.tar.gz", "x", files("binary"), member)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match=reason) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert sorted(tmp_path.iterdir()) == before


def test_reading_an_archive_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_archive(tmp_path / "a.tar.gz", "x", files("binary"))
    monkeypatch.chdir(tmp_path)
    read(path)
    assert list(tmp_path.iterdir()) == [path]


SMALL = {"a": bytes(range(256)) * 4, "b": b"b" * 700}


def _small(tmp_path: Path) -> bytes:
    return write_archive(tmp_path / "small.tar.gz", "x", SMALL).read_bytes()


def unpack(content: bytes) -> dict[str, bytes]:
    return dict(archive.files(io.BytesIO(content), ("a", "b"), source="file", largest=2**20))


def test_an_archive_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    content = _small(tmp_path)
    assert unpack(content) == SMALL
    for length in range(len(content)):
        with pytest.raises(DataError, match="^file: cannot be read as a .tar.gz .*; fetch it again$"):
            unpack(content[:length])


def test_an_archive_cut_short_before_it_was_compressed_is_refused(tmp_path: Path) -> None:
    plain = gzip.decompress(_small(tmp_path))
    # the folder, the header of a, a, the header of b, a part of b
    with pytest.raises(DataError, match="^file: cannot be read as a .tar.gz .*; fetch it again$"):
        unpack(gzip.compress(plain[: 512 + 512 + 1024 + 512 + 100]))


def test_no_damaged_byte_of_an_archive_changes_what_is_read(tmp_path: Path) -> None:
    content = _small(tmp_path)
    for place, damage in itertools.product(range(len(content)), (0x01, 0x80, 0xFF)):
        damaged = bytearray(content)
        damaged[place] ^= damage
        with contextlib.suppress(DataError):
            assert unpack(bytes(damaged)) == SMALL


@given(st.data())
def test_no_damage_before_the_compression_escapes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    plain = bytearray(gzip.decompress(_small(tmp_path_factory.mktemp("archive"))))
    for _ in range(data.draw(st.integers(1, 4))):
        plain[data.draw(st.integers(0, 3 * 512))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DataError):
        assert unpack(gzip.compress(bytes(plain))).keys() <= SMALL.keys()


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"path": "../../a"}, "member '../../a' leads out of the archive"),
        ({"size": "-1536", "path": "x/other"}, "member 'x/other' has -1536 bytes"),
        ({"size": "9" * 300}, "has 9+ bytes, at most"),
        ({"size": "-5"}, "member 'x/c' has -5 bytes; do not trust it"),
        ({"GNU.sparse.map": "x"}, "cannot be read as a .tar.gz"),
        ({"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}, "cannot be read as a .tar.gz"),
        ({"GNU.sparse.map": "0,5", "GNU.sparse.size": "5"}, "'x/c' is a device or has holes, no plain file"),
        ({"linkpath": "/etc/passwd"}, None),
    ],
)
def test_extended_headers_do_no_harm(tmp_path: Path, entries: dict[str, str], reason: str | None) -> None:
    member = tarfile.TarInfo("x/c")
    member.size, member.pax_headers = 5, entries
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member, io.BytesIO(b"hello"))
    content = (tmp_path / "a.tar.gz").read_bytes()

    def read_it() -> dict[str, bytes]:
        return dict(archive.files(io.BytesIO(content), ("c",), source="file", largest=2**20))

    if reason is None:
        assert read_it() == {"c": b"hello"}
    else:
        with pytest.raises(DataError, match=f"^file: .*{reason}"):
            read_it()


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("size", [2**62, 2**70, -512])
def test_a_member_beyond_all_sizes_is_refused(kind: bytes, size: int) -> None:
    member = _member("x/other", kind)
    member.size = size
    content = gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    reason = "member 'x/other' has -512 bytes|a header asks for|unexpected end of data|cannot fit 'int'"
    with pytest.raises(DataError, match=f"^file: .*({reason})"):
        dict(archive.files(io.BytesIO(content), ("c",), source="file", largest=2**20))
