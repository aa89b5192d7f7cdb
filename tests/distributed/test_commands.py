"""Commands with ``--ray``: they are killed, resumed, and lose a worker; the outputs are those of the plain command."""

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

from tests.faults.commands import PHANTOMS, SMALL_PHANTOMS, contents
from tests.faults.processes import COMMAND, HOOK, end_all, left_after, session
from tests.faults.processes import start as start_alone
from tests.house import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.filterwarnings("default"),
    pytest.mark.skipif(find_spec("ray") is None, reason="needs what make ray-env installs"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc"),
]

CLIPS = 10
PATH = os.pathsep.join([str(ROOT / "src"), str(ROOT), *filter(None, sys.path)])

COMMANDS = {
    "clips": lambda inputs, out: ("data", "prepare", "clips", inputs / "manifest.csv", "-o", out),
    "two-stream": lambda inputs, out: (
        *("data", "prepare", "two-stream", inputs / "manifest.csv", "-o", out),
        *("--frames", "8"),
    ),
    "volume-traces": lambda inputs, out: (
        *("data", "prepare", "volume-traces", inputs / "manifest.csv", "-o", out),
    ),
    "evaluate": lambda inputs, out: (
        *("evaluate", "dataset", inputs / "manifest.csv", "--split", "all", "-o", out),
        *("--threads", "1", "--precision", "f32"),
    ),
    "synthesize": lambda inputs, out: (
        *("synthesize", "phantom", out, "--clips", str(CLIPS), "--seed", "3"),
        *SMALL_PHANTOMS,
    ),
}


def start(*args, **environment):
    """A command in a process; what it says goes to the test's own output."""
    words = [sys.executable, "-c", COMMAND, *map(str, args)]
    return subprocess.Popen(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": PATH, **environment})


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs") / "phantoms"
    args = ("synthesize", "phantom", folder, "--clips", str(CLIPS), "--seed", "5", *PHANTOMS, "-q")
    assert start(*args).wait() == 0
    return folder


@pytest.fixture(scope="module")
def nodes(inputs):
    """One node with two processors, whose decoders stop for seconds at their third clip: there must be time to kill."""
    from benchmarks.ray_nodes import Nodes

    hook = {
        "FAULT": f"stall 5 6 {inputs / 'Videos'}",
        "FAULT_SEEN": str(inputs.parent / "seen"),
        "PYTHONPATH": os.pathsep.join([str(HOOK), PATH]),
    }
    before = {name: os.environ.get(name) for name in hook}
    os.environ.update(hook)
    try:
        found = Nodes(processors=2)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    with found:
        yield found


def lines(out):
    journal = out / "finished.jsonl"
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def wait_for_lines(job, out, least):
    """Wait for as long as the command runs."""
    while lines(out) < least:
        assert job.poll() is None, f"it ended with {job.returncode} and {lines(out)} items"
        time.sleep(0.05)


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_killed_on_a_cluster_ends_as_the_plain_command(name, inputs, nodes, tmp_path):
    out = tmp_path / "out"
    assert start(*COMMANDS[name](inputs, out)).wait() == 0
    plain = contents(out)
    # Manifests name their folder.
    shutil.rmtree(out)
    words = (*COMMANDS[name](inputs, out), "--ray", nodes.address)

    job = start(*words)
    wait_for_lines(job, out, 2)
    job.kill()
    job.wait()
    held = lines(out)
    assert held < CLIPS

    job = start(*words)
    wait_for_lines(job, out, held + 1)
    killed = nodes.workers()
    assert killed
    os.kill(killed[0], signal.SIGKILL)
    assert job.wait() == 0
    assert contents(out) == plain


@pytest.mark.parametrize("process", ["raylet/raylet", "ray::RuntimeEnvAgent"])
def test_no_process_of_its_cluster_outlives_a_command_that_is_killed(process, inputs, tmp_path):
    words = ("measure", inputs / "Videos", "--ray", "-o", tmp_path / "out", "-j", "2", "--threads", "1", "-q")
    job = start_alone([str(word) for word in words], tmp_path, "killed")
    try:
        while not any(process in line for line in session(job.pid).values()):
            assert job.process.poll() is None, job.said()
            time.sleep(0.01)
        job.process.kill()
        job.process.wait()
        assert not left_after(job.pid)
    finally:
        end_all(job.pid)
