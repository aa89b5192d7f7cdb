import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lvef.core.errors import DataError, GeometryError, QualityRefusal, WeightsError
from lvef.inference.catalogue import measuring_models
from lvef.io.open import sample_cine
from lvef.measure.options import MeasureOptions
from lvef.service.pool import WARM_UP
from lvef.service.settings import ServiceSettings
from lvef.service.worker import MAX_LOADED_MODELS, STEPS, Task, TaskResult, Worker, _memory_left_mb, do_task
from lvef.synthesis.phantom.render import sample_phantom
from tests.house import ROOT
from tests.waiting import wait_until

SETTINGS = ServiceSettings(threads=1, precision="f32")


@pytest.fixture(scope="module")
def worker():
    return Worker(SETTINGS)


def measure(path, name="clip.avi", **changes):
    options = MeasureOptions(threads=1, precision="f32", **changes)
    return Task(
        "measure",
        {"input_kind": "clip", "paths": [str(path)], "names": [name], "options": options},
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (QualityRefusal("no_fan", "x"), "no_fan"),
        (WeightsError("x"), "weights"),
        (GeometryError("x"), "not_possible"),
        (DataError("x"), "not_possible"),
        (MemoryError(), "too_large"),
        (ImportError("cv2.abi3.so: failed to map segment from shared object"), "too_large"),
        (ValueError("the secret"), "bug"),
    ],
)
def test_whatever_happens_there_is_a_reply(error, code):
    def work(task):
        raise error

    reply = do_task(work, Task("measure", {}))
    assert reply.code == code
    assert "secret" not in reply.message
    assert reply.message


def test_progress_grows_and_clips_are_left_out_where_none_is_wanted(worker, phantom_file):
    said = []
    worker.report = said.append
    task = measure(phantom_file)
    reply = worker(Task(task.kind, {**task.values, "keep_clips": False}))
    assert reply.status == "ok" and reply.clips == {}
    shares = [one.share for one in said]
    assert shares == sorted(shares) and 0 <= shares[0] <= shares[-1] <= 1
    assert {"reading", "tracing", "finding beats"} <= {one.doing for one in said} <= STEPS.keys()


def test_nothing_is_sent_anywhere(worker, phantom_file, no_network):
    reply = worker(measure(phantom_file))
    assert reply.status == "ok"
    drawn = worker(Task("draw", {"name": "summary.png", "files": reply.files, "clips": reply.clips}))
    assert drawn.files["summary.png"].startswith(b"\x89PNG")


def test_the_warm_up_is_a_measurement(worker, no_network):
    path = sample_cine()
    warm, told = worker(WARM_UP), worker(measure(path, str(path)))
    assert (warm.status, warm.code, list(warm.files)) == (told.status, told.code, list(told.files))
    assert warm.files["curve.csv"] == told.files["curve.csv"] and warm.clips == told.clips


