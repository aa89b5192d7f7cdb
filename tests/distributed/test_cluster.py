"""Two nodes of a real Ray cluster on this machine, of which processes are killed."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from lvef.core.errors import DataError, OutputError
from lvef.core.runner import run
from lvef.core.workers import TimeLimitExceeded, WorkerLost

# Ray reads its variables when it is imported, so it is not imported before the nodes are there.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.filterwarnings("default"),
    pytest.mark.skipif(find_spec("ray") is None, reason="needs what make ray-env installs"),
]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def nodes():
    from benchmarks.ray_nodes import Nodes

    with Nodes(processors=1) as found:
        found.second = found.add(processors=1)
        yield found


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Twelve small phantoms, each a little different, and a file that is no video."""
    from lvef.io.avi import encode_motion_jpeg
    from lvef.synthesis.phantom.render import sample_phantom

    folder = tmp_path_factory.mktemp("clips")
    frames = sample_phantom().clip.frames[:60]
    for number in range(12):
        grey = np.clip(frames, number, 255).astype(np.uint8)
        (folder / f"clip{number:02}.avi").write_bytes(encode_motion_jpeg(grey, 50.0))
    (folder / "broken.avi").write_bytes(b"RIFF nothing else")
    return folder


def pool_on(nodes, **options):
    from lvef.distributed.pool import PoolOptions, ray_pool

    return ray_pool(PoolOptions(nodes.address, **options))


def say_error(item, error):
    return type(error).__name__


def square(item):
    return item * item


def misbehave(item):
    if item == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "hangs":
        time.sleep(600)
    if item == "raises":
        raise ValueError(item)
    if item == "greedy":
        held = bytearray(2_000_000_000)
        held[::4096] = b"1" * len(held[::4096])
        time.sleep(600)
    return item


def write_nothing(item):
    raise OutputError("the disk is full.")


def table_of(out):
    parts = sorted(Path(out).glob("job=*/part-*.parquet"))
    return pl.concat([pl.read_parquet(part) for part in parts])


def drive(nodes, clips, out, seconds):
    words = [
        sys.executable,
        str(Path(__file__).with_name("drive.py")),
        nodes.address,
        str(clips),
        str(out),
        str(seconds),
    ]
    return subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path()}
    )


def path():
    return os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])


def wait_for_rows(out, least, job):
    """Wait for as long as the job runs."""
    while job.poll() is None:
        parts = list(Path(out).glob("job=*/part-*.parquet"))
        if sum(len(pl.read_parquet(part, columns=["key"])) for part in parts) >= least:
            return
        time.sleep(0.1)
    raise AssertionError("nothing was committed")


def test_results_come_in_order_and_twice_from_one_pool(nodes):
    with pool_on(nodes) as pool:
        for _ in range(2):
            done = run(range(20), square, on_error=say_error, pool=pool)
            assert [one.result for one in done] == [n * n for n in range(20)]
        assert pool.most <= 4


def test_what_kills_its_worker_or_hangs_costs_only_itself(nodes):
    items = ["a", "dies", "b", "hangs", "c", "raises", "greedy", "d"]
    with pool_on(nodes, limit_s=20.0, memory_gb=1.0, attempts=2) as pool:
        done = run(items, misbehave, on_error=say_error, pool=pool, ordered=False)
        assert pool.lost >= 4
    lost, late = WorkerLost.__name__, TimeLimitExceeded.__name__
    assert [one.result for one in done] == ["a", lost, "b", late, "c", "ValueError", lost, "d"]


def test_an_output_that_cannot_be_written_ends_the_run(nodes):
    with pool_on(nodes) as pool, pytest.raises(OutputError, match="disk is full"):
        run(range(5), write_nothing, on_error=say_error, pool=pool)


def test_no_cluster_at_the_address_is_one_sentence():
    from benchmarks.ray_nodes import free_port
    from lvef.distributed.cluster import connected

    with pytest.raises(DataError, match="No Ray cluster answers at"), connected(f"127.0.0.1:{free_port()}"):
        pass


def test_a_cluster_of_this_machine_that_does_not_start_is_one_sentence(monkeypatch):
    from lvef.distributed import cluster

    def fail(*_):
        raise RuntimeError("a node did not start")

    monkeypatch.setattr(cluster, "_start", fail)
    with (
        pytest.raises(DataError, match="Ray did not start on this machine"),
        cluster.connected(cluster.LOCAL),
    ):
        pass


def test_the_driver_is_killed_and_the_same_command_resumes(nodes, clips, tmp_path):
    first = drive(nodes, clips, tmp_path, 1.0)
    wait_for_rows(tmp_path, 4, first)
    first.kill()
    first.communicate()
    held = len(table_of(tmp_path))
    assert 4 <= held < 13
    second = drive(nodes, clips, tmp_path, 0.0)
    said, _ = second.communicate(timeout=300)
    table = table_of(tmp_path)
    assert sorted(Path(name).name for name in table["path"]) == sorted(p.name for p in clips.iterdir())
    assert table.filter(pl.col("status") == "failed")["reason_code"].to_list() == ["unreadable"]
    assert f" {held} 0" in said or f" {held - 1} 0" in said
    job = json.loads((tmp_path / "job=test" / "job.json").read_text())
    assert job["complete"] and sum(job["counts"].values()) == 13


def test_two_nodes_and_plain_command_measure_alike(nodes, clips, tmp_path):
    from lvef.cli.main import main

    cli = CliRunner()
    plain = cli.invoke(
        main,
        [
            "measure",
            str(clips),
            "-o",
            str(tmp_path / "plain"),
            "--no-video",
            "--no-summary",
            "--threads",
            "1",
        ],
    )
    there = cli.invoke(
        main,
        [
            "measure",
            str(clips),
            "-o",
            str(tmp_path / "ray"),
            "--threads",
            "1",
            "--ray",
            nodes.address,
            "--json",
        ],
    )
    assert plain.exit_code == there.exit_code == 1
    assert json.loads(there.stdout)["clips"] == 13
    wanted = {
        Path(row["path"]).name: row
        for row in pl.read_csv(tmp_path / "plain" / "results.csv", infer_schema=False).to_dicts()
    }
    found = {Path(row["path"]).name: row for row in table_of(tmp_path / "ray").to_dicts()}
    assert wanted.keys() == found.keys()
    for name, row in wanted.items():
        for column, text in row.items():
            if column in ("folder", "seconds"):
                continue
            value = found[name][column]
            assert (
                (value or "") == (text or "") if isinstance(value, str) or not text else value == float(text)
            ), (name, column)
        document = json.loads(found[name]["measurement"])
        own = json.loads((tmp_path / "plain" / row["folder"] / "measurement.json").read_text())
        for one in (document, own):
            (one["provenance"] or {}).pop("seconds", None)
        assert document == own


def test_a_node_is_killed_and_every_clip_is_there_once(nodes, clips, tmp_path):
    job = drive(nodes, clips, tmp_path, 2.0)
    wait_for_rows(tmp_path, 2, job)
    assert nodes.kill(nodes.second) >= 2
    said, _ = job.communicate(timeout=400)
    table = table_of(tmp_path)
    assert sorted(Path(name).name for name in table["path"]) == sorted(p.name for p in clips.iterdir())
    assert table["status"].value_counts().sort("status").rows()[0] == ("failed", 1)
    assert said.split()[-1] == "1"
