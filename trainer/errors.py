"""The error tree: everything a user can cause is an `AssayError`; the command line prints it without a traceback.

AssayError
├── DataError       a file or a feature that cannot be used
├── PackageError    a dataset package that does not match its root
├── NetworkError    an integer network outside the specification
├── EncodingError   bytes that are not a canonical model
└── ChainError      a refused transaction or an unexpected chain state
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
