"""Fetching over http: what servers do wrong, and that a download gets over it or says so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.mirrors import Fault, Mirror
from trainer.datasets import Dataset
from trainer.errors import PackageError
from trainer.exchange import fetch as fetching
from trainer.exchange.fetch import Fetched, fetch
from trainer.exchange.publish import publish
from trainer.exchange.sources import Source, SourceError
from trainer.exchange.web import Patience, Web
from trainer.package import Package, build, load_training
from trainer.quantise import fit

HOLDOUT = frozenset({0, 5, 11, 40})
SIZE, GROUPS = 8, 41
RECORD = 64 + SIZE * 40
KEPT = [index for index in range(GROUPS) if index not in HOLDOUT]
WHOLE = len(KEPT) * RECORD
QUICK = Patience(timeout=1.0, slowest=1000, attempts=3, pause=1.0, longest=30.0)


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    rows = GROUPS * SIZE
    dataset = Dataset(
        name="table",
        features=rng.normal(size=(rows, 40)),
        labels=rng.integers(0, 3, rows, dtype=np.uint8),
        class_names=("a", "b", "c"),
    )
    folder = tmp_path_factory.mktemp("poster")
    build(dataset, fit(dataset, bits=8), group_size=SIZE, seed=7).save(folder / "package")
    publish(folder / "package", HOLDOUT, folder / "public")
    return folder / "public"


@pytest.fixture(scope="module")
def root(public: Path) -> bytes:
    return Package.load(public.parent / "package").root


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers are on this machine."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def got(tmp_path: Path) -> Path:
    return tmp_path / "got"


class Clock:
    """Pauses that are written down instead of slept."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)


def get(root: bytes, got: Path, *mirrors: Mirror | str, clock: Clock | None = None, **more: Any) -> Fetched:
    urls = [mirror if isinstance(mirror, str) else mirror.url for mirror in mirrors]
    sources: list[Source] = [Web(url, root, QUICK) for url in urls]
    fetched = fetch(root, sources, got, patience=QUICK, sleep=clock or Clock(), **more)
    assert len(load_training(got, root).groups) == len(KEPT)
    return fetched


def flip(*groups: int) -> Callable[[str, bytes], bytes]:
    """One byte of each of these groups is another."""

    def work(file: str, content: bytes) -> bytes:
        if file != "training.bin":
            return content
        altered = bytearray(content)
        for group in groups:
            altered[KEPT.index(group) * RECORD + 70] ^= 1
        return bytes(altered)

    return work


@pytest.mark.parametrize("lengths", [True, False])
@pytest.mark.parametrize("ranges_known", [True, False])
def test_any_static_server_will_do(public: Path, root: bytes, got: Path, ranges_known: bool, lengths: bool) -> None:
    with Mirror(public, ranges_known=ranges_known, lengths=lengths) as mirror:
        assert get(root, got, mirror).notes == ()
        assert [path.rpartition("/")[2] for _, path, _ in mirror.asked] == [
            "manifest.json",
            "training.json",
            "leaves.bin",
            "training.bin",
        ]
        assert mirror.ranges("") == [None] * 4


def test_paths_queries_and_the_packages_own_address(public: Path, root: bytes, got: Path) -> None:
    with Mirror(public, prefix="/a%20b/") as mirror:
        mirror.folder = public
        mirror.prefix = "/a b/"
        url = f"{mirror.url.replace('//', '//user:secret@')}/a%20b/{root.hex()}/?token=1#part"
        source = Web(url, root, QUICK)
        assert source.name == f"{mirror.url}/a%20b/{root.hex()}/"
        with pytest.raises(SourceError) as caught:
            source.open("absent", 0, 1, None)
        assert str(caught.value) == f"{source.name}: absent: answers 404 Not Found"
        assert mirror.asked == [("GET", f"/a%20b/{root.hex()}/absent?token=1", None)]


