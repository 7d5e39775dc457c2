"""The convolution engine for tests: on revm, as titanoboa's machine takes seconds for a sample, or on that one."""

from functools import cache

from fuzz.native import Image, Interpreted, Machine, Native, image
from trainer.chain import deploy_convolution_engine


@cache
def _image() -> Image:
    return image(deploy_convolution_engine)


def convolution_engine() -> Machine:
    """A deployed convolution engine on revm."""
    return Native(_image())


def slow_convolution_engine() -> Machine:
    """The same on titanoboa's machine."""
    return Interpreted(deploy_convolution_engine)
