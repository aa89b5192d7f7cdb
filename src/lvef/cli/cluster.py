"""``--ray``: the same commands on the workers of a Ray cluster."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from lvef.cli.options import Number, combine

if TYPE_CHECKING:
    from lvef.distributed.pool import RayPool

F = TypeVar("F", bound=Callable[..., Any])

LOCAL = "local"
"""Address without one: a cluster that is started here. `lvef.distributed.cluster.LOCAL` has it too."""

MEMORY_GB = 4.0
"""Default of ``--worker-memory``; `lvef.distributed.pool.MEMORY_GB` has it too."""

SECTION = ("ray", "worker_memory", "job")
"""Options of the heading "Cluster"."""


def _address(ctx: click.Context, param: click.Parameter, ray: str | None) -> str | None:
    """The address; refuses a file that was taken for it, before anything says that the file is missing."""
    if ray is not None and not re.fullmatch(rf"{LOCAL}|auto|(\[[0-9A-Fa-f:.%]+\]|[\w.-]+):\d{{1,5}}", ray):
        from lvef.core.serialization import printable

        raise click.UsageError(
            f"--ray took {printable(ray)} as the address of a cluster: write --ray after the files, or give HOST:PORT or "
            "auto."
        )
    return ray


ray_options = combine(
    click.option(
        "--ray",
        is_flag=False,
        flag_value=LOCAL,
        metavar="[ADDRESS]",
        callback=_address,
        help="Work on a Ray cluster: HOST:PORT, auto for the one of this machine, or none for one that is started here. "
        "Write it after the files.",
    ),
    click.option(
        "--worker-memory",
        type=Number(min=0),
        default=MEMORY_GB,
        show_default=True,
        metavar="GB",
        help="With --ray: end a worker that holds more, and try its file again. 0: never.",
    ),
)
"""Options of commands that run on a cluster; `ray_pool` takes their values."""


def check_cluster_options(ctx: click.Context) -> None:
    """Refuse options of a cluster that are given on the command line without one.

    Raises:
        UsageError: There is one.
    """
    for name in SECTION[1:]:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = "--" + name.replace("_", "-")
            raise click.UsageError(f"{option} belongs to --ray: give both, or leave it out.")


@contextmanager
def ray_pool(
    ray: str | None,
    worker_memory: float,
    *,
    workers: int = 0,
    threads: int = 1,
    limit_s: float = 0.0,
    prepare: Callable[[], object] | None = None,
) -> Iterator[RayPool | None]:
    """The pool that ``--ray`` asks for, connected for the length of the block; None where it was not given."""
    if ray is None:
        if context := click.get_current_context(silent=True):
            check_cluster_options(context)
        yield None
        return
    from lvef.distributed import pool

    options = pool.PoolOptions(ray, workers, max(threads, 1), worker_memory, limit_s)
    with pool.ray_pool(options, prepare=prepare) as found:
        yield found
