"""The connection to a Ray cluster, or one of this machine alone, without statistics, dashboard and others' output."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lvef.core.errors import ConfigError, DataError, MissingExtraError
from lvef.core.workers import available_processors, interrupts_blocked

LOCAL = "local"
"""Address that stands for a cluster of this machine alone, which ends with the command."""

STORE_BYTES = 128 * 2**20
"""Shared memory of a local cluster: only small results, or a few clips of frames, wait there."""

_QUIET = {
    # No statistics leave this machine, and Ray's advice about memory stays out of the terminal.
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextmanager
def connected(address: str, *, processors: int = 0) -> Iterator[Any]:
    """Connect to a cluster for the length of the block.

    Args:
        address: ``HOST:PORT`` of a cluster that runs, ``auto`` for the one that runs on this machine, or `LOCAL` for one
            that is started here and ends with the block.
        processors: Of a local cluster; 0 takes all that this process may use.

    Yields:
        The module ``ray``.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: It is no address.
        DataError: No cluster answers there.
    """
    os.environ.update(_QUIET)
    try:
        import ray
    except ImportError:
        raise MissingExtraError("Work on a cluster (--ray)", "ray") from None
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address == LOCAL:
        # With an address of its own: a cluster that runs on this machine already is not joined.
        settings |= {
            "address": "local",
            "num_cpus": processors or available_processors(),
            "object_store_memory": STORE_BYTES,
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
        }
    else:
        settings |= {"address": address}
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    try:
        with interrupts_blocked():
            ray.init(**settings)
    except ValueError:
        raise ConfigError(
            f"--ray {address} is no address of a cluster: give HOST:PORT, auto for the cluster of this machine, or no "
            "address for one that is started here."
        ) from None
    except (ConnectionError, RuntimeError, OSError, TimeoutError):
        raise DataError(
            f"No Ray cluster answers at {address}: start it (ray start --head), check the address, and that Ray and Python "
            "have the same version there; without an address one is started on this machine."
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()
