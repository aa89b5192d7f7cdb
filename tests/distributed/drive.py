"""Measures a folder on a cluster, as `lvef measure --ray` does, with small parts; the test kills it."""

import sys
import time
from functools import partial
from pathlib import Path

from lvef.core.runner import Progress
from lvef.distributed.archive import find_archive, measure_archive
from lvef.distributed.pool import PoolOptions, ray_pool
from lvef.measure.batch import load_measurer
from lvef.measure.options import MeasureOptions


def slowed(seconds: float) -> None:
    """Load the model, and make every clip take longer: there must be time to kill something."""
    from lvef.distributed import archive

    measurer = load_measurer(OPTIONS)
    measure = type(measurer).measure

    def slow(self: object, path: Path) -> object:
        time.sleep(seconds)
        return measure(self, path)

    if not getattr(archive, "is_slowed", False):
        archive.is_slowed = True
        type(measurer).measure = slow


OPTIONS = MeasureOptions(precision="f32", backend="openvino", threads=1)


def main(address: str, clips: str, out: str, seconds: str) -> None:
    with ray_pool(PoolOptions(address), prepare=partial(slowed, float(seconds))) as pool:
        result = measure_archive(
            find_archive([clips]),
            out,
            partial(load_measurer, OPTIONS),
            settings={"of": "a test"},
            pool=pool,
            job="test",
            progress=Progress(),
            commit_rows=2,
            commit_s=1.0,
        )
    print(dict(result.counts), result.resumed, result.lost_workers, flush=True)


if __name__ == "__main__":
    from tests.distributed import drive

    drive.main(*sys.argv[1:])
