"""The poster: packs, posts, shows the training groups, and later the hold-out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eth_hash.auto import keccak

from trainer import split
from trainer.chain import Receipt
from trainer.errors import ChainError, PackageError
from trainer.files import write_file
from trainer.node.outbox import DONE
from trainer.package import Package
from trainer.protocol import Phase, Terms
from trainer.roles.desk import Desk
from trainer.roles.token import decimals as decimals

Told = Callable[[str, Receipt], None]
"""What to do with each transaction: a few words, and its receipt."""


@dataclass(frozen=True, kw_only=True)
class Posted:
    """A post that was sent: the challenge, and the first block in which it can be drawn.

    before: whether it had been sent before, so that nothing was sent now.
    """

    challenge: int
    seed_block: int
    receipt: Receipt
    before: bool = False


def post(desk: Desk, package: Path, terms: Terms, *, again: bool = False) -> Posted:
    """Post a package under terms, once; remembers which package belongs to the challenge.

    again: post the same terms a second time.
    """
    manifest = Package.load(package).manifest
    if terms.root != manifest.root:
        raise PackageError(f"{package} has root 0x{manifest.root.hex()}, and the terms another; make them anew")
    key, before = _key(terms) + (f"-{_times(desk, terms)}" if again else ""), not again and posted(desk, terms)
    receipt = desk.client.post(terms, sender=desk.me, key=key)
    if not receipt.events:
        return Posted(challenge=-1, seed_block=-1, receipt=receipt)
    challenge = int(receipt.result)
    remember(desk, challenge, package)
    seed_block = int(receipt.events[-1].seed_block)
    return Posted(challenge=challenge, seed_block=seed_block, receipt=receipt, before=before)


def posted(desk: Desk, terms: Terms) -> bool:
    """Whether the account posted these terms before."""
    record = desk.record(f"post/{_key(terms)}")
    return record is not None and record.state == DONE


def _times(desk: Desk, terms: Terms) -> int:
    """How often these terms were posted: what names the next time, and still does where that was cut off."""
    outbox, prefix = desk.chain.outbox_of(desk.me), f"{desk.address}/post/{_key(terms)}"
    return sum(record.key.startswith(prefix) and record.state == DONE for record in outbox.records())


def _key(terms: Terms) -> str:
    return f"{terms.root.hex()}-{hash_of(terms)}"


def hash_of(terms: Terms) -> str:
    """A short name for terms."""
    return str(keccak(repr(terms.as_tuple()).encode())[:8].hex())


def remember(desk: Desk, challenge: int, package: Path) -> None:
    """Write down where the package of a challenge is."""
    write_file(_note(desk, challenge), str(package.resolve()).encode())


def package_of(desk: Desk, challenge: int, named: Path | None = None) -> Path:
    """The package of a challenge: the one named, or the one remembered; raises `PackageError` for another root."""
    if named is None:
        note = _note(desk, challenge)
        if not note.is_file():
            raise PackageError(f"nobody posted challenge {challenge} from here; name its package with --package")
        named = Path(note.read_text())
    root, wanted = Package.load_manifest(named).root, desk.index.challenge(challenge).terms.root
    if root != wanted:
        raise PackageError(f"{named} has root 0x{root.hex()}, and challenge {challenge} 0x{wanted.hex()}")
    return named


def is_home(desk: Desk, challenge: int) -> bool:
    """Whether a challenge was posted from here."""
    return _note(desk, challenge).is_file()


def _note(desk: Desk, challenge: int) -> Path:
    directory = desk.directory / "posts"
    directory.mkdir(parents=True, exist_ok=True)
    return directory / f"{challenge}.txt"


def held_out(desk: Desk, challenge: int) -> list[int]:
    """The held-out groups by slot; raises `ChainError` before the draw."""
    found = desk.index.challenge(challenge)
    if found.key is None:
        raise ChainError(f"challenge {challenge} is not drawn yet; `trainer draw {challenge}`")
    return split.holdout(found.key, found.terms.groups, found.terms.holdout)


def reveal(desk: Desk, challenge: int, named: Path | None, told: Told) -> int:
    """Show every held-out group that was not shown yet; returns how many that were."""
    found = desk.require(challenge, Phase.REVEAL, "reveal")
    package, count = Package.load(package_of(desk, challenge, named)), 0
    shown = desk.index.holdout(challenge).labels
    for slot, index in enumerate(held_out(desk, challenge)):
        if slot in shown:
            continue
        receipt = desk.client.reveal(challenge, package.group(index), package.proof(index), sender=desk.me)
        count += 1
        told(f"group {index} as slot {slot}, {count} of {found.terms.holdout - len(shown)}", receipt)
    return count
