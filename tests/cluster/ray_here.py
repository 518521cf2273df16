"""A small Ray on this machine, this process its driver."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.ray_nodes import HEAD_IP, OBJECT_STORE, QUIET


@contextmanager
def ray_here(cpus: int) -> Iterator[None]:
    """Started, and ended with all its processes."""
    os.environ.update(QUIET)
    import ray

    ray.init(
        num_cpus=cpus,
        object_store_memory=OBJECT_STORE,
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address=HEAD_IP,
    )
    try:
        yield
    finally:
        ray.shutdown()
