"""The binary engine for tests, called as the dense one is: on titanoboa's machine, or on one that is faster."""

from fuzz.engine.subject import BINARY_ENGINE, image_of
from fuzz.engine.subject import Engine as NativeEngine
from tests.contracts.engine_fixtures import Engine
from trainer.chain import deploy_binary_engine


class BinaryEngine(Engine):
    """A deployed binary engine."""

    def __init__(self) -> None:
        self.contract = deploy_binary_engine()


def native() -> NativeEngine:
    """The same on revm: networks that take minutes there take seconds here."""
    return NativeEngine(image_of(BINARY_ENGINE.name))
