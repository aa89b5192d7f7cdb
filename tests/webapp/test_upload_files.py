"""Uploads on the disk: private, under names of our own, gone afterwards."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile

import pytest

pytest.importorskip("streamlit", reason='the page needs pip install "lvef[app]"')

from lvef.core.errors import DataError
from lvef.webapp import upload_files
from lvef.webapp.upload_files import (
    PREFIX,
    remove_stale_folders,
    sanitize_name,
    upload_folder,
    written_upload,
)


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_an_upload_is_private_under_our_name_and_gone_afterwards(temporary):
    with written_upload(b"bytes", "MUSTERFRAU_ERIKA.dcm") as path:
        assert path.read_bytes() == b"bytes"
        assert path.suffix == ".dcm" and "MUSTER" not in str(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert path.parent.parent == temporary
    assert list(upload_folder().iterdir()) == []


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_it_is_gone_after_whatever_happens(kind):
    with pytest.raises(kind), written_upload(b"bytes", "a.avi"):
        raise kind
    assert list(upload_folder().iterdir()) == []


def test_a_full_disk_is_a_sentence(monkeypatch):
    upload_folder()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(DataError, match=r"No space left on device.*TMPDIR"), written_upload(b"x", "a.avi"):
        raise AssertionError


def test_the_folder_goes_with_the_process(temporary):
    code = (
        "from lvef.webapp.upload_files import upload_folder; p = upload_folder(); (p / 'x').touch(); print(p)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().startswith(str(temporary / PREFIX))
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_is_swept_and_what_lives_stays(temporary):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = temporary / f"{PREFIX}{ended.pid}-abc"
    left.mkdir()
    (left / "upload").touch()
    other = temporary / f"{PREFIX}notes"
    other.mkdir()
    mine = upload_folder()
    assert remove_stale_folders() == [left.name]
    assert mine.is_dir() and other.is_dir() and not left.exists()


def test_names_are_shown_without_folders_and_signs_and_not_too_long():
    assert sanitize_name("C:\\echo\\a.avi") == "a.avi"
    assert sanitize_name("x/y/b\u202e\n.avi") == "b.avi"
    assert sanitize_name("\n") == "file"
    long = sanitize_name("a" * 300 + ".avi")
    assert len(long) == upload_files.MAX_NAME_LENGTH and long.endswith(".avi")