@pytest.mark.parametrize("ranges_known", [True, False])
@pytest.mark.parametrize("lengths", [True, False])
def test_a_connection_that_dies_is_taken_up_where_it_broke_off(
    public: Path, root: bytes, got: Path, ranges_known: bool, lengths: bool
) -> None:
    with Mirror(public, ranges_known=ranges_known, lengths=lengths) as mirror:
        mirror.faults = {
            "training.bin": [Fault(after=5 * RECORD + 7), Fault(after=1 * RECORD if ranges_known else 6 * RECORD)],
            "leaves.bin": [Fault(after=100)],
        }
        clock = Clock()
        assert get(root, got, mirror, clock=clock).notes == ()
        ends = f"-{WHOLE - 1}"
        assert mirror.ranges("training.bin") == [None, f"bytes={5 * RECORD}{ends}", f"bytes={6 * RECORD}{ends}"]
        assert mirror.ranges("leaves.bin") == [None, f"bytes=100-{GROUPS * 32 - 1}"]
    # what got on begins to count anew
    assert all(0.5 <= pause <= 1.0 for pause in clock.pauses)
    assert len(clock.pauses) == 3


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(status=500), "answers 500 Internal Server Error"),
        (Fault(status=503, headers=(("Retry-After", "7"),)), "answers 503 Service Unavailable"),
        (Fault(status=429), "answers 429 Too Many Requests"),
        (Fault(then="die"), "the connection broke off"),
    ],
)
@pytest.mark.parametrize("file", ["manifest.json", "leaves.bin", "training.bin"])
def test_faults_that_pass_are_tried_again_and_those_that_stay_are_named(
    public: Path, root: bytes, got: Path, fault: Fault, said: str, file: str
) -> None:
    with Mirror(public) as bad, Mirror(public) as good:
        bad.faults = {file: [fault] * 2}
        clock = Clock()
        assert get(root, got, bad, clock=clock).notes == ()
        assert len(clock.pauses) == 2
        if fault.status == 503:
            assert clock.pauses == [7.0, 7.0]
        else:
            # the second waits twice as long
            assert 0.5 <= clock.pauses[0] <= 1.0 <= clock.pauses[1] <= 2.0
        bad.faults = {file: [fault] * 3}
        fetched = get(root, got.with_name("again"), bad, good)
        assert fetched.notes == (f"{bad.url}: {file}: {said}, 3 times",)
        assert bad.faults == {file: []}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(status=1, then="stall"), "no answer in time"),
        (Fault(after=10, then="stall"), "no answer in time"),
        (Fault(after=10, then="trickle"), "slower than 1000 bytes a second"),
    ],
)
def test_servers_that_stall_are_not_waited_for(public: Path, root: bytes, got: Path, fault: Fault, said: str) -> None:
    with Mirror(public) as mirror:
        mirror.faults = {"training.bin": [fault]}
        assert get(root, got, mirror).notes == ()
        mirror.faults = {"training.bin": [fault] * 3}
        with pytest.raises(
            PackageError, match=f"nothing could be fetched: {mirror.url}: training.bin: {said}, 3 times"
        ):
            get(root, got.with_name("again"), mirror)


def test_a_server_cannot_ask_for_an_hour(public: Path, root: bytes, got: Path) -> None:
    with Mirror(public) as mirror:
        mirror.faults = {"manifest.json": [Fault(status=503, headers=(("Retry-After", "3600"),))]}
        clock = Clock()
        get(root, got, mirror, clock=clock)
        assert clock.pauses == [30.0]


def test_an_interrupted_download_goes_on_at_another_time_and_place(public: Path, root: bytes, got: Path) -> None:
    with Mirror(public) as first, Mirror(public) as second:
        first.faults = {"training.bin": [Fault(after=20 * RECORD), *[Fault(status=500)] * 3]}
        with pytest.raises(
            PackageError,
            match=r"^17 of 37 groups are missing: \S+: training.bin: answers 500 Internal Server Error, 3 times; th",
        ):
            get(root, got, first)
        fetched = get(root, got, second)
        assert (fetched.kept, fetched.notes) == (20, ())
        assert second.ranges("training.bin") == [f"bytes={20 * RECORD}-{WHOLE - 1}"]
        assert second.ranges("leaves.bin") == []


