"""One and two nodes of a Ray cluster on this machine: cost of a piece of work, throughput, a node killed in the middle.

Each node has one worker, ports and processes of its own. Two nodes of one machine share its processors, so throughput is
measured with work that waits, as for a file of slow storage, and takes no processor; handing out the work is measured alone.
With ``--clips`` the nodes measure phantoms as well, as `lvef measure --ray` does. That needs a processor for each node that
nothing else uses; two threads of one process without Ray show what the machine itself gives.

    python -m benchmarks.distributed [--pieces 40] [--wait 0.5] [--clips 60]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer

from benchmarks.ray_nodes import Nodes
from lvef.core.runner import Pool, run
from lvef.core.workers import ProcessPool, ThreadPool
from lvef.distributed.archive import find_archive, measure_archive, measure_clip
from lvef.distributed.pool import PoolOptions, RayPool, ray_pool
from lvef.measure.batch import load_measurer
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.stores.synthetic import synthesize
from lvef.stores.synthetic_files import VIDEOS
from lvef.stores.synthetic_sources import ClipOptions, PhantomSource, phantom_tasks

EMPTY = 300
"""Pieces of work that do nothing, for the cost of a piece."""


def nothing(piece: int) -> int:
    """Do nothing."""
    return piece


def wait(seconds: float, piece: int) -> int:
    """Take time, but no processor."""
    time.sleep(seconds)
    return piece


def failed(piece: int, error: Exception) -> int:
    """Mark a piece that failed."""
    return -1


def cost_of_piece(pool: Pool | None, pieces: int) -> tuple[float, float]:
    """Milliseconds for each piece of work that does nothing, and of this process's processor for it."""
    began, used = time.perf_counter(), time.process_time()
    done = run(range(pieces), nothing, on_error=failed, pool=pool, ordered=False)
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    assert [one.result for one in done] == list(range(pieces))
    return 1000 * seconds / pieces, 1000 * processor / pieces


def wait_for_workers(pool: RayPool, workers: int) -> None:
    """Wait until so many workers are ready."""
    until = time.monotonic() + 300
    while pool.ready < workers and time.monotonic() < until:
        pool.wait([pool.submit(partial(nothing, 0))])
        time.sleep(0.2)
    assert pool.ready == workers, f"{pool.ready} of {workers} workers started"


def pieces_a_second(pool: RayPool, workers: int, pieces: int, seconds: float) -> float:
    """Throughput of work that waits, once all workers are ready."""
    wait_for_workers(pool, workers)
    began = time.perf_counter()
    done = run(range(pieces), partial(wait, seconds), on_error=failed, pool=pool, ordered=False)
    assert [one.result for one in done] == list(range(pieces))
    return pieces / (time.perf_counter() - began)


def clips_a_second(clips: Path, out: Path, load: Callable[[], Measurer], pool: RayPool) -> float:
    """Throughput of `lvef measure --ray`, once all workers are ready, until the last row is written."""
    found = find_archive([clips])
    result = measure_archive(found, out, load, settings={}, pool=pool, job=str(pool.ready))
    assert set(result.counts) <= {"ok", "refused"}, result.counts
    return len(found) / result.seconds


def measure_clips(number: int) -> Iterator[dict[str, object]]:
    """Phantoms on one and two nodes, twice by turns, beside one and two processes without Ray."""
    load = partial(load_measurer, MeasureOptions(precision="f32", backend="openvino", threads=1))
    with TemporaryDirectory() as name:
        folder = Path(name)
        synthesize(PhantomSource(ClipOptions()), phantom_tasks(number, 1, "TEST"), folder / "made")
        clips = folder / "made" / VIDEOS
        rates: dict[str, list[float]] = {}
        for turn in range(2):
            for workers in (1, 2):
                rate = without_ray(clips, load, workers)
                rates.setdefault(f"{workers} processes without Ray", []).append(rate)
            with Nodes(processors=1) as nodes, ray_pool(PoolOptions(nodes.address), prepare=load) as pool:
                for count in (1, 2):
                    if count > 1:
                        nodes.add(processors=1)
                    wait_for_workers(pool, count)
                    rate = clips_a_second(clips, folder / f"out{turn}", load, pool)
                    rates.setdefault(f"{count} nodes", []).append(rate)
    for what, values in rates.items():
        yield {"what": f"clips a second, {what}", "value": max(values), "runs": values}
    for what in ("nodes", "processes without Ray"):
        efficiency = 100 * max(rates[f"2 {what}"]) / (2 * max(rates[f"1 {what}"]))
        yield {"what": f"efficiency of 2 {what}, %", "value": efficiency}


def without_ray(clips: Path, load: Callable[[], Measurer], workers: int) -> float:
    """Throughput of as many processes, each with its model loaded."""
    found = find_archive([clips])
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=load) as pool:
        # Long enough that each process gets one of them.
        list(pool.map(partial(wait, 3.0), range(workers)))
        began = time.perf_counter()
        outcomes = list(pool.map(partial(measure_clip, load), found))
        seconds = time.perf_counter() - began
    assert {outcome.status for outcome in outcomes} <= {"ok", "refused"}
    return len(found) / seconds


def measure(pieces: int, seconds: float) -> Iterator[dict[str, object]]:
    """Run all parts and yield what each found."""
    threads = [cost_of_piece(ThreadPool(1), EMPTY)[0] for _ in range(3)]
    yield {"what": "a piece in a thread, ms", "value": statistics.median(threads)}
    yield {"what": "a piece in a process, ms", "value": cost_of_piece(ProcessPool(1), EMPTY)[0]}
    with Nodes(processors=1) as nodes, ray_pool(PoolOptions(nodes.address)) as pool:
        rates = [pieces_a_second(pool, 1, pieces, seconds)]
        costs = [cost_of_piece(pool, EMPTY) for _ in range(3)]
        yield {"what": "a piece on a cluster, ms", "value": statistics.median(c[0] for c in costs)}
        yield {"what": "of it the command's processor, ms", "value": statistics.median(c[1] for c in costs)}
        second = nodes.add(processors=1)
        pairs = [pieces_a_second(pool, 2, 2 * pieces, seconds)]
        yield {"what": "pieces a second on 1 node", "value": rates[0], "ideal": 1 / seconds}
        yield {"what": "pieces a second on 2 nodes", "value": pairs[0], "ideal": 2 / seconds}
        yield {"what": "efficiency of 2 nodes, %", "value": 100 * pairs[0] / (2 * rates[0])}
        Timer(pieces * seconds / 4, nodes.kill, [second]).start()
        done = run(range(pieces), partial(wait, seconds), on_error=failed, pool=pool, ordered=False)
        right = [one.result for one in done] == list(range(pieces))
        yield {"what": "a node killed: all pieces once", "value": right, "lost workers": pool.lost}


def main() -> None:
    """Print what was found, a line each, as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pieces", type=int, default=40)
    parser.add_argument("--wait", type=float, default=0.5)
    parser.add_argument("--clips", type=int, default=0, help="phantoms to measure; without, none")
    arguments = parser.parse_args()
    print(
        json.dumps(
            {"what": "load of this machine", "value": os.getloadavg()[0], "processors": os.cpu_count()}
        )
    )
    parts = measure_clips(arguments.clips) if arguments.clips else ()
    for found in chain(measure(arguments.pieces, arguments.wait), parts):
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    # Workers import this module by its name, so its functions must not belong to __main__.
    from benchmarks import distributed

    distributed.main()
