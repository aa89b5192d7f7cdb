import errno
import subprocess
import sys

import pytest

from lvef.core.errors import DataError
from lvef.io.atomic import atomic_path, make_folder, remove_orphans, write_bytes_atomic, write_text_atomic


def test_text_and_bytes(tmp_path):
    write_text_atomic(tmp_path / "a.txt", "EF 55 \N{PLUS-MINUS SIGN} 3\n")
    write_bytes_atomic(tmp_path / "b.bin", b"\x00\r\n")
    assert (tmp_path / "a.txt").read_bytes() == "EF 55 \N{PLUS-MINUS SIGN} 3\n".encode()
    assert (tmp_path / "b.bin").read_bytes() == b"\x00\r\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "b.bin"]


def test_temporary_is_hidden_beside_the_target_with_its_suffix(tmp_path):
    with atomic_path(tmp_path / "clip.mp4") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".mp4"
        assert temporary.name.startswith(".")
        assert not (tmp_path / "clip.mp4").exists()
        temporary.write_bytes(b"new")
    assert (tmp_path / "clip.mp4").read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_old_file_survives_a_failure(tmp_path, error):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(type(error)), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_full_disk(tmp_path):
    target = tmp_path / "a.txt"
    with (
        pytest.raises(
            DataError, match=r"a\.txt could not be written \(no space left on device\): .*free space"
        ),
        atomic_path(target),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_missing_folder(tmp_path):
    with pytest.raises(DataError, match=r"a\.txt could not be written \(no such file or directory\)"):
        write_text_atomic(tmp_path / "gone" / "a.txt", "x")


def test_folder_in_the_way(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(DataError, match=r"a\.txt could not be written"):
        write_text_atomic(tmp_path / "a.txt", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_trouble_with_another_file_is_not_ours(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.txt"):
        (tmp_path / "input.txt").read_text()
    assert list(tmp_path.iterdir()) == []


LEFT = """
import os, sys
from lvef.io.atomic import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("writes", flush=True)
    sys.stdin.read()
    os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no locks that die with their process")
def test_a_temporary_file_of_a_killed_process_is_removed_and_no_other(tmp_path):
    (tmp_path / ".profile").touch()
    (tmp_path / ".0123abcd.tmp").touch()
    command = [sys.executable, "-c", LEFT, str(tmp_path / "clip.mp4")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"writes\n"
        remove_orphans(tmp_path)
        names = sorted(p.name for p in tmp_path.iterdir())
        assert len(names) == 2
        assert names[0].startswith(".clip."), "it is still being written"
        process.communicate()
    assert make_folder(tmp_path) is False
    assert [p.name for p in tmp_path.iterdir()] == [".profile"]


def test_a_temporary_file_that_was_taken_for_an_orphan_is_made_again(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    locked, taken = fcntl.flock, []

    def flock(descriptor, how):
        for path in tmp_path.iterdir():
            if not taken:
                taken.append(path.name)
                path.unlink()
        locked(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    write_text_atomic(tmp_path / "a.txt", "x")
    assert taken
    assert (tmp_path / "a.txt").read_text() == "x"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
