"""Makes a failing case small: fewer samples, layers, neurons, inputs, and plain weights, as long as it still fails."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from fuzz.engine.networks import Case
from trainer.errors import AssayError
from trainer.integer import Network


def shrink(case: Case, fails: Callable[[Case], bool], *, blank: int = 0, tries: int = 2000) -> Case:
    """The smallest case that was found to fail, by taking the first smaller one again and again."""
    progress = True
    while progress and tries > 0:
        progress = False
        for smaller in candidates(case, blank):
            tries -= 1
            if tries <= 0:
                break
            try:
                failed = fails(smaller)
            except AssayError:
                continue
            if failed:
                case, progress = smaller, True
                break
    return case


def candidates(case: Case, blank: int = 0) -> Iterator[Case]:
    """Smaller cases, the smallest first; `blank` is the plainest weight."""
    count, network = len(case.samples), case.network
    for size in {1, count // 2, count - 1} - {0, count}:
        for start in (0, count - size):
            yield replace(case, samples=case.samples[start : start + size], mask=case.mask >> start & ((1 << size) - 1))
    if case.mask & (case.mask - 1):
        yield replace(case, mask=1 << case.mask.bit_length() - 1)
    for at, width in enumerate(network.widths):
        per = 8 // network.input_bits if at == 0 else 1
        for keep in sorted({per, width // 2 // per * per, width - per}):
            if 0 < keep < width:
                for part in (slice(0, keep), slice(width - keep, width)):
                    try:
                        yield cut(case, at, part)
                    except AssayError:
                        continue
    for number, layer in enumerate(network.layers):
        if layer.bias.any():
            yield _with(case, number, bias=np.zeros_like(layer.bias))
        if layer.shift:
            yield _with(case, number, shift=0)
        for half in (slice(None), slice(0, len(layer.weights) // 2), slice(len(layer.weights) // 2, None)):
            if (layer.weights[half] != blank).any():
                weights = layer.weights.copy()
                weights[half] = blank
                yield _with(case, number, weights=weights)
    if case.samples.any():
        yield replace(case, samples=np.zeros_like(case.samples))


def cut(case: Case, at: int, part: slice) -> Case:
    """Only some of the neurons of a width, 0 being the inputs."""
    layers = list(case.network.layers)
    if at < len(layers):
        layers[at] = replace(layers[at], weights=layers[at].weights[part])
    if at > 0:
        layers[at - 1] = replace(
            layers[at - 1], weights=layers[at - 1].weights[:, part], bias=layers[at - 1].bias[part]
        )
    samples = case.samples[:, part] if at == 0 else case.samples
    return replace(case, network=replace(case.network, layers=tuple(layers)), samples=samples)


def _with(case: Case, number: int, **changes: object) -> Case:
    layers = list(case.network.layers)
    layers[number] = replace(layers[number], **changes)
    return replace(case, network=replace(case.network, layers=tuple(layers)))


def describe(network: Network) -> str:
    """Its shape in a line."""
    bits = f"{network.input_bits}/{network.activation_bits}/{network.weight_bits} bits"
    return f"{'-'.join(map(str, network.widths))}, {bits}, shifts {[layer.shift for layer in network.layers[:-1]]}"
