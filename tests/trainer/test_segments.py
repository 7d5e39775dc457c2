"""Networks in segments: cutting changes no bit, and a file holds exactly one of them."""

import numpy as np
import pytest
from hypothesis import assume, given, settings

from tests.binary_strategies import binary_network
from tests.convolution_strategies import build, convolutional_networks, images, trunk_of
from trainer import convolution, integer, networks
from trainer.convolution import ConvolutionalNetwork, Trunk
from trainer.encode_segments import files_of, model_of, read, write
from trainer.errors import EncodingError, NetworkError
from trainer.integer import Network
from trainer.segments import MAX_SEGMENTS, SegmentedNetwork, cut, outputs, predict

RESIDUAL = build(
    (2, 8, 8),
    [{"outputs": 4}, {"outputs": 4}, {"outputs": 4, "skip": 1, "lift": 3}, {"outputs": 6, "halve": 1}, {"outputs": 6}],
    seed=3,
)


def short(layers: int, *, head: bool = False) -> SegmentedNetwork:
    """`RESIDUAL` in segments of at most so many layers; with `head`, what has classes is the head alone."""
    return cut(
        RESIDUAL,
        fits=lambda s: len(s.convolutions) <= layers and not (head and isinstance(s, ConvolutionalNetwork)),
    )


@pytest.mark.parametrize(("layers", "head", "sizes"), [(2, False, [1, 2, 2]), (3, True, [3, 2, 0]), (5, False, [5])])
def test_no_skip_leads_over_a_cut_and_no_bit_changes(layers: int, head: bool, sizes: list[int]) -> None:
    network, samples = short(layers, head=head), images(RESIDUAL, 12)
    assert [len(s.convolutions) if isinstance(s, Trunk) else 0 for s in network.segments] == sizes
    assert (predict(network, samples) == convolution.predict(RESIDUAL, samples)).all()
    assert (networks.predict_jax(network, samples) == convolution.predict(RESIDUAL, samples)).all()
    assert network.multiply_adds == RESIDUAL.multiply_adds
    assert len(set(predict(network, samples).tolist())) > 1


@settings(max_examples=25, deadline=None)
@given(network=convolutional_networks(max_side=8, max_layers=5))
def test_any_network_may_be_cut_wherever_it_can_be(network: ConvolutionalNetwork) -> None:
    found = [network.shapes[i] for i in range(1, len(network.shapes))]
    assume(all(np.prod(shape) * network.activation_bits % 8 == 0 for shape in found))
    parts = {}
    for most in (1, 2, 3):
        try:
            parts[most] = cut(network, fits=lambda s, most=most: len(s.convolutions) <= most)
        except EncodingError:
            continue  # a skip leads over more layers than that
    assume(parts)
    samples = images(network, 6)
    for part in parts.values():
        assert (predict(part, samples) == convolution.predict(network, samples)).all()


def test_a_head_on_its_own_sees_planes_as_a_trunk_gives_them() -> None:
    network, samples = short(3, head=True), images(RESIDUAL, 8)
    assert isinstance(network.last, Network)
    found = samples
    for trunk in network.trunks:
        found = outputs(trunk, found)
    assert (integer.logits(network.last, found) == convolution.logits(RESIDUAL, samples)).all()


def test_layers_that_do_not_fit_are_named() -> None:
    with pytest.raises(EncodingError, match="convolution 2 and those that skips tie to it fit no segment"):
        short(1)


def test_segments_must_fit_together() -> None:
    first, *rest = short(2).trunks
    with pytest.raises(NetworkError, match="segment 1 makes 256 numbers of 4 bits"):
        SegmentedNetwork(trunks=(first, first, *rest), last=short(2).last)
    square = build((4, 4, 4), [{"outputs": 4}])
    same = trunk_of(square)
    with pytest.raises(NetworkError, match="network has 17 segments"):
        SegmentedNetwork(trunks=(same,) * MAX_SEGMENTS, last=square)


def test_what_the_chain_would_not_run_is_refused() -> None:
    binary = binary_network((24, 3))
    with pytest.raises(NetworkError, match="weights of 1 bit"):
        SegmentedNetwork(trunks=(), last=binary)
    deep = build((2, 4, 4), [{"outputs": 2}] * 17)
    with pytest.raises(EncodingError, match="the network takes 17 segments; at most 16 make a model"):
        cut(deep, fits=lambda s: len(s.convolutions) <= 1)
    # a head of 123,452 bytes leaves no room for its 4,096 inputs: the last convolution stays with it, or nothing does
    wide = build((4, 32, 32), [{"outputs": 16}, {"outputs": 16}, {"outputs": 4}], bits=(4, 8, 8), classes=30)
    with pytest.raises(EncodingError, match="fit no segment"):
        networks.fitted(wide)


@pytest.mark.parametrize("head", [False, True])
def test_a_file_is_read_as_it_was_written(head: bool) -> None:
    data = write(short(3, head=head))
    assert networks.write(networks.read(data)) == data
    assert data.startswith(networks.model_of(networks.read(data)))


def test_every_spoilt_file_is_refused() -> None:
    data = write(short(3))
    rng = np.random.default_rng(0)
    for at in [*range(64), *rng.integers(64, len(data), 64)]:
        spoilt = bytearray(data)
        spoilt[at] ^= 1 << int(rng.integers(8))
        with pytest.raises(EncodingError):
            networks.read(bytes(spoilt))
    for short_ in (data[:31], data[:-1], data + b"\0", data[:32]):
        with pytest.raises(EncodingError):
            networks.read(short_)


def test_segments_of_a_file_must_fit_together() -> None:
    files = files_of(short(2))
    wrong = files[:1] + files
    with pytest.raises(EncodingError, match="segment 1 makes"):
        read(model_of(wrong) + b"".join(len(file).to_bytes(4) + file for file in wrong))


def test_a_network_is_cut_only_where_it_must_be() -> None:
    assert networks.fitted(RESIDUAL) is RESIDUAL
    wide = build((4, 32, 32), [{"outputs": 16}, {"outputs": 16}, {"outputs": 16, "halve": 1}], bound=2**13)
    found = networks.fitted(wide)
    assert isinstance(found, SegmentedNetwork)
    assert networks.shape(found) == "4x32x32-16x32x32-16x32x32-16x16x16|4096-3"
    # the head alone would have too many inputs
    wide = build((4, 32, 32), [{"outputs": 16}, {"outputs": 16}, {"outputs": 4}, {"outputs": 5}], bound=2**13)
    found = networks.fitted(wide)
    assert networks.shape(found) == "4x32x32-16x32x32-16x32x32-4x32x32|4x32x32-5x32x32-3"
    with pytest.raises(EncodingError, match="convolution 1 and those that skips tie to it fit no segment .*inside a b"):
        networks.fitted(build((1, 3, 3), [{"outputs": 1}], bits=(4, 4, 4)))
