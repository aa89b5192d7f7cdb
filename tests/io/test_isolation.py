"""A decoder that crashes costs one file: clips are decoded in a process of their own."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lvef.core.errors import DataError, QualityRefusal
from lvef.io import isolation
from lvef.io import open as opening
from lvef.io import probe as probing
from lvef.io.images import read_labels
from tests.datasets.hmc_qu_folder import write_xlsx
from tests.io.io_fabrication import dicom, moving_grey, save, write_video

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there clips are decoded in place")


@pytest.fixture
def clip_path(tmp_path):
    return write_video(tmp_path / "clip.avi", moving_grey(12, 300, 400), "mjpeg", "yuvj420p")


def is_gone(process: int, seconds: float = 60.0) -> bool:
    """Whether a process ends; one that waits for its parent to look has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[0]
        except OSError:
            return True
        if state == b"Z":
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def no_children():
    """No process of an earlier test is used."""
    isolation._end_all()
    yield
    isolation._end_all()


def test_a_clip_is_the_same_as_in_place(clip_path):
    here, there = opening.open_clip(clip_path), isolation.open_clip(clip_path)
    assert there.frames.nbytes > isolation.INLINE_BYTES
    np.testing.assert_array_equal(there.frames, here.frames)
    np.testing.assert_array_equal(there.times_s, here.times_s)
    np.testing.assert_array_equal(there.chroma, here.chroma)
    assert (there.source, there.timing, there.notices) == (here.source, here.timing, here.notices)
    there.frames[0, 0, 0] = 7  # an array of one's own, as in place


def test_small_clips_masks_and_cells(tmp_path):
    path = save(dicom(moving_grey(2)), tmp_path / "a.dcm")
    np.testing.assert_array_equal(isolation.open_clip(path).frames, moving_grey(2))
    mask = tmp_path / "mask.png"
    Image.fromarray(np.eye(9, dtype=np.uint8)).save(mask)
    np.testing.assert_array_equal(isolation.read_labels(mask), read_labels(mask))
    assert isolation.probe(mask) == isolation.probe_image(mask) == probing.probe(mask)
    video = write_video(tmp_path / "a.mp4", moving_grey(4), "mpeg4", "yuv420p")
    assert isolation.probe_video(video) == probing.probe_video(video)
    table = write_xlsx(tmp_path / "a.xlsx", [["ECHO", 1.5], ["", "x"]])
    assert isolation.read_cells(table) == [["ECHO", 1.5], ["", "x"]]


def test_errors_come_as_they_are(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.avi does not exist: check the path\.$"):
        isolation.open_clip(tmp_path / "nothing.avi")
    for name, frame in (("a_1.png", moving_grey(1)[0]), ("b.png", moving_grey(1)[0])):
        Image.fromarray(frame).save(tmp_path / name)
    with pytest.raises(QualityRefusal, match="stills") as refusal:
        isolation.open_clip(tmp_path)
    assert refusal.value.code == "stills"


def test_relative_paths_follow_the_folder(clip_path, monkeypatch):
    isolation.open_clip(clip_path)
    monkeypatch.chdir(clip_path.parent)
    assert isolation.open_clip("clip.avi").source == "clip.avi"


def test_one_that_was_ended_while_idle_is_replaced(clip_path, no_children):
    isolation.open_clip(clip_path)
    [child] = isolation._idle
    child.process.kill()
    child.process.wait()
    assert len(isolation.open_clip(clip_path).frames) == 12
    assert isolation._idle != [child]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_a_child_ends_with_its_parent():
    code = "import os; from lvef.io import isolation as i; i.start_ahead(); "
    code += "print(i._idle[0].process.pid, flush=True); os._exit(0)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert is_gone(int(done.stdout))


def test_in_place_where_no_process_can_be_started(clip_path, no_children, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr(isolation, "_possible", True)
    assert len(isolation.open_clip(clip_path).frames) == 12
    assert not isolation._possible


def test_in_place_in_a_process_that_is_apart_already(monkeypatch):
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: object())
    assert not isolation._is_wanted()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-signal.SIGSEGV, "its decoder crashed (SIGSEGV)"),
        (-signal.SIGABRT, "its decoder crashed (SIGABRT)"),
        (7, "its decoder crashed (exit code 7)"),
        (-signal.SIGKILL, "was killed from outside, most often for want of memory"),
    ],
)
def test_what_a_crash_says(code, words):
    message = isolation._crash_message("a.avi", code)
    assert message.startswith("a.avi: ")
    assert words in message


def test_a_workbook_that_unfolds_is_one_sentence(tmp_path):
    """Its last cell stands in the last row and column that a sheet can have: 17 billion cells."""
    path = write_xlsx(tmp_path / "A4C.xlsx", [["ECHO", 1], ["x", 2]])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = re.sub(
        b'r="B2"', b'r="XFD1048576"', parts["xl/worksheets/sheet1.xml"]
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    with pytest.raises(
        DataError, match=r"A4C\.xlsx: is damaged, or far larger inside than a table of labels"
    ):
        isolation.read_cells(path)


HOOK = textwrap.dedent(
    """
    import os, signal
    import lvef.io.open as opening

    read = opening._read

    def crash(kind, source, limits):
        for name, number in (("segv", signal.SIGSEGV), ("abort", signal.SIGABRT)):
            if name in os.path.basename(source):
                os.kill(os.getpid(), number)
        return read(kind, source, limits)

    opening._read = crash
    """
)
"""Loaded by every Python process with this folder on its path: files of these names crash the decoder."""


@pytest.fixture
def crashing(tmp_path):
    """A folder of clips of which two crash their decoder, and the environment in which they do."""
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(HOOK)
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in ("a", "b_segv", "c", "d_abort", "e"):
        write_video(clips / f"{name}.avi", moving_grey(8), "mjpeg", "yuvj420p")
    path = os.pathsep.join([str(hook), *filter(None, sys.path)])
    return clips, {**os.environ, "PYTHONPATH": path}


@pytest.mark.slow
def test_a_decoder_that_crashes_costs_one_file(crashing):
    clips, environment = crashing
    code = f"""
import os, sys
from lvef.core.errors import LvefError
from lvef.core.runner import run
from lvef.io.isolation import open_clip
from lvef.io.open import find_inputs

for workers in (1, 3):
    paths = find_inputs([{str(clips)!r}])
    for one in run(paths, lambda p: len(open_clip(p).frames), on_error=lambda p, e: str(e), workers=workers):
        print(one.result)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    lines = done.stdout.splitlines()
    assert lines[:5] == lines[5:]
    assert [lines[i] for i in (0, 2, 4)] == ["8"] * 3
    for line, name, number in ((lines[1], "b_segv", "SIGSEGV"), (lines[3], "d_abort", "SIGABRT")):
        assert line == (
            f"{clips / name}.avi: its decoder crashed ({number}): the file is damaged, or made to do harm; export it "
            "again, as AVI or as uncompressed DICOM."
        )
    assert done.stderr == ""
