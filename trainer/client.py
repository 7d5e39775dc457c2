"""A market as its users see it: one method a transaction, and what a bystander can rebuild from the logs alone."""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_hash.auto import keccak

from trainer.chain import AnyChain, Receipt
from trainer.errors import ChainError
from trainer.package import Group
from trainer.protocol import ETHER, Outcome, Phase, Terms, seal_hash
from trainer.shown import Holdout as Holdout
from trainer.shown import Unsealed as Unsealed
from trainer.steps import Steps

VALIDATE = keccak(b"validate(bytes,uint256,uint256,uint256)")[:4]
REGISTER = keccak(b"register(bytes)")[:4]


@dataclass(frozen=True, kw_only=True)
class Seal:
    """What a trainer must not lose: his model and its salt.

    model:    what is sealed.
    salt:     32 bytes, secret until the unsealing.
    segments: the files that a model in segments names, as secret as the salt; none for other models.
    """

    challenge: int
    trainer: str
    model: bytes
    salt: bytes
    segments: tuple[bytes, ...] = ()

    def save(self, directory: Path) -> None:
        """Write model and salt to a directory; called before the commit, which is worthless without them."""
        entries = {
            "challenge": self.challenge,
            "trainer": self.trainer,
            "salt": "0x" + self.salt.hex(),
            "segments": len(self.segments),
        }
        files = {f"segment-{number}.bin": segment for number, segment in enumerate(self.segments)}
        files |= {"model.bin": self.model, "seal.json": json.dumps(entries, indent=1).encode()}
        # whole or not there at all, also after a power cut: half a seal would block the account's only commit
        directory.parent.mkdir(parents=True, exist_ok=True)
        beside = directory.with_name(f".{directory.name}.part")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(mode=0o700)
        for name, content in files.items():
            with (beside / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        before = directory.with_name(f".{directory.name}.old")
        shutil.rmtree(before, ignore_errors=True)
        if directory.is_dir():
            directory.rename(before)
        beside.rename(directory)
        shutil.rmtree(before, ignore_errors=True)
        for parent in (directory, directory.parent):
            handle = os.open(parent, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)

    @classmethod
    def load(cls, directory: Path) -> "Seal":
        """Read what `save` wrote; raises `ChainError` if it is not whole."""
        try:
            entries = json.loads((directory / "seal.json").read_text())
            return cls(
                challenge=int(entries["challenge"]),
                trainer=str(entries["trainer"]),
                model=(directory / "model.bin").read_bytes(),
                salt=bytes.fromhex(entries["salt"].removeprefix("0x")),
                segments=tuple(
                    (directory / f"segment-{number}.bin").read_bytes() for number in range(int(entries["segments"]))
                ),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ChainError(f"{directory}: no complete seal there ({error}); restore it from a backup") from error


class MarketClient:
    """One market on one chain; every method sends one transaction and returns its receipt.

    On a chain behind a node each but `withdraw` is sent once: asked again, it gives the receipt of what was sent.
    """

    def __init__(self, chain: AnyChain, contract: Any, *, gas_limit: int | None = None) -> None:
        """Use the market contract deployed at `contract`.

        gas_limit: what every transaction asks for; None for plenty.
        """
        self.chain, self.contract, self.gas_limit = chain, contract, gas_limit
        self.events: list[Any] = []

    @property
    def address(self) -> str:
        """The market's address."""
        return str(self.contract.address)

    def _send(
        self,
        function: Any,
        *args: Any,
        sender: str,
        key: str | None,
        value: int = 0,
        result: Callable[[Any], Any] | None = None,
    ) -> Receipt:
        """Send one transaction.

        key:    what it means, below the market; the node's outbox sends nothing twice under one.
        result: what to return for the event that tells it, the last of the transaction's own.
        """
        receipt = self.chain.send(
            function,
            *args,
            sender=sender,
            value=value,
            gas_limit=self.gas_limit,
            key=None if key is None else f"{self.address}/{key}",
        )
        self.events.extend(receipt.events)
        # transactions return nothing: what they did is in their events
        # where it was only estimated there are none
        return receipt if result is None or not receipt.events else replace(receipt, result=result(receipt.events[-1]))

    # ── poster ──

    def post(self, terms: Terms, *, sender: str, key: str | None = None) -> Receipt:
        """Escrow reward and bond; returns the challenge's id.

        key: the post's own name, without which it is sent anew each time.
        """
        value = terms.reward + terms.poster_bond if terms.token == ETHER else 0
        key = None if key is None else f"post/{key}"
        return self._send(
            self.contract.post,
            terms.as_tuple(),
            sender=sender,
            key=key,
            value=value,
            result=lambda event: int(event.id),
        )

    def cancel(self, challenge: int, *, sender: str) -> Receipt:
        """Take a challenge back before its seed block."""
        return self._send(self.contract.cancel, challenge, sender=sender, key=f"cancel/{challenge}")

    def draw(self, challenge: int, *, sender: str) -> Receipt:
        """Draw the hold-out."""
        return self._send(self.contract.draw, challenge, sender=sender, key=f"draw/{challenge}")

    def reveal(self, challenge: int, group: Group, proof: Sequence[bytes], *, sender: str) -> Receipt:
        """Show one held-out group."""
        return self._send(
            self.contract.reveal,
            challenge,
            group.index,
            group.salt,
            group.labels,
            list(proof),
            group.samples,
            sender=sender,
            key=f"reveal/{challenge}/{group.index}",
        )

    # ── trainer ──

    def commit(self, seal: Seal) -> Receipt:
        """Seal a model; returns the seal's index.

        Raises `ChainError` if the challenge's engine refuses the model: its bond would be lost at the unsealing.
        """
        self.check_model(seal)
        terms = self.contract.terms_of(seal.challenge)
        value = terms.trainer_bond + terms.seal_fee if terms.token == ETHER else 0
        digest = seal_hash(
            chain_id=self.chain.chain_id,
            market=self.address,
            challenge=seal.challenge,
            trainer=seal.trainer,
            model=seal.model,
            salt=seal.salt,
        )
        return self._send(
            self.contract.commit,
            seal.challenge,
            digest,
            sender=seal.trainer,
            key=f"commit/{seal.challenge}",
            value=value,
            result=lambda event: int(event.seal),
        )

    def check_model(self, seal: Seal) -> None:
        """Raise `ChainError` for a model that the challenge's engine refuses."""
        terms = self.contract.terms_of(seal.challenge)
        if len(seal.model) > terms.model_bytes:
            raise ChainError(
                f"the model has {len(seal.model)} bytes, and the challenge takes {terms.model_bytes}; train a smaller "
                "network"
            )
        arguments = seal.model, terms.sample_bytes, terms.input_bits, terms.classes
        data = VALIDATE + encode(["bytes", "uint256", "uint256", "uint256"], arguments)
        said = self._refusal(seal, terms.engine, data)
        if said is not None:
            raise ChainError(
                f"the challenge's engine refuses the model ({said}); train for samples of {terms.sample_bytes} bytes, "
                f"{terms.input_bits} bits a feature, and {terms.classes} classes"
            )

    def _refusal(self, seal: Seal, address: str, data: bytes) -> str | None:
        """Why a call would revert once the seal's segments are registered; nothing of it stays, and nobody sees it."""
        engine = self.contract.terms_of(seal.challenge).engine
        asked = [(engine, REGISTER + encode(["bytes"], [segment])) for segment in seal.segments]
        return self.chain.refusal([*asked, (address, data)], sender=seal.trainer)

    def claim(self, challenge: int, score: int, *, sender: str) -> Receipt:
        """Claim a number of right answers."""
        return self._send(self.contract.claim, challenge, score, sender=sender, key=f"claim/{challenge}")

    def unseal(self, seal: Seal, predictions: Sequence[bytes]) -> Receipt:
        """Show the model and its predictions; a transaction before for each segment that is not registered.

        Raises `ChainError`, and shows no segment, where the market would refuse the model in the end.
        """
        arguments = seal.challenge, seal.salt, list(predictions), seal.model
        if seal.segments:
            data = bytes(self.contract.unseal.prepare_calldata(*arguments))
            said = self._refusal(seal, self.address, data)
            if said is not None:
                raise ChainError(f"the market would refuse the model ({said}); no segment was shown")
            steps = Steps(self.chain, self.contract.terms_of(seal.challenge).engine, gas_limit=self.gas_limit)
            for _ in steps.register(seal.segments, sender=seal.trainer):
                pass
        return self._send(self.contract.unseal, *arguments, sender=seal.trainer, key=f"unseal/{seal.challenge}")

    # ── anyone ──

    def audit(self, challenge: int, groups: Mapping[int, bytes], mask: int, shown: Unsealed, *, sender: str) -> Receipt:
        """Execute samples of up to 8 groups; returns whether the predictions are right.

        groups: packed samples by slot.
        mask:   bit i of the k-th group is bit k * samples + i.
        """
        return self._send(
            self.contract.audit,
            challenge,
            list(groups),
            mask,
            list(shown.predictions),
            len(shown.model),
            shown.model + b"".join(groups.values()),
            sender=sender,
            key=f"audit/{challenge}/{shown.seal}/{','.join(map(str, groups))}/{mask:x}",
            result=lambda event: type(event).__name__ == "Audited",
        )

    def nominate(self, challenge: int, seal: int, *, sender: str) -> Receipt:
        """Put a standing claim up."""
        # a seal may be put up again after another candidate fell: each round of nominations has its own end
        with self.chain.active():
            ends = self.contract.clock_of(challenge).ends
        key = f"nominate/{challenge}/{seal}/{ends}"
        return self._send(self.contract.nominate, challenge, seal, sender=sender, key=key)

    def settle(self, challenge: int, *, sender: str) -> Receipt:
        """Pay the reward."""
        return self._send(self.contract.settle, challenge, sender=sender, key=f"settle/{challenge}")

    def release(self, challenge: int, seal: int, *, sender: str) -> Receipt:
        """Free a seal's bond."""
        return self._send(self.contract.release, challenge, seal, sender=sender, key=f"release/{challenge}/{seal}")

    def withdraw(self, token: str, *, sender: str, key: str | None = None) -> Receipt:
        """Take a credit out; returns the amount.

        key: the withdrawal's own name, without which it is sent anew each time.
        """
        return self._send(
            self.contract.withdraw,
            token,
            sender,
            sender=sender,
            key=None if key is None else f"withdraw/{key}",
            result=lambda event: int(event.amount),
        )

    # ── views ──

    def phase(self, challenge: int) -> Phase:
        """The phase now."""
        return Phase(self.contract.clock_of(challenge).phase)

    def outcome(self, challenge: int) -> Outcome:
        """How a decided challenge ends."""
        return Outcome(self.contract.clock_of(challenge).outcome)

    def phase_ends(self, challenge: int) -> int:
        """First second after the present phase."""
        return int(self.contract.clock_of(challenge).ends)

    def key(self, challenge: int) -> bytes:
        """The key of the split, 32 bytes, once drawn."""
        return bytes(self.contract.challenge(challenge).key)

    def books(self, token: str) -> dict[str, int]:
        """The ledger's columns, and what the market really holds of ether."""
        return {
            "escrowed": int(self.contract.escrowed(token)),
            "credited": int(self.contract.credited(token)),
            "burned": int(self.contract.burned(token)),
            "held": self.chain.balance(self.address),
        }

    # ── what the logs tell ──

    def holdout(self, challenge: int) -> Holdout:
        """Every group revealed so far."""
        found = Holdout()
        for event in self._logged("Revealed", challenge):
            found.labels[event.slot] = bytes(event.labels)
            found.samples[event.slot] = bytes(event.samples)
        return found

    def unsealed(self, challenge: int) -> Unsealed:
        """The latest candidate's model and predictions."""
        events = self._logged("Unsealed", challenge)
        if not events:
            raise ChainError(f"challenge {challenge}: nobody has unsealed a model yet; wait for a candidate")
        last = events[-1]
        return Unsealed(
            seal=last.seal,
            score=last.score,
            model=bytes(last.model),
            predictions=tuple(bytes(word) for word in last.predictions),
            cost=last.cost,
        )

    def claims(self, challenge: int) -> dict[int, int]:
        """Score claimed by each seal."""
        return {event.seal: event.score for event in self._logged("Claimed", challenge)}

    def _logged(self, name: str, challenge: int) -> list[Any]:
        return [event for event in self.events if type(event).__name__ == name and event.id == challenge]


def demo_salt(seed: int, name: str) -> bytes:
    """A salt that anyone can repeat: for demonstrations only."""
    return keccak(b"assay demonstration seal %d %s" % (seed, name.encode()))
