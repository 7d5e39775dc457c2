"""Fetch Fashion-MNIST from the Debian archive: `apt-get download` and `dpkg -x`, neither of which needs root."""

import contextlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from trainer.datasets import FASHION_DIRECTORY, fashion_mnist
from trainer.errors import DataError
from trainer.files import check_directory

PACKAGE = "dataset-fashion-mnist"
INSIDE = Path("usr/share/datasets/fashion-mnist")
REMEDY = "or put the four idx files into a directory and name it with --data"


def fetch(directory: Path = FASHION_DIRECTORY) -> Path:
    """Fill `directory` with the four idx files, unless they are there; returns it.

    Raises `DataError` without apt, without a network, or if the package does not hold what it should.
    """
    if directory.exists():
        fashion_mnist(directory)
        return directory
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise DataError(f"{tool} is missing: fetching takes a Debian system; {REMEDY}")
    check_directory(directory.parent)
    missing = [folder for folder in directory.parents if not folder.exists()]
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=directory.parent) as name:
            work = Path(name).resolve()
            _download(work)
            package = next(work.glob(f"{PACKAGE}_*.deb"))
            _run(["dpkg", "-x", str(package), str(work / "unpacked")], work)
            found = work / "unpacked" / INSIDE
            fashion_mnist(found)
            found.replace(directory)
    except BaseException:
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    return directory


def _download(work: Path) -> None:
    """Download the package with the system's lists, else with lists of our own."""
    download = ["download", "-o", "APT::Sandbox::User=", PACKAGE]
    try:
        _run(["apt-get", *download], work)
    except DataError:
        own = ["-o", f"Dir::State::Lists={work}/lists", "-o", f"Dir::Cache={work}/cache"]
        for folder in ("lists/partial", "cache/archives/partial"):
            (work / folder).mkdir(parents=True)
        _run(["apt-get", "update", "-o", "APT::Sandbox::User=", *own], work)
        _run(["apt-get", *download, *own], work)


def _run(command: list[str], work: Path) -> None:
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise DataError(f"`{' '.join(command[:2])}` failed: {said}; check the network, {REMEDY}")
