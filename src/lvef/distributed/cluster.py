"""The connection to a Ray cluster, or one of this machine alone, without statistics, dashboard and others' output."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lvef.core.errors import ConfigError, DataError, MissingExtraError
from lvef.core.workers import available_processors, interrupts_blocked

LOCAL = "local"
"""Address that stands for a cluster of this machine alone, which ends with the command."""

STORE_BYTES = 128 * 2**20
"""Shared memory of a local cluster: only small results, or a few clips of frames, wait there."""

CONNECT_S = 20.0
"""How long a connection to a cluster may take."""

REPLY_S = 40.0
"""How long a cluster may take to reply, with the start of the process that sends the request."""

_REQUEST = "import sys, ray; ray._raylet.GcsClient(address=sys.argv[1]).get_all_node_info(timeout=20)"
_NULL = subprocess.DEVNULL

TRIES = 3
"""How often a local cluster is started."""

_QUIET = {
    # No statistics leave this machine.
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
    protect(is_local=address == LOCAL)
    try:
        import ray
    except ImportError:
        raise MissingExtraError("Work on a cluster (--ray)", "ray") from None
    # Where Ray was imported before, it has read its variables before; this is how it reads them anew itself.
    ray._raylet.Config.initialize("")
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
        _check_connection(address)
        _start(ray, settings)
    except ValueError:
        raise ConfigError(
            f"--ray {address} is no address of a cluster: give HOST:PORT, auto for the cluster of this machine, or no "
            "address for one that is started here."
        ) from None
    except Exception:  # noqa: BLE001  Ray raises plain exceptions where a node does not start
        if address == LOCAL:
            raise DataError(
                f"Ray did not start on this machine, tried {TRIES} times: it is busy or short of memory; give the same "
                "command again later, or leave out --ray."
            ) from None
        raise DataError(
            f"No Ray cluster answers at {address}: start it (ray start --head), check the address, that this machine is a "
            "node of it, and that Ray and Python have the same version there; without an address one is started here."
        ) from None
    # Ray would print about each worker that ends, on stdout, between the results; a log may name files.
    ray._private.worker._worker_logs_enabled = False
    try:
        yield ray
    finally:
        ray.shutdown()


def protect(*, is_local: bool) -> None:
    """Have processes prove that they belong to the cluster: otherwise anyone who reaches its ports could run programs there.

    A local cluster gets a token of its own, which no file keeps. Elsewhere the token of the cluster is used where the
    variable ``RAY_AUTH_TOKEN`` or ``RAY_AUTH_TOKEN_PATH`` has it.
    """
    if is_local and "RAY_AUTH_MODE" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    if {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def _check_connection(address: str) -> None:
    """See that a cluster answers at the address, in a process of its own: Ray itself would try for minutes, deaf to Ctrl-C.

    Raises:
        OSError: Nothing answers there, or something that is no cluster.
        ValueError: It is no address.
    """
    if address in (LOCAL, "auto"):
        return
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    words = [sys.executable, "-c", _REQUEST, address]
    try:
        subprocess.run(words, check=True, timeout=REPLY_S, stdin=_NULL, stdout=_NULL, stderr=_NULL)
    except subprocess.SubprocessError as error:
        raise ConnectionError(f"no cluster answers ({type(error).__name__})") from None


@contextmanager
def _handlers_kept(utils: Any) -> Iterator[None]:  # noqa: ANN401
    """Keep this program's handlers of stop signals: those of Ray print lines of their own, and end it by another code.

    A stop signal that another thread gets in this block takes effect after it.

    Args:
        utils: The module ``ray._private.utils``, which sets Ray's handler.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    received: list[int] = []
    of_ray, utils.set_sigterm_handler = utils.set_sigterm_handler, lambda _: None
    for number, handler in before.items():
        if callable(handler):
            signal.signal(number, lambda number, _: received.append(number))
    try:
        yield
    finally:
        utils.set_sigterm_handler = of_ray
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
        for number in received[:1]:
            signal.raise_signal(number)


def _start(ray: Any, settings: dict[str, Any]) -> None:  # noqa: ANN401
    """Connect, and again where a machine that is busy did not start its cluster within the 30 s that Ray waits."""
    for attempt in range(TRIES):
        try:
            with interrupts_blocked(), _handlers_kept(ray._private.utils):
                ray.init(**settings)
            return
        except ValueError:
            raise
        except Exception:
            ray.shutdown()
            if settings["address"] != "local" or attempt == TRIES - 1:
                raise
        except BaseException:  # a stop signal: the processes of the cluster must not outlive this one
            ray.shutdown()
            raise
