"""Presets: a dataset, its quantisation and a recipe, with what to expect of them.

Accuracies are the integer network's on the official test set (digits: on the fixed fifth of `Dataset.split`), mean and
standard deviation of 3 seeds, each trained in less than a minute on 2 CPU cores (convolutional ones, and teachers, in
minutes, see there); the command of each preset repeats them. Recipes were chosen by their accuracy on validation rows,
never by the test set.
"""

from dataclasses import dataclass, replace
from typing import TypeVar

from trainer import quantise
from trainer.architecture import MAX_ACCUMULATOR_BITS, MIN_ACCUMULATOR_BITS, PERCENTILE, Architecture, Block
from trainer.convolution import ConvolutionalNetwork, Halve
from trainer.datasets import CIFAR_10, DIGITS, FASHION_MNIST, Dataset, Rows
from trainer.errors import DataError, NetworkError
from trainer.integer import BINARY, INPUT_BITS
from trainer.quantise import Quantiser

GENERIC = "mlp"
MAX_VIEW_SHIFT = 4

AnyRecipe = TypeVar("AnyRecipe", bound="Schedule")


def _check_muon(rate: float) -> None:
    if rate < 0:
        raise NetworkError(f"muon_rate is {rate}; use 0 or more")


@dataclass(frozen=True, kw_only=True)
class Views:
    """Images seen another way in every epoch, drawn by the run's key; construction raises `NetworkError` for none.

    mirrored: whether one half of them, drawn anew, is mirrored left to right.
    shift:    pixels of the image, before it is folded, by which it is moved at most, in either direction of both axes;
              what moves in is zero.
    """

    mirrored: bool = True
    shift: int = 0

    def __post_init__(self) -> None:
        if not (self.mirrored or self.shift) or not 0 <= self.shift <= MAX_VIEW_SHIFT:
            raise NetworkError(
                f"views mirrored {self.mirrored} and moved by {self.shift}; mirror, or move by 1 to {MAX_VIEW_SHIFT}"
            )


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A larger convolutional network in floats that is trained first, on finer pixels, and whose answers are learnt.

    It sees the rows that its pupil is trained on and no others. Its softmax takes `part` of the place of the labels in
    both phases of the pupil (Hinton et al., https://arxiv.org/abs/1503.02531). Construction raises `NetworkError` for
    one that would teach nothing.

    architecture: the image, as it is before pooling, and the convolutions; the engine's limits do not bind them.
    input_bits:   bits of a pixel.
    folded:       whether its images are folded, as `trainer.quantise` does it.
    views:        how else it sees images in training; its answers are those to the images as they are.
    muon_rate:    largest learning rate of Muon, as in `ConvolutionRecipe`; 0 for AdamW alone.
    """

    architecture: Architecture
    input_bits: int = 8
    folded: bool = False
    views: Views | None = None
    muon_rate: float = 0.0
    batch: int = 125
    epochs: int = 10
    rate: float = 3e-3
    decay: float = 0.03
    part: float = 0.5

    def __post_init__(self) -> None:
        _check_muon(self.muon_rate)
        if not (0 < self.part <= 1 and self.epochs > 0):
            raise NetworkError(
                f"a teacher of {self.epochs} epochs and part {self.part}; "
                "use 1 epoch or more, a part above 0 and up to 1"
            )


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Bits, epochs and rates: what training a dense network and training a convolutional one have in common.

    input_bits:         bits of a feature.
    activation_bits:    bits of a hidden activation.
    weight_bits:        bits of a weight; with 1, all bits are 1 and no epochs are in floats.
    batch:              rows a step.
    epochs:             epochs in floats.
    rate:               their largest learning rate, after 10 % of warm-up and before a cosine to 1 %.
    decay:              their weight decay.
    quantised_epochs:   epochs through the rounding; without weight decay.
    quantised_rate:     their largest learning rate, with the same schedule.
    validation:         part of the rows held back to choose an epoch by, 0 to 0.5.
    smoothing:          part of the labels that is spread evenly over all classes, 0 to below 1.
    teacher:            whom both phases learn from beside the labels; None for labels alone.
    """

    input_bits: int
    activation_bits: int
    weight_bits: int
    batch: int = 125
    epochs: int = 20
    rate: float = 3e-3
    decay: float = 0.03
    quantised_epochs: int = 30
    quantised_rate: float = 1e-3
    validation: float = 0.05
    smoothing: float = 0.0
    teacher: Teacher | None = None

    @property
    def all_epochs(self) -> int:
        """Epochs of a run: the teacher's, those in floats, those through the rounding."""
        return (self.teacher.epochs if self.teacher else 0) + self.epochs + self.quantised_epochs


@dataclass(frozen=True, kw_only=True)
class Recipe(Schedule):
    """Everything that decides the training of a dense network, but for the data and the seed.

    hidden: hidden widths; empty for a single layer.
    """

    hidden: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ConvolutionRecipe(Schedule):
    """The same for a convolutional network; construction raises `NetworkError` for bits that it cannot have.

    architecture:     the image and the convolutions.
    folded:           whether the image is a folded one, as `trainer.quantise` makes it.
    views:            how else images are seen in the epochs in floats; those through the rounding, which are fewer and
                      fit less, see them as they are.
    muon_rate:        largest learning rate of Muon (https://kellerjordan.github.io/posts/muon), which in floats moves
                      the kernels; Adam with Nesterov's momentum moves the rest, without decay. 0 for AdamW alone.
    accumulator_bits: bits of the lanes that sums have to fit in, 14 to 25: with fewer, rows of some widths take fewer
                      words, hence less gas, and sums stay within what those hold. 14 suits widths of 16 and 32, and 16
                      those of 14 and 28.
    percentile:       of a layer's positive values in floats, the one that its activations still hold, above 0 to 100:
                      what is lower clips more and rounds less.
    """

    architecture: Architecture
    folded: bool = False
    views: Views | None = None
    muon_rate: float = 0.0
    accumulator_bits: int = MAX_ACCUMULATOR_BITS
    percentile: float = PERCENTILE

    def __post_init__(self) -> None:
        if not MIN_ACCUMULATOR_BITS <= self.accumulator_bits <= MAX_ACCUMULATOR_BITS:
            raise NetworkError(
                f"accumulator_bits is {self.accumulator_bits}; use {MIN_ACCUMULATOR_BITS} to {MAX_ACCUMULATOR_BITS}"
            )
        if not 0 < self.percentile <= 100:
            raise NetworkError(f"percentile is {self.percentile}; use a number above 0, up to 100")
        _check_muon(self.muon_rate)
        self.blank(2)

    def blank(self, classes: int) -> ConvolutionalNetwork:
        """The network of zeros that training gives numbers to."""
        return self.architecture.blank(
            classes=classes,
            input_bits=self.input_bits,
            activation_bits=self.activation_bits,
            weight_bits=self.weight_bits,
        )


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named way to train.

    dataset:  the dataset it is made for; None for any.
    pooled:   whether images are halved to 2 x 2 sums.
    recipe:   shape, bits and schedule.
    expected: accuracy to expect, in words.
    """

    name: str
    dataset: str | None
    pooled: bool
    recipe: Recipe | ConvolutionRecipe
    expected: str

    @property
    def folded(self) -> bool:
        """Whether images are folded."""
        return isinstance(self.recipe, ConvolutionRecipe) and self.recipe.folded

    def quantiser(self, dataset: Dataset, *, rows: Rows | None = None) -> Quantiser:
        """How the dataset's features become those of the recipe.

        rows: the training rows, from which alone a table's ranges are taken; by default the dataset's own.
        """
        return quantise.fit(
            dataset,
            bits=self.recipe.input_bits,
            pooled=self.pooled,
            folded=self.folded,
            rows=dataset.split()[0] if rows is None else rows,
        )

    @property
    def command(self) -> str:
        """The command that repeats `expected`."""
        dataset = self.dataset or "table.csv"
        return f"trainer train --dataset {dataset} --preset {self.name} --seeds 3"


def _binary(name: str, hidden: int, *, expected: str) -> Preset:
    """Signs all the way. 784-128-10: 101,632 multiply-adds, 46,000 gas a sample; 784-256-10: 203,264, 89,000 gas.

    Half a minute of training. Of batches of 64 to 250 and rates of 0.005 to 0.02 these were best on validation rows.
    """
    recipe = Recipe(
        hidden=(hidden,),
        input_bits=1,
        activation_bits=1,
        weight_bits=1,
        epochs=0,
        quantised_rate=1e-2,
    )
    return Preset(name=name, dataset=FASHION_MNIST, pooled=False, recipe=recipe, expected=expected)


def _fashion(name: str, hidden: int, *, bits: int, pooled: bool, expected: str) -> Preset:
    recipe = Recipe(hidden=(hidden,), input_bits=bits, activation_bits=bits, weight_bits=bits)
    # four bits need many epochs through the rounding, eight bits few
    if bits == 4:
        recipe = replace(recipe, decay=0.3, quantised_epochs=100)
    else:
        recipe = replace(recipe, decay=0.3, rate=5e-3, quantised_epochs=8, quantised_rate=5e-4)
    return Preset(name=name, dataset=FASHION_MNIST, pooled=pooled, recipe=recipe, expected=expected)


FOLDED = (4, 14, 14)
"""Images of 28 x 28, folded: rows of 14 pixels take one word each."""
LENET = Architecture(image=(1, 28, 28), blocks=(Block(outputs=8, halve=Halve.MAX), Block(outputs=16, halve=Halve.MAX)))


def _lenet(*, expected: str) -> Preset:
    """Two convolutions of 3 x 3, to 8 and to 16 channels, each halved by its largest numbers: 290,080 multiply-adds.

    705,000 gas a sample. Three to four minutes of training on two busy CPU cores; no other recipe was tried.
    """
    recipe = ConvolutionRecipe(
        architecture=LENET,
        input_bits=4,
        activation_bits=4,
        weight_bits=4,
        accumulator_bits=16,
        epochs=12,
        quantised_epochs=20,
    )
    return Preset(name="fashion-lenet", dataset=FASHION_MNIST, pooled=False, recipe=recipe, expected=expected)


UNMEASURED = "not measured: no archive was at hand"


def _cifar_lenet() -> Preset:
    """32 x 32 pixels in colour; convolutions of 3 x 3 to 12 and 24 channels, each halved by its largest numbers.

    1,010,688 multiply-adds at 4 bits; `trainer evaluate --engine evm` says what a sample costs.
    """
    blocks = (Block(outputs=12, halve=Halve.MAX), Block(outputs=24, halve=Halve.MAX))
    return _cifar("cifar-lenet", blocks, epochs=20, quantised_epochs=30)


def _cifar_resnet() -> Preset:
    """20 layers of He et al. (https://arxiv.org/abs/1512.03385, section 4.2) at 4 bits, on chain in segments.

    47,638,528 multiply-adds, as planes are halved behind the convolution; one sample takes 7 steps and 64 M gas
    (`python -m bench.segments`). Where planes are halved the shortcut begins behind the first convolution, as what is
    added has its shape. Hours of training on two CPU cores: it wants an accelerator.
    """
    blocks = [Block(outputs=16)]
    for stage, outputs in enumerate((16, 32, 64)):
        for number in range(3):
            halves = stage > 0 and number == 0
            blocks.append(Block(outputs=outputs, halve=Halve.STRIDE if halves else Halve.NOT))
            # blocks count from 1, the sample is 0
            blocks.append(Block(outputs=outputs, skip=len(blocks) - (not halves)))
    blocks[-1] = replace(blocks[-1], halve=Halve.MEAN)
    return _cifar("cifar-resnet-20", tuple(blocks), epochs=100, quantised_epochs=60)


def _cifar(name: str, blocks: tuple[Block, ...], *, epochs: int, quantised_epochs: int) -> Preset:
    recipe = ConvolutionRecipe(
        architecture=Architecture(image=(3, 32, 32), blocks=blocks),
        input_bits=4,
        activation_bits=4,
        weight_bits=4,
        accumulator_bits=14,
        epochs=epochs,
        quantised_epochs=quantised_epochs,
    )
    return Preset(name=name, dataset=CIFAR_10, pooled=False, recipe=recipe, expected=UNMEASURED)


TEACHER = Teacher(
    architecture=Architecture(
        image=(1, 28, 28), blocks=(Block(outputs=16, halve=Halve.MAX), Block(outputs=32, halve=Halve.MAX))
    )
)
"""Two convolutions of 3 x 3 over all 28 x 28 pixels of 8 bits: 1.0 million multiply-adds."""


def _taught(name: str, *hidden: int, expected: str, bits: int = 4, smoothing: float = 0.0, epochs: int = 100) -> Preset:
    """14 x 14 pixels, with `TEACHER` beside the labels; wider networks get smoothed labels, too.

    | hidden  | bits | multiply-adds | gas a sample |
    |---------|------|---------------|--------------|
    | 28      | 4    | 5,768         | 14,333       |
    | 64      | 4    | 13,184        | 28,630       |
    | 112     | 4    | 23,072        | 48,183       |
    | 320     | 4    | 65,920        | 136,791      |
    | 320-128 | 8    | 104,960       | 398,168      |

    Less than a minute of training a seed, and 7 for its teacher, on two CPU cores that others shared.
    """
    recipe = Recipe(
        hidden=hidden,
        input_bits=bits,
        activation_bits=bits,
        weight_bits=bits,
        decay=0.3,
        quantised_epochs=epochs,
        smoothing=smoothing,
        teacher=TEACHER,
    )
    if bits == 8:
        recipe = replace(recipe, rate=5e-3, quantised_rate=5e-4)
    return Preset(name=name, dataset=FASHION_MNIST, pooled=True, recipe=recipe, expected=expected)


FOLDED_TEACHER = Teacher(
    architecture=Architecture(image=FOLDED, blocks=(Block(outputs=32, halve=Halve.MAX), Block(outputs=64))),
    folded=True,
    views=Views(shift=1),
    muon_rate=0.02,
    epochs=30,
)
"""Two convolutions of 3 x 3 over four planes of 14 x 14, to 32 and 64 channels: 1.2 million multiply-adds."""


def _lenet_taught(*, expected: str) -> Preset:
    """The convolutions of `fashion-lenet` with pixels of 8 bits, which cost no more gas, and `TEACHER`.

    290,080 multiply-adds, 704,932 gas a sample. 8 to 10 minutes of training a seed, and 7 for its teacher, on two CPU
    cores that others shared; no other recipe was tried.
    """
    recipe = ConvolutionRecipe(
        architecture=LENET,
        input_bits=8,
        activation_bits=4,
        weight_bits=4,
        accumulator_bits=16,
        epochs=10,
        quantised_epochs=10,
        teacher=TEACHER,
    )
    return Preset(name="fashion-lenet-taught", dataset=FASHION_MNIST, pooled=False, recipe=recipe, expected=expected)


def _folded(
    name: str,
    *blocks: Block,
    expected: str,
    activation_bits: int = 4,
    views: Views | None = None,
    epochs: int,
    quantised_epochs: int,
    part: float,
) -> Preset:
    """Convolutions over folded images of 8 bits, kernels moved by Muon, with `FOLDED_TEACHER`.

    | channels | bits (in/w/act) | multiply-adds | gas a sample |
    |----------|-----------------|---------------|--------------|
    | 8, 14    | 8/8/4           | 112,700       | 434,157      |
    | 10, 14   | 8/8/4           | 139,160       | 497,708      |
    | 32, 30   | 8/8/4           | 663,852       | 1,751,739    |
    | 48, 64   | 8/8/8           | 1,724,800     | 6,710,873    |

    The first convolution is halved by its largest numbers. Weights of 8 bits cost little more gas than those of 4, and
    lose less. On one CPU core a seed of the first three takes one and a half, two, and three and a half minutes, and
    the teacher 3; one of the last takes twelve or more on a core that others shared. That one is cut into two segments;
    60 epochs in floats for 20 took it from 93.3 to 94.2 % of the validation rows of seed 0, and 6 quantised epochs in
    place of 3 back to 94.0 %.
    """
    recipe = ConvolutionRecipe(
        architecture=Architecture(image=FOLDED, blocks=blocks),
        folded=True,
        views=views,
        muon_rate=0.02,
        input_bits=8,
        activation_bits=activation_bits,
        weight_bits=8,
        accumulator_bits=16 if activation_bits == 4 else MAX_ACCUMULATOR_BITS,
        percentile=98.0 if activation_bits == 4 else PERCENTILE,
        epochs=epochs,
        quantised_epochs=quantised_epochs,
        teacher=replace(FOLDED_TEACHER, part=part),
    )
    return Preset(name=name, dataset=FASHION_MNIST, pooled=False, recipe=recipe, expected=expected)


PRESETS = {
    preset.name: preset
    for preset in (
        _fashion("fashion-196-16", 16, bits=4, pooled=True, expected="85.1 % ± 0.3"),
        _fashion("fashion-196-32", 32, bits=4, pooled=True, expected="86.6 % ± 0.1"),
        _fashion("fashion-196-64", 64, bits=4, pooled=True, expected="88.1 % ± 0.2"),
        _fashion("fashion-784-64", 64, bits=8, pooled=False, expected="88.8 % ± 0.2"),
        _fashion("fashion-784-128", 128, bits=8, pooled=False, expected="89.6 % ± 0.1"),
        Preset(
            name="digits-64-32",
            dataset=DIGITS,
            pooled=False,
            recipe=Recipe(
                hidden=(32,),
                input_bits=4,
                activation_bits=4,
                weight_bits=4,
                batch=16,
                epochs=60,
                rate=1e-2,
                decay=0.1,
                quantised_epochs=60,
                quantised_rate=2e-3,
                # 1,438 rows are too few to hold any back
                validation=0.0,
            ),
            expected="99.3 % ± 0.1",
        ),
        _binary("fashion-784-128-binary", 128, expected="85.7 % ± 0.2"),
        _binary("fashion-784-256-binary", 256, expected="86.2 % ± 0.1"),
        _lenet(expected="89.4 % ± 0.1"),
        _taught("fashion-196-28-taught", 28, expected="86.5 % ± 0.1"),
        _taught("fashion-196-64-taught", 64, expected="88.2 % ± 0.1"),
        _taught("fashion-196-112-taught", 112, smoothing=0.1, expected="88.8 % ± 0.1"),
        _taught("fashion-196-320-taught", 320, smoothing=0.1, epochs=60, expected="89.7 % ± 0.1"),
        _taught("fashion-196-320-128-taught", 320, 128, bits=8, smoothing=0.1, epochs=10, expected="89.8 % ± 0.2"),
        _cifar_lenet(),
        _cifar_resnet(),
        _lenet_taught(expected="89.7 % ± 0.2"),
        _folded(
            "fashion-folded-8-14",
            Block(outputs=8, halve=Halve.MAX),
            Block(outputs=14),
            epochs=80,
            quantised_epochs=16,
            part=0.9,
            expected="90.2 % ± 0.1",
        ),
        _folded(
            "fashion-folded-10-14",
            Block(outputs=10, halve=Halve.MAX),
            Block(outputs=14),
            epochs=80,
            quantised_epochs=16,
            part=0.9,
            expected="90.3 % ± 0.1",
        ),
        _folded(
            "fashion-folded-32-30",
            Block(outputs=32, halve=Halve.MAX),
            Block(outputs=30),
            views=Views(shift=1),
            epochs=36,
            quantised_epochs=12,
            part=0.5,
            expected="92.1 % ± 0.1",
        ),
        _folded(
            "fashion-folded-48-64",
            Block(outputs=48, halve=Halve.MAX),
            Block(outputs=64),
            activation_bits=8,
            views=Views(shift=1),
            epochs=60,
            quantised_epochs=3,
            part=0.5,
            expected="93.1 % ± 0.1",
        ),
        Preset(
            name=GENERIC,
            dataset=None,
            pooled=False,
            recipe=Recipe(
                hidden=(32,),
                input_bits=8,
                activation_bits=8,
                weight_bits=8,
                batch=16,
                epochs=40,
                rate=1e-2,
                decay=0.1,
                validation=0.1,
            ),
            expected="depends on the data; choose the shape with --hidden and --bits",
        ),
    )
}
DEFAULTS = {FASHION_MNIST: "fashion-196-64", DIGITS: "digits-64-32"}
SHAPES = {FASHION_MNIST: (28, 28), DIGITS: (8, 8), CIFAR_10: (32, 32, 3)}


def find(name: str | None, dataset: str) -> Preset:
    """The preset of that name, by default the dataset's own; raises `DataError` if there is none or it does not fit."""
    preset = PRESETS.get(DEFAULTS.get(dataset, GENERIC) if name is None else name)
    if preset is None:
        raise DataError(f"no preset {name!r}; use one of {', '.join(PRESETS)}")
    if preset.dataset not in (None, dataset):
        raise DataError(f"preset {preset.name} is for {preset.dataset}, not for {dataset}; use {GENERIC}")
    return preset


def find_for_package(name: str | None, dataset: str, quantiser: Quantiser) -> Preset:
    """The preset of that name, by default the first that fits the features of a package.

    dataset: as the manifest calls itself, which may be anything: the image must have the shape of that dataset, too.
    """
    fitting = {
        preset.name: preset
        for preset in sorted(PRESETS.values(), key=lambda preset: preset.name != DEFAULTS.get(dataset))
        # a package has no finer pixels for a teacher
        if preset.recipe.teacher is None
        if preset.dataset is None
        or (preset.dataset, SHAPES[preset.dataset], preset.pooled, preset.folded)
        == (dataset, quantiser.image_shape, quantiser.pooled, quantiser.folded)
    }
    if name is None:
        return next(iter(fitting.values()))
    if name in PRESETS and name not in fitting:
        raise DataError(f"preset {name} does not fit the features of this package; use one of {', '.join(fitting)}")
    return find(name, dataset)


def adapt(
    preset: Preset, *, hidden: tuple[int, ...] | None = None, bits: int | None = None, input_bits: int | None = None
) -> Preset:
    """The preset with other hidden widths and other bits.

    bits:       of inputs, activations and weights alike; weights have at least 2, those of convolutions 4.
    input_bits: of the inputs, where they are given.

    Raises `DataError` for other bits of a preset that has 1 everywhere, and for hidden widths of a convolutional one.
    """
    recipe = preset.recipe
    if isinstance(recipe, ConvolutionRecipe):
        if hidden is not None:
            raise DataError(f"preset {preset.name} is convolutional, without hidden widths; use another preset")
        return replace(preset, recipe=_with_bits(recipe, bits, input_bits, least=4))
    if recipe.weight_bits == BINARY:
        if {bits, input_bits} - {None, 1}:
            raise DataError(f"preset {preset.name} has 1 bit everywhere; use another preset, or features of 1 bit")
        bits = input_bits = None
    if hidden is not None:
        recipe = replace(recipe, hidden=hidden)
    return replace(preset, recipe=_with_bits(recipe, bits, input_bits, least=2))


def _with_bits(recipe: AnyRecipe, bits: int | None, input_bits: int | None, *, least: int) -> AnyRecipe:
    """The recipe with other bits, of weights `least` or more."""
    if bits is not None:
        if bits not in INPUT_BITS:
            raise DataError(f"{bits} bits; use one of {INPUT_BITS}")
        recipe = replace(recipe, input_bits=bits, activation_bits=bits, weight_bits=max(bits, least))
    if input_bits is not None:
        recipe = replace(recipe, input_bits=input_bits)
    return recipe
