"""A decoder that crashes costs one file: clips are decoded in a process of their own."""

from __future__ import annotations

import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from lvef.core.errors import ConfigError, DataError, QualityRefusal, VideoError
from lvef.io import decoder, isolation, limits
from lvef.io import open as opening
from lvef.io import probe as probing
from lvef.io.images import read_labels, read_still
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
    assert there.frames.nbytes > decoder.INLINE_BYTES
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
    np.testing.assert_array_equal(isolation.read_still(mask).frames, read_still(mask).frames)
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


def test_in_place_in_a_process_that_is_apart_already(clip_path, no_children, monkeypatch):
    monkeypatch.setattr(isolation, "_possible", True)
    isolation.decode_in_place()
    assert len(isolation.open_clip(clip_path).frames) == 12
    assert not isolation._idle


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


@pytest.fixture
def counted(monkeypatch):
    """Signs of progress in this process."""
    signs: list[None] = []
    monkeypatch.setattr(limits, "_listeners", [lambda: signs.append(None)])
    return signs


def test_each_packet_frame_and_file_is_a_sign_of_progress(clip_path, tmp_path, counted):
    opening.open_clip(clip_path)
    assert len(counted) >= 12
    counted.clear()
    opening.open_clip(save(dicom(moving_grey(9)), tmp_path / "a.dcm"))
    assert len(counted) == 9
    counted.clear()
    folder = tmp_path / "stills"
    folder.mkdir()
    for number in range(6):
        Image.fromarray(np.full((20, 20), 9, np.uint8)).save(folder / f"a{number}.png")
    opening.open_clip(folder)
    assert len(counted) == 12


@pytest.mark.parametrize(("silent_s", "is_enough"), [(0, True), (3, True), (2, False)])
def test_a_sign_of_progress_begins_the_time_anew(silent_s, is_enough, monkeypatch):
    """Five seconds pass until the reply comes, never more than two without a sign."""
    data = pickle.dumps((False, "done"))
    steps = [None, None, decoder._SIGN, None, None, decoder._SIGN, None, decoder._HEADER.pack(len(data))]

    def step(*_):
        if (step := steps.pop(0)) is None:
            raise TimeoutError
        return step, [], 0, None

    monkeypatch.setattr(socket, "recv_fds", step)
    here, there = socket.socketpair()
    with here, there:
        there.sendall(data)
        if is_enough:
            assert decoder.receive(here, waits=True, silent_s=silent_s) == "done"
        else:
            with pytest.raises(TimeoutError):
                decoder.receive(here, waits=True, silent_s=silent_s)


def test_signs_are_sent_a_second_apart(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(decoder, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    here, there = socket.socketpair()
    with here, there:
        sender = decoder._SignSender(there)
        for clock[0] in (0.2, 0.9, 1.0, 1.5, 2.5):
            sender()
        assert here.recv(99) == 2 * decoder._SIGN


def test_the_silent_limit_grows_with_the_file_and_can_be_set(tmp_path, monkeypatch):
    path = tmp_path / "a.avi"
    with path.open("wb") as file:
        file.truncate(300 * 10**6)
    monkeypatch.delenv(isolation.SILENT_VARIABLE, raising=False)
    assert isolation._silent_limit(path) == 600 + 300
    assert isolation._silent_limit(tmp_path / "nothing.avi") == 600
    monkeypatch.setenv(isolation.SILENT_VARIABLE, "20")
    assert isolation._silent_limit(path) == 20 + 300
    monkeypatch.setenv(isolation.SILENT_VARIABLE, "0")
    assert isolation._silent_limit(path) == 0
    for wrong in ("soon", "-1", "inf", "nan"):
        monkeypatch.setenv(isolation.SILENT_VARIABLE, wrong)
        with pytest.raises(ConfigError, match=f"LVEF_DECODE_SECONDS={wrong}: give a number of seconds"):
            isolation._silent_limit(path)


HOOK = textwrap.dedent(
    """
    import os, signal
    import lvef.io.open as opening
    from lvef.io import images, series

    read, open_image = opening._read, images.open_image

    def check(source):
        for name, number in (("segv", signal.SIGSEGV), ("abort", signal.SIGABRT)):
            if name in os.path.basename(source):
                os.kill(os.getpid(), number)
        if "hang" in os.path.basename(source):
            while True:
                signal.pause()

    def crash(kind, source, limits):
        check(source)
        return read(kind, source, limits)

    def crash_image(path, source, kind, limits):
        check(source)
        return open_image(path, source, kind, limits)

    opening._read = crash
    images.open_image = series.open_image = crash_image
    """
)
"""Loaded by every Python process with this folder on its path: files of these names crash the decoder, or stop it."""


@pytest.fixture
def hook(tmp_path):
    """A value of PYTHONPATH that brings the hook into processes."""
    folder = tmp_path / "hook"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HOOK)
    return os.pathsep.join([str(folder), *filter(None, sys.path)])


@pytest.mark.slow
def test_a_decoder_that_stops_for_ever_is_ended(clip_path, hook, no_children, monkeypatch):
    hanging = clip_path.rename(clip_path.with_name("hang.avi"))
    monkeypatch.setenv("PYTHONPATH", hook)
    isolation.start_ahead()
    [child] = isolation._idle
    monkeypatch.setenv(isolation.SILENT_VARIABLE, "0.5")
    with pytest.raises(
        VideoError, match=r"hang\.avi: its decoder gave no sign of progress for 1 s and was ended"
    ) as error:
        isolation.open_clip(hanging)
    assert "LVEF_DECODE_SECONDS" in str(error.value)
    assert child.process.poll() == -signal.SIGKILL
    monkeypatch.delenv(isolation.SILENT_VARIABLE)
    # The next file has a process of its own.
    assert len(isolation.open_clip(hanging.rename(clip_path)).frames) == 12


@pytest.fixture
def crashing(tmp_path, hook):
    """A folder of clips of which two crash their decoder, and the environment in which they do."""
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in ("a", "b_segv", "c", "d_abort", "e"):
        write_video(clips / f"{name}.avi", moving_grey(8), "mjpeg", "yuvj420p")
    return clips, {**os.environ, "PYTHONPATH": hook}


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


@pytest.mark.slow
def test_a_still_that_crashes_its_decoder_costs_itself(hook, tmp_path, no_children, monkeypatch):
    """It is opened to see whether the images of the folder are the frames of a cine."""
    folder = tmp_path / "stills"
    folder.mkdir()
    for number in range(6):
        Image.fromarray(np.full((20, 20), 9, np.uint8)).save(folder / f"a{number}.png")
    damaged = folder / "b_segv.png"
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(damaged)
    monkeypatch.setenv("PYTHONPATH", hook)
    assert isolation.find_clips(opening.find_inputs([folder])) == [folder, damaged]
    with pytest.raises(VideoError, match=r"b_segv\.png: its decoder crashed"):
        isolation.read_still(damaged)
