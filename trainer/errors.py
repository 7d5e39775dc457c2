"""The error tree: everything a user can cause is an `AssayError`; the command line prints it without a traceback.

AssayError
├── DataError       a file or a feature that cannot be used
├── PackageError    a dataset package that does not match its root
├── NetworkError    an integer network outside the specification
├── EncodingError   bytes that are not a canonical model
├── NodeError       a node that cannot be reached, or that answers what it should not
│   └── RpcError    an error that a node names
└── ChainError      a refused transaction or an unexpected chain state
    └── Reverted    a transaction or a call that a contract refuses

`trainer.ending.Unfinished`, of work that was asked to end, is one, too.
"""


class AssayError(Exception):
    """Base of every error a user can cause; the message names the value and the remedy."""


class DataError(AssayError):
    """A dataset file, feature or label that cannot be used."""


class PackageError(AssayError):
    """A dataset package that is incomplete or does not match its Merkle root."""


class NetworkError(AssayError):
    """An integer network whose shapes, ranges or bounds violate the specification."""


class EncodingError(AssayError):
    """A byte string that is not the canonical encoding of any network."""


class ChainError(AssayError):
    """A transaction that was refused, or a chain in an unexpected state."""


class Reverted(ChainError):
    """A call that a contract refuses; `reason` is what it says, empty if it says nothing."""

    def __init__(self, reason: str, told: str | None = None) -> None:
        """`told` is the message, by default the reason."""
        super().__init__(told or f"the contract refuses: {reason or 'no reason given'}")
        self.reason = reason


class NodeError(AssayError):
    """A node that cannot be reached, or that answers what it should not."""


class RpcError(NodeError):
    """An error that a node names: `code` and `data` as JSON-RPC has them."""

    def __init__(self, method: str, code: int, message: str, data: object = None) -> None:
        """Keep what the node said."""
        super().__init__(f"the node refuses {method}: {message} (code {code})")
        self.code, self.said, self.data = code, message, data