@pytest.mark.slow
def test_after_the_warm_up_the_first_file_imports_nothing():
    done = subprocess.run([sys.executable, "-c", WARMED], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == ["ok", "partial_cycle", "new:"], done.stdout + done.stderr


WARMED = """
import multiprocessing, sys
from lvef.io import isolation
from lvef.io.open import sample_cine
from lvef.io.open import sample_cine
from lvef.measure.options import MeasureOptions
from lvef.service.pool import WARM_UP
from lvef.service.pool import WARM_UP
from lvef.service.settings import ServiceSettings
from lvef.service.worker import Task, Worker
isolation._possible = False  # as in a worker process
worker = Worker(ServiceSettings(threads=1, precision="f32"))
print("ok" if worker(WARM_UP).files else "nothing done")
before, path = set(sys.modules), str(sample_cine())
options = MeasureOptions(threads=1, precision="f32")
print(worker(Task("measure", {"input_kind": "clip", "paths": [path], "names": [path], "options": options})).status)
print("new:", *sorted(set(sys.modules) - before))
"""


def test_without_memory_there_is_no_warm_up(worker, monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("2147483648\n")
    (tmp_path / "memory.current").write_text("1610612736\n")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "memory.max").write_text("max\n")
    (tmp_path / "none" / "memory.current").write_text("1\n")
    monkeypatch.setattr("lvef.service.worker._control_groups", lambda: [tmp_path / "none", tmp_path])
    assert _memory_left_mb(0) <= 512
    assert _memory_left_mb(300) <= 300
    assert worker(WARM_UP) == TaskResult()


def test_a_contour_from_three_clicks(worker, phantom_file):
    reply = worker(measure(phantom_file))
    made = sample_phantom()
    frame = made.representative.ed_frame
    true = made.tracings[frame]
    values = {
        "part": "",
        "frame": frame,
        "apex": true.apex.tolist(),
        "annulus": true.mitral.tolist(),
        "clips": reply.clips,
        "options": MeasureOptions(threads=1, precision="f32"),
    }
    found = json.loads(worker(Task("resegment", values)).files["points.json"])
    assert found["by_model"]
    assert np.array(found["points"])[[7, 0, 14]] == pytest.approx(
        np.array([true.apex, *true.mitral]), abs=0.01
    )
    wrong = values | {
        "apex": true.mitral[0].tolist(),
        "annulus": [true.apex.tolist(), true.mitral[1].tolist()],
    }
    reply = do_task(worker, Task("resegment", wrong))
    assert (reply.code, "click the apex first" in reply.message) == ("not_possible", True)
    reply = do_task(worker, Task("resegment", values | {"part": "A2C"}))
    assert (reply.code, "measure it again" in reply.message) == ("not_possible", True)


@pytest.mark.parametrize("name", [m.name for m in measuring_models() if m.card.kind != "segmentation"])
def test_other_models_leave_three_clicks_to_the_segmentation_model(worker, name):
    options = MeasureOptions(weights=name, threads=1, precision="f32", second_opinion="auto")
    assert worker._segmentation(options).entry.name == MeasureOptions.weights


def test_networks_stay_loaded_but_not_all(worker, phantom_file):
    loaded = worker._measurer(MeasureOptions()).predictor
    assert worker._measurer(MeasureOptions(per_beat=False, ed_frame=1, es_frame=3)).predictor is loaded
    names = [entry.name for entry in measuring_models()]
    for name in names:
        worker._measurer(MeasureOptions(weights=name, threads=1))
    assert len(worker._loaded) <= MAX_LOADED_MODELS
    assert worker._measurer(MeasureOptions()).predictor is loaded
    assert worker(measure(phantom_file)).status == "ok"


def test_settings_do_not_leak_into_the_next_task(worker, phantom_file):
    by_hand = worker(measure(phantom_file, ed_frame=0, es_frame=15))
    assert by_hand.status == "partial_cycle"
    assert worker(measure(phantom_file)).status == "ok"


LIMITED = """
import sys
from lvef.service.worker import _limit_memory, _adjust_oom_score
import numpy as np
_adjust_oom_score()
_limit_memory(200)
small = np.ones(50 * 2**20, np.uint8)
try:
    np.ones(400 * 2**20, np.uint8)
except MemoryError:
    print("limited")
import resource
print(resource.getrlimit(resource.RLIMIT_CORE))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the data of a process")
def test_memory_is_limited():
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split("\n")[:2] == ["limited", "(0, 0)"]


def test_an_orphan_ends(tmp_path):
    # A service that is killed takes its workers with it, also one that is busy.
    code = f"""
import time
from pathlib import Path
from lvef.service.pool import Pool
from lvef.service.settings import ServiceSettings
from tests.service.fakes import FakeWorker
from tests.service.test_pool import Bench
if __name__ == "__main__":
    bench = Bench(Path({str(tmp_path)!r}))
    queued_task = bench.do("sleep")
    while queued_task.started is None:
        time.sleep(0.02)
    print(bench.pool._workers[0].process.pid, flush=True)
    time.sleep(600)
"""
    script = tmp_path / "service.py"
    script.write_text(code)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=env) as service:
        pid = int(service.stdout.readline())
        os.kill(pid, 0)
        service.kill()
    wait_until(lambda: is_gone(pid))


def is_gone(pid):
    try:
        # A process that ended without a parent that waits for it is a zombie in a container without init.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True
