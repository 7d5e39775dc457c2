"""The binary engine for tests, called as the dense one is."""

from tests.contracts.engine_fixtures import Engine, deployer


class BinaryEngine(Engine):
    """A deployed binary engine."""

    def __init__(self) -> None:
        self.validator = deployer("BinaryValidator").deploy()
        self.contract = deployer("BinaryEngine").deploy(self.validator.address)
