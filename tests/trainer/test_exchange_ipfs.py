"""Publishing to an IPFS node, fetching from it and through a gateway, both imitated: no node was at hand."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.mirrors import Fault, Kubo, Mirror
from trainer.datasets import Dataset
from trainer.errors import PackageError
from trainer.exchange.fetch import Fetched, fetch
from trainer.exchange.ipfs import Node, find
from trainer.exchange.publish import publish
from trainer.exchange.web import Patience
from trainer.package import Package, build, load_training
from trainer.quantise import fit

HOLDOUT = frozenset({0, 5, 11, 40})
SIZE, GROUPS = 8, 41
RECORD = 64 + SIZE * 40
QUICK = Patience(timeout=1.0, attempts=3, pause=0)


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    rng = np.random.default_rng(1)
    rows = GROUPS * SIZE
    dataset = Dataset(
        name="table",
        features=rng.normal(size=(rows, 40)),
        labels=rng.integers(0, 3, rows, dtype=np.uint8),
        class_names=("a", "b", "c"),
    )
    build(dataset, fit(dataset, bits=8), group_size=SIZE, seed=7).save(tmp_path / "package")
    return tmp_path / "package"


def get(packed: Path, source: str, **ways: str | None) -> Fetched:
    root, got = Package.load(packed).root, packed.parent / "got"
    sources = find(source, root, QUICK, gateway=ways.get("gateway"), api=ways.get("api"))
    fetched = fetch(root, sources, got, patience=QUICK)
    assert len(load_training(got, root).groups) == GROUPS - len(HOLDOUT)
    return fetched


def test_what_is_added_to_a_node_comes_back_from_it(packed: Path) -> None:
    package = Package.load(packed)
    with Kubo() as kubo:
        done = publish(packed, HOLDOUT, Node(kubo.url, QUICK))
        assert re.fullmatch(r"ipfs://b[a-z2-7]{58}", done.source)
        assert kubo.queries[0] == {
            "wrap-with-directory": ["true"],
            "pin": ["true"],
            "cid-version": ["1"],
            "progress": ["false"],
        }
        path = f"/ipfs/{done.source[7:]}/{package.root.hex()}/"
        assert sorted(kubo.files) == [
            path + name for name in ("leaves.bin", "manifest.json", "training.bin", "training.json")
        ]
        assert sum(map(len, kubo.files.values())) == done.size
        everything = b"".join(kubo.files.values())
        for index in range(GROUPS):
            assert (package.group(index).samples in everything) == (index not in HOLDOUT)
            assert (package.group(index).salt in everything) == (index not in HOLDOUT)
        assert get(packed, done.source, api=kubo.url).notes == ()
        assert publish(packed, HOLDOUT, Node(kubo.url + "/", QUICK)).source == done.source


def test_other_held_out_groups_are_refused_on_a_node_too(packed: Path) -> None:
    with Kubo() as kubo:
        publish(packed, HOLDOUT, Node(kubo.url, QUICK))
        with pytest.raises(PackageError, match="was published with other held-out groups, 1 of which this would show"):
            publish(packed, HOLDOUT - {5} | {6}, Node(kubo.url, QUICK))
        assert len(kubo.files) == 4


def test_a_gateway_shows_what_a_node_has(packed: Path) -> None:
    with Kubo() as kubo:
        source = publish(packed, HOLDOUT, Node(kubo.url, QUICK)).source
        folder = packed.parent / "public"
        publish(packed, HOLDOUT, folder)
        with Mirror(folder, prefix=f"/ipfs/{source[7:]}/") as gateway:
            assert get(packed, source, gateway=gateway.url + "/").notes == ()
            assert all(path.startswith(f"/ipfs/{source[7:]}/") for _, path, _ in gateway.asked)


def test_a_node_that_lacks_it_is_named_and_the_gateway_is_used(packed: Path) -> None:
    folder = packed.parent / "public"
    publish(packed, HOLDOUT, folder)
    cid = "b" * 59
    with Kubo() as kubo, Mirror(folder, prefix=f"/ipfs/{cid}/") as gateway:
        (note,) = get(packed, f"ipfs://{cid}/", api=kubo.url, gateway=gateway.url).notes
        assert note.startswith(f"IPFS node {kubo.url}: /ipfs/{cid}/")
        assert note.endswith(f'manifest.json: no link named "manifest.json" under {cid}')
        # what is not there is not asked for again
        assert len(kubo.queries) == 1


def test_the_packages_own_address_is_a_source(packed: Path) -> None:
    with Kubo() as kubo:
        done = publish(packed, HOLDOUT, Node(kubo.url, QUICK))
        assert get(packed, f"{done.source}/{done.path}", api=kubo.url).notes == ()


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(after=3 * RECORD + 9), Fault(after=RECORD, then="stall")])
def test_a_node_that_breaks_off_is_asked_for_the_rest(packed: Path, fault: Fault) -> None:
    with Kubo() as kubo:
        source = publish(packed, HOLDOUT, Node(kubo.url, QUICK)).source
        kubo.queries.clear()
        calls: list[Any] = []

        def answer(to: Any, path: str, query: dict[str, list[str]], given: Fault | None) -> None:
            first = query["arg"][0].endswith("training.bin") and not calls
            if first:
                calls.append(query)
            if first and fault.status:
                to.rfile.read(int(to.headers.get("Content-Length") or 0))
                kubo.queries.append(query)
                kubo._error(to, 500, "context deadline exceeded")
                return
            Kubo.answer(kubo, to, path, query, fault if first else given)

        kubo.answer = answer
        assert get(packed, source, api=kubo.url).notes == ()
        asked = [query for query in kubo.queries if query["arg"][0].endswith("training.bin")]
        whole, done = 37 * RECORD, fault.after // RECORD * RECORD
        assert [(query["offset"], query["length"]) for query in asked] == [
            (["0"], [str(whole)]),
            ([str(done)], [str(whole - done)]),
        ]


def test_a_node_is_not_believed_either(packed: Path) -> None:
    with Kubo() as kubo, Kubo() as honest:
        source = publish(packed, HOLDOUT, Node(kubo.url, QUICK)).source
        assert publish(packed, HOLDOUT, Node(honest.url, QUICK)).source == source
        path = next(path for path in kubo.files if path.endswith("training.bin"))
        kubo.files[path] = kubo.files[path][:70] + b"?" + kubo.files[path][71:]
        with pytest.raises(
            PackageError, match=r"1 of 37 groups are missing: /ipfs/\S+ .IPFS node \S+: group 1 does not"
        ):
            get(packed, source, api=kubo.url)
        assert get(packed, source, api=honest.url).kept == 36
        kubo.files[path] = kubo.files[path][:-1]
        (packed.parent / "got").rename(packed.parent / "old")
        with pytest.raises(PackageError, match=rf"training.bin has {37 * RECORD - 1} bytes, the manifest asks for"):
            get(packed, source, api=kubo.url)


def drop(files: dict[str, bytes], lines: list[Any]) -> None:
    lines[:] = [line for line in lines if not line["Name"].endswith("training.bin")]


def alter(files: dict[str, bytes], lines: list[Any]) -> None:
    for name in files:
        files[name] = files[name][::-1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop, r"did not add [0-9a-f]{64}/training.bin; try again"),
        (lambda files, lines: lines.pop(), "did not add the directory; try again"),
        (lambda files, lines: lines[-1].update(Hash="../../x"), "did not add the directory; try again"),
        (lambda files, lines: lines.append({"Message": "disk\nfull", "Type": "error"}), "disk full"),
        (lambda files, lines: lines.extend([{"Name": "x" * 1000}] * 100), "its answer does not end"),
        (alter, "what it shows at ipfs://b.* is not what was added; try again"),
    ],
)
def test_an_answer_that_says_less_than_was_added_is_an_error(packed: Path, change: Any, said: str) -> None:
    with Kubo(change=change) as kubo, pytest.raises(PackageError, match=f"^IPFS node {kubo.url}: {said}$"):
        publish(packed, HOLDOUT, Node(kubo.url, QUICK))


def test_an_address_that_is_no_node_is_said(packed: Path) -> None:
    with (
        Mirror(packed) as web,
        pytest.raises(PackageError, match=f"^IPFS node {web.url}: answers 405 Method Not Allowed$"),
    ):
        publish(packed, HOLDOUT, Node(web.url, QUICK))
    with pytest.raises(PackageError, match=f"^IPFS node {web.url}: connection refused$"):
        publish(packed, HOLDOUT, Node(web.url, QUICK))
    with pytest.raises(PackageError, match="'localhost:5001' is no http"):
        Node("localhost:5001", QUICK)


def test_a_redirect_of_the_node_is_not_followed(packed: Path) -> None:
    with Kubo() as kubo, Kubo() as other:
        kubo.faults = {"add": [Fault(status=307, headers=(("Location", f"{other.url}/api/v0/add"),))]}
        with pytest.raises(PackageError, match="answers 307 Temporary Redirect$"):
            publish(packed, HOLDOUT, Node(kubo.url, QUICK))
        assert other.asked == []
