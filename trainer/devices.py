"""Arrays on several devices: a mesh of one axis, along which samples are split, while all else is on every device."""

from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "samples"


def mesh_of(devices: Sequence[jax.Device]) -> Mesh:
    """A mesh of these devices, in their order."""
    return Mesh(np.array(devices), (AXIS,))


def split(mesh: Mesh) -> NamedSharding:
    """The first axis of an array in equal parts, one a device."""
    return NamedSharding(mesh, PartitionSpec(AXIS))  # type: ignore[no-untyped-call]


def whole(mesh: Mesh) -> NamedSharding:
    """A copy of the array on every device."""
    return NamedSharding(mesh, PartitionSpec())  # type: ignore[no-untyped-call]
