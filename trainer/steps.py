"""The steps of a network in segments on chain: what registers it, and what an auditor carries on with."""

from collections.abc import Iterator, Sequence
from typing import Any

from eth_hash.auto import keccak

from trainer.chain import AnyChain, Receipt
from trainer.encode import pack_samples
from trainer.encode_segments import files_of
from trainer.integer import Uint8
from trainer.segments import SegmentedNetwork, outputs

EMPTY = bytes(32)


class Steps:
    """A contract that runs segments; every method sends transactions, as they are asked for."""

    def __init__(self, chain: AnyChain, address: str, *, gas_limit: int | None = None) -> None:
        """Use the `SegmentedEngine` deployed at `address`.

        gas_limit: what every transaction asks for; None for plenty.
        """
        self.chain, self.gas_limit = chain, gas_limit
        self.engine = chain.contract("SegmentedEngine", address)

    def register(self, files: Sequence[bytes], *, sender: str) -> Iterator[Receipt]:
        """Register the segments that are not yet, one transaction each. Whoever unseals their model must have."""
        for file in files:
            if not self.engine.segment_of(keccak(file)).gas:
                yield self._send(self.engine.register, file, sender=sender, key=f"register/{keccak(file).hex()}")

    def run(self, network: SegmentedNetwork, sample: Uint8, *, sender: str) -> Iterator[Receipt]:
        """Take the steps of one sample that nobody has taken; after the last one the engine knows its class.

        sample: uint8, shape (inputs,).
        """
        *files, last = files_of(network)
        found = sample[None]
        for trunk, file in zip(network.trunks, files, strict=True):
            yield from self._step(file, pack_samples(found, trunk.input_bits), sender)
            found = outputs(trunk, found)
        yield from self._step(last, pack_samples(found, network.last.input_bits), sender)

    def _step(self, file: bytes, packed: bytes, sender: str) -> Iterator[Receipt]:
        if bytes(self.engine.output_of(keccak(file), keccak(packed))) == EMPTY:
            key = f"step/{keccak(file).hex()}/{keccak(packed).hex()}"
            yield self._send(self.engine.step, file + packed, len(file), sender=sender, key=key)

    def _send(self, function: Any, *args: Any, sender: str, key: str) -> Receipt:
        key = f"{self.engine.address}/{key}"
        return self.chain.send(function, *args, sender=sender, gas_limit=self.gas_limit, key=key)
