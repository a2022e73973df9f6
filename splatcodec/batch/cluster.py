"""Shards on a cluster: Ray hands each to one of its processes, and to another one if that dies."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from splatkernels.threads import limited

from ..errors import requires
from ..files import in_one_line
from .coders import FAULTS_OF_THE_MACHINE, fault_of
from .listing import Pair
from .run import Failure
from .shards import encode_shard
from .sidecar import Recipe

with requires("ray", "ray"):
    import ray
    from ray.exceptions import RayError

# Of a process that dies, or of its machine.
_RETRIES = 3


def encode_shards_on_ray(
    pairs: Sequence[Pair], recipe: Recipe, address: str | None = None, threads: int = 1
) -> Iterator[tuple[Pair, dict[str, Any] | Failure]]:
    """Encode shards side by side, the pictures of each one after the other.

    The files must be where all machines find them under the same names.

    Args:
        pairs: tar files, and what becomes of them.
        recipe: how they are made.
        address: of the cluster; that of RAY_ADDRESS, of one on this machine, or of a new one, if None.
        threads: cores that a shard takes.

    Yields:
        Them, as they are done, with what their sidecars say, or why they cannot be made.

    Raises:
        ConnectionError: there is no cluster at the address.
    """
    if not pairs:
        return
    begun = not ray.is_initialized()
    if begun:
        ray.init(address=address, logging_level=logging.WARNING, log_to_driver=False)
    encode: Any = ray.remote(num_cpus=threads, max_retries=_RETRIES)(_encode)
    waiting: dict[Any, Pair] = {}
    try:
        waiting |= {encode.remote(pair, recipe, threads): pair for pair in pairs}
        while waiting:
            (done,), _ = ray.wait(list(waiting))
            pair = waiting.pop(done)
            try:
                yield pair, ray.get(done)
            except RayError as error:
                yield pair, Failure(f"{in_one_line(str(pair.source))}: {fault_of(error)}")
    finally:
        # On a cluster that others have begun, they would go on for nobody.
        for left in waiting:
            ray.cancel(left, force=True)
        if begun:
            ray.shutdown()


def _encode(pair: Pair, recipe: Recipe, threads: int) -> dict[str, Any] | Failure:
    try:
        with limited(threads):
            return encode_shard(*pair, recipe)
    except (ValueError, *FAULTS_OF_THE_MACHINE) as error:
        return Failure(fault_of(error))
