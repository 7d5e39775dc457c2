"""The convolution engine for tests, on the machine that `pytest --backend` asks for."""

from functools import cache

from fuzz.backends import Revm, chosen
from fuzz.native import Image, Interpreted, Machine, Native, image
from trainer.chain import deploy_convolution_engine


@cache
def _image() -> Image:
    return image(deploy_convolution_engine)


def convolution_engine() -> Machine:
    """A deployed convolution engine."""
    return Native(_image()) if chosen() == Revm.name else Interpreted(deploy_convolution_engine)
