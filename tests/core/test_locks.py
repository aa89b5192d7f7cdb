"""Locks between processes, and file systems that have none."""

import errno
import subprocess
import sys
from contextlib import closing

import pytest

from lvef.core.journal import JOURNAL_NAME, Journal
from lvef.core.locks import is_locked_elsewhere, lock
from lvef.io.atomic import write_text_atomic
from lvef.io.uploads import UploadStore

fcntl = pytest.importorskip("fcntl", reason="Windows has no such locks")

HOLD = """
import sys
sys.path[:0] = eval(sys.argv[2])
from lvef.core.locks import lock
with open(sys.argv[1], "ab") as file:
    lock(file)
    print(flush=True)
    input()
"""


def test_a_lock_is_held_by_one_process_and_dies_with_it(tmp_path):
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path), repr(sys.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        with path.open("ab") as file:
            assert is_locked_elsewhere(file)
            with pytest.raises(BlockingIOError):
                lock(file)
        other.kill()
    with path.open("ab") as file:
        assert not is_locked_elsewhere(file)
        lock(file)


@pytest.mark.parametrize("reason", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_network_share_without_locks_is_written_to(tmp_path, monkeypatch, reason):
    def no_locks(*_):
        raise OSError(reason, "no locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with (tmp_path / "lock").open("ab") as file:
        assert not is_locked_elsewhere(file)
        with pytest.raises(OSError, match="no locks"):
            lock(file)
    with closing(Journal(tmp_path / JOURNAL_NAME)) as journal:
        journal.append({"item": "a"})
    write_text_atomic(tmp_path / "text", "a")
    assert (tmp_path / "text").read_text() == "a"
    root = tmp_path / "uploads"
    root.mkdir()
    with closing(UploadStore(root)) as mine, closing(UploadStore(root)) as other:
        assert mine.owner in other.remove_orphans()
        assert mine.folder.is_dir(), "whether its process lives cannot be known"