@pytest.mark.parametrize("ranges_known", [True, False])
def test_wrong_groups_are_named_and_only_they_come_from_the_next_mirror(
    public: Path, root: bytes, got: Path, ranges_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "GAP", 0)
    with Mirror(public, change=flip(1, 20, 39)) as bad, Mirror(public, ranges_known=ranges_known) as good:
        fetched = get(root, got, bad, good)
        assert fetched.notes == tuple(f"{bad.url}: group {group} does not match the root" for group in (1, 20, 39))
        spans = [f"bytes={KEPT.index(g) * RECORD}-{(KEPT.index(g) + 1) * RECORD - 1}" for g in (1, 20, 39)]
        # one that knows no ranges sends everything: once from its beginning, where the first is, and once for the rest
        assert good.ranges("training.bin") == (spans if ranges_known else spans[:2])


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("training.bin", lambda c: c[:-1], f"has {WHOLE - 1} bytes, the manifest asks for {WHOLE}"),
        ("training.bin", lambda c: c + bytes(5), f"has {WHOLE + 5} bytes, the manifest asks for {WHOLE}"),
        ("leaves.bin", lambda c: c[:-1], "has 1311 bytes, the manifest asks for 1312"),
        ("leaves.bin", lambda c: c * 2, "has 2624 bytes, the manifest asks for 1312"),
    ],
)
def test_sizes_that_a_server_tells_are_checked_before_anything_is_read(
    public: Path, root: bytes, got: Path, file: str, change: Callable[[bytes], bytes], said: str
) -> None:
    with Mirror(public, change=lambda name, c: change(c) if name == file else c) as bad, Mirror(public) as good:
        assert get(root, got, bad, good).notes == (f"{bad.url}: {file} {said}",)
        assert len(bad.ranges(file)) == 1


def test_a_range_of_a_file_of_another_size_is_refused(public: Path, root: bytes, got: Path) -> None:
    with Mirror(public) as first, Mirror(public, change=lambda n, c: c[:-9] if n == "training.bin" else c) as second:
        first.faults = {"training.bin": [Fault(after=36 * RECORD + 100), *[Fault(status=404)]]}
        second.faults = {}
        with pytest.raises(
            PackageError, match=rf"{second.url}: training.bin has {WHOLE - 9} bytes, the manifest asks for"
        ):
            get(root, got, first, second)
        # nor of one that ends before the range begins
        second.change = lambda n, c: c[: 36 * RECORD] if n == "training.bin" else c
        with pytest.raises(PackageError, match=rf"training.bin has {36 * RECORD} bytes, the manifest asks for {WHOLE}"):
            get(root, got, second)


def test_a_body_that_ends_early_without_having_said_so_is_named_by_group(public: Path, root: bytes, got: Path) -> None:
    def cut(name: str, content: bytes) -> bytes:
        return content[: 3 * RECORD + 5] if name == "training.bin" else content

    # one that knows ranges tells the size that it has
    with (
        Mirror(public, lengths=False, ranges_known=False, change=cut) as bad,
        pytest.raises(PackageError, match=r"34 of 37 groups are missing: .*training.bin ends in group 4, 3 times;"),
    ):
        get(root, got, bad)
    with Mirror(public) as good:
        assert get(root, got, good).kept == 3


@pytest.mark.parametrize("file", ["manifest.json", "training.json", "leaves.bin", "training.bin"])
def test_a_body_without_end_is_not_read_to_its_end(public: Path, root: bytes, got: Path, file: str) -> None:
    """Of two files the size is not known before: they have a limit. Of the others no more is read than is due."""
    with Mirror(public, lengths=False) as bad, Mirror(public) as good:
        bad.faults = {file: [Fault(then="flood")] * 3}
        notes = get(root, got, bad, good).notes
        assert notes[-1].startswith(f"{bad.url}") or file == "leaves.bin"
        expected = {
            "manifest.json": "manifest.json has more than 1048576 bytes",
            "training.json": "training.json has more than 433 bytes",
            "leaves.bin": "leaves.bin: these leaves do not have root",
            "training.bin": "more than 16 groups are wrong",
        }[file]
        assert expected in notes[-1]


