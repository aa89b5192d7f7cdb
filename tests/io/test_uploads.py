"""Uploads on the disk: private, under random names, gone afterwards."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys

import pytest

from lvef.core.errors import DataError
from lvef.io.uploads import LOCK_NAME, UploadStore, make_private_folder, sanitize_name


@pytest.fixture
def store(tmp_path):
    made = UploadStore(tmp_path)
    yield made
    made.close()


def test_the_folder_is_private(store):
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


def test_a_root_that_cannot_be_used(tmp_path):
    with pytest.raises(DataError, match="No folder for uploads can be made"):
        UploadStore(tmp_path / "missing")


def test_an_upload_is_private_under_a_random_name_and_gone_afterwards(store):
    with store.written(b"bytes", "MUSTERFRAU_ERIKA.dcm") as path:
        assert path.read_bytes() == b"bytes"
        assert path.suffix == ".dcm" and "MUSTER" not in str(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert store.uploads() == [path]
    assert store.uploads() == []


def test_a_folder_that_was_removed_is_made_again(store, tmp_path):
    shutil.rmtree(store.folder)
    with store.written(b"bytes", "a.avi") as path:
        assert path.read_bytes() == b"bytes"
        other = UploadStore(tmp_path)
        assert other.remove_orphans() == {store.owner, other.owner}
        other.close()


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_it_is_gone_after_whatever_happens(store, kind):
    with pytest.raises(kind), store.written(b"bytes", "a.avi"):
        raise kind
    assert store.uploads() == []


def test_a_full_disk_is_a_sentence(store, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(DataError, match=r"no space left on device.*TMPDIR"), store.written(b"x", "a.avi"):
        raise AssertionError


def test_what_a_killed_process_left_is_removed_and_other_files_stay(tmp_path):
    code = """
import os, sys
from pathlib import Path
from lvef.io.uploads import UploadStore
store = UploadStore(Path(sys.argv[1]), "page-")
(store.folder / "upload").touch()
os._exit(1)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    other = tmp_path / "notes"
    other.mkdir()
    (left,) = tmp_path.glob("page-*")
    mine = UploadStore(tmp_path, "page-")
    assert mine.remove_orphans() == {mine.owner}
    assert mine.folder.is_dir() and other.is_dir() and not left.exists()
    mine.close()


def test_a_folder_that_was_open_is_closed(tmp_path):
    (tmp_path / "data").mkdir(mode=0o755)
    make_private_folder(tmp_path / "data")
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="choose another with --data"):
        make_private_folder(tmp_path / "file" / "data")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="users of this kind are those of POSIX")
def test_a_folder_of_another_user(tmp_path, monkeypatch):
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(DataError, match="another user"):
        make_private_folder(tmp_path)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("clip.avi", "clip.avi"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\x\\clip.avi", "clip.avi"),
        ("..\\..\\clip.avi", "clip.avi"),
        ("..", "upload"),
        (".", "upload"),
        ("", "upload"),
        ("/", "upload"),
        ("cl\0ip.avi", "clip.avi"),
        ("clip\r\nX: y.avi", "clipX: y.avi"),
        ("clip\u202eiva.exe", "clipiva.exe"),
        ("\ud800.avi", ".avi"),
        ("Größe 心.dcm", "Größe 心.dcm"),
        ("a" * 400 + ".nii.gz", "a" * 113 + ".nii.gz"),
    ],
)
def test_names_as_they_are_shown(raw, shown):
    assert sanitize_name(raw) == shown


def test_paths_have_nothing_of_the_client(store):
    one, other = store.new_path("../../MEIER.avi"), store.new_path("../../MEIER.avi")
    assert one != other
    assert one.parent == store.folder
    assert one.suffix == ".avi"
    assert "MEIER" not in str(one)


def test_what_dead_services_left_is_removed_and_the_living_are_left_alone(store, tmp_path):
    (store.folder / "upload.avi").touch()
    dead = store.folder.parent / "0123456789abcdef"
    dead.mkdir()
    (dead / LOCK_NAME).touch()
    (dead / "upload.avi").touch()
    other = UploadStore(tmp_path)
    assert other.remove_orphans() == {store.owner, other.owner}
    assert not dead.exists()
    assert [path.name for path in store.uploads()] == ["upload.avi"]
    other.close()
    assert not other.folder.exists()
    assert store.remove_orphans() == {store.owner}


def test_a_folder_that_is_being_made_is_left_alone_for_a_minute(store):
    young, old = store.folder.parent / ".young", store.folder.parent / ".old"
    young.mkdir()
    old.mkdir()
    os.utime(old, (1, 1))
    store.remove_orphans()
    assert young.exists()
    assert not old.exists()


def test_scratch_is_emptied(store):
    folder = store.worker_folder(0)
    (folder / "left").touch()
    assert list(store.worker_folder(0).iterdir()) == []
    assert store.uploads() == []
