"""Arrays on several devices: a mesh of one axis, along which samples are split, while all else is on every device."""

from collections.abc import Sequence

import jax
import numpy as np
import numpy.typing as npt
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


def on_all(array: npt.ArrayLike, mesh: Mesh) -> jax.Array:
    """The array on every device of a mesh, of this host and of others, which all give the same."""
    # from the host's memory: made from an array on one device, its shards are such as orbax cannot save
    placed: jax.Array = jax.device_put(np.asarray(array), whole(mesh))
    return placed


def join(coordinator: str, hosts: int, host: int) -> None:
    """Make the devices of several hosts one set, before this process computes anything in JAX.

    coordinator: address of host 0 that the others reach, such as 10.0.0.1:1234.
    hosts, host: how many there are, and which one this is, from 0 on.
    """
    # accelerators have a network of their own; this is for CPUs
    jax.config.update("jax_cpu_collectives_implementation", "gloo")  # type: ignore[no-untyped-call]
    jax.distributed.initialize(coordinator_address=coordinator, num_processes=hosts, process_id=host)
