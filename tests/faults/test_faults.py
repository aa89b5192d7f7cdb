"""A few trials of each command, by seed; ``make faults`` runs a hundred."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.faults import service
from tests.faults.commands import COMMANDS, contents, make_inputs, temporaries
from tests.faults.processes import HOOK
from tests.faults.trial import baseline, run_trial

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc"),
]

SEEDS = {"measure": (0, 1), "prepare": (2, 5, 7), "synthesize": (0, 1), "evaluate": (12001, 12034)}
"""Trials of each command that the tests run."""


RAY_SEED = 1


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    folder.chmod(0o755)
    return make_inputs(folder / "inputs")


def hold(name, seeds, inputs, folder):
    undisturbed = baseline(COMMANDS[name], inputs, folder)
    for seed in seeds:
        trial = run_trial(COMMANDS[name], seed, inputs, undisturbed, folder)
        assert not trial.violations, trial.as_dict()


@pytest.mark.parametrize("name", SEEDS)
def test_what_was_disturbed_ends_as_if_nothing_had_been(name, inputs, tmp_path):
    hold(name, SEEDS[name], inputs, tmp_path)


def test_a_service_that_was_disturbed_loses_nothing(tmp_path):
    for seed in (1, 2, 5):
        trial = service.run_trial(seed, tmp_path)
        assert not trial.violations, trial.as_dict()


@pytest.mark.ray
@pytest.mark.skipif(find_spec("ray") is None, reason="needs what make ray-env installs")
def test_a_cluster_that_was_disturbed_loses_nothing(inputs, tmp_path):
    hold("measure-ray", (RAY_SEED,), inputs, tmp_path)


@pytest.mark.training
def test_training_that_was_disturbed_ends_as_if_nothing_had_been(inputs, tmp_path):
    pytest.importorskip("lightning")
    hold("train", (0,), inputs, tmp_path)


def python(code: str, fault: str, folder: Path) -> str:
    seen = folder / "seen"
    env = {**os.environ, "FAULT": fault, "FAULT_SEEN": str(seen), "PYTHONPATH": str(HOOK)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert seen.exists()
    return done.stdout


def test_the_hook_moves_the_clock(tmp_path):
    now = float(python("import time; print(time.time())", "clock 0 86400", tmp_path))
    assert 43_200 < now - time.time() < 129_600


def test_the_hook_takes_files_away(tmp_path):
    share = tmp_path / "share"
    share.mkdir()
    (share / "a.txt").write_text("x")
    code = f"""
for _ in range(3):
    try:
        open({str(share / "a.txt")!r}).close()
        print("open")
    except OSError as error:
        print(error.errno)
"""
    assert python(code, f"lost 2 116 {share}", tmp_path).split() == ["open", "116", "116"]


def test_what_is_not_whole_is_found(tmp_path):
    (tmp_path / "a.json").write_text('{"ef_percent": 5')
    with pytest.raises(ValueError, match=r"a\.json is not whole"):
        contents(tmp_path)
    (tmp_path / "a.json").write_text('{"ef_percent": 5, "seconds": 1}')
    assert contents(tmp_path) == {"a.json": {"ef_percent": 5}}
    (tmp_path / ".lock").touch()
    (tmp_path / ".a.12345678.tmp.json").touch()
    assert temporaries(tmp_path) == [".a.12345678.tmp.json"]


def test_processes_that_stay_are_found(tmp_path):
    from tests.faults.processes import left_after, session

    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as process:
        process.wait()
    assert [Path(line.split()[0]).name for line in left_after(process.pid, 0.1).values()]
    for pid in session(process.pid):
        os.kill(pid, signal.SIGKILL)
    assert not left_after(process.pid)