@pytest.mark.parametrize("location", ["/elsewhere/{root}/{file}", "{other}/{root}/{file}"])
def test_redirects_are_followed(public: Path, root: bytes, got: Path, location: str) -> None:
    with Mirror(public, prefix="/elsewhere/") as other, Mirror(public, prefix="/elsewhere/") as mirror:
        files = ("manifest.json", "training.json", "leaves.bin", "training.bin")
        for file in files:
            target = location.format(root=root.hex(), file=file, other=f"{other.url}/elsewhere")
            mirror.faults[file] = [Fault(status=302, headers=(("Location", target),), then="flood")]
        assert get(root, got, mirror).notes == ()


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("file:///etc/passwd", "redirects elsewhere: 'file:///etc/passwd' is no http(s) address"),
        ("ftp://host/x", "redirects elsewhere: 'ftp://host/x' is no http(s) address"),
        ("http://[", "redirects to 'http://[', which is no address"),
        ("", "answers 302 Found"),
        ("/loop", "redirects more than 5 times"),
    ],
)
def test_redirects_that_lead_nowhere_are_not(public: Path, root: bytes, got: Path, location: str, said: str) -> None:
    fault = Fault(status=302, headers=(("Location", location),) if location else ())
    with Mirror(public) as bad, Mirror(public) as good:
        bad.faults = {"manifest.json": [fault], "/loop": [fault] * 9}
        (note,) = get(root, got, bad, good).notes
        assert note.startswith(bad.url)
        assert note.endswith(said)


def test_compressed_answers_are_refused(public: Path, root: bytes, got: Path) -> None:
    class Squeezing(Mirror):
        def answer(self, to: Any, path: str, query: Any, fault: Fault | None) -> None:
            assert to.headers["Accept-Encoding"] == "identity"
            to.send_response(200)
            to.send_header("Content-Encoding", "gzip")
            to.send_header("Content-Length", "0")
            to.end_headers()

    with Squeezing(public) as bad, Mirror(public) as good:
        assert get(root, got, bad, good).notes == (
            f"{bad.url}: manifest.json: answers compressed, which nobody asked for",
        )


@pytest.mark.parametrize("span", [None, "bytes 0-9/14208", "bytes 1-2/9", "lines 1-2/3", "bytes 7680-9/*0"])
def test_an_answer_with_another_range_is_refused(public: Path, root: bytes, got: Path, span: str | None) -> None:
    with Mirror(public) as bad, Mirror(public) as good:
        bad.faults = {
            "training.bin": [
                Fault(after=20 * RECORD),
                Fault(status=206, headers=(("Content-Range", span),) if span else ()),
            ]
        }
        (note,) = get(root, got, bad, good).notes
        assert f"asked for bytes from {20 * RECORD} on, the answer is {span or 'without a range'!r}" in note


def test_a_server_that_is_not_there_is_named(public: Path, root: bytes, got: Path) -> None:
    with Mirror(public) as gone:
        pass
    with Mirror(public) as good:
        assert get(root, got, gone, good).notes == (f"{gone.url}: manifest.json: connection refused, 3 times",)
        unknown = "http://assay.invalid"
        (note,) = get(root, got.with_name("again"), unknown, good).notes
        assert note == f"{unknown}: manifest.json: no such host, 3 times"


def test_every_mirror_is_named_where_none_will_do(public: Path, root: bytes, got: Path) -> None:
    with Mirror(public, change=flip(20)) as first, Mirror(public, change=flip(20, 30)) as second:
        with pytest.raises(PackageError) as caught:
            get(root, got, first, second)
        message = str(caught.value)
        assert message.startswith("1 of 37 groups are missing: ")
        for mirror in (first, second):
            assert f"{mirror.url}: group 20 does not match the root" in message
        assert "group 30" not in message
        assert "\n" not in message
        assert not got.exists()


def test_what_a_stranger_writes_stays_one_short_line(public: Path, root: bytes, got: Path) -> None:
    def shout(name: str, content: bytes) -> bytes:
        return (
            content.replace(b'"table"', b'"\\u001b[2J' + b"x" * 5000 + b'\\n/"') if name == "manifest.json" else content
        )

    with Mirror(public, change=shout) as bad, Mirror(public) as good:
        (note,) = get(root, got, bad, good).notes
        assert len(note) == 298
        assert note.isprintable()
        assert note.startswith(f"{bad.url}/manifest.json: name: ")
        bad.faults = {"manifest.json": [Fault(status=404, reason="Not\x1b[2J\tFound\x9b\x85")]}
        (note,) = get(root, got.with_name("again"), bad, good).notes
        assert note == f"{bad.url}: manifest.json: answers 404 Not [2J Found"


def test_files_of_a_download_are_for_all_to_read(public: Path, root: bytes, got: Path) -> None:
    with Mirror(public) as mirror:
        get(root, got, mirror)
    assert {path.stat().st_mode & 0o777 for path in got.iterdir()} == {0o644}
    assert list(got.parent.iterdir()) == [got]
