import os
import stat

import pytest

from lvef.core.errors import DataError
from lvef.service.upload_store import LOCK_NAME, UploadStore, make_private_folder, sanitize_name


@pytest.fixture
def upload_store(tmp_path):
    made = UploadStore(tmp_path / "data")
    yield made
    made.close()


def test_the_folder_is_private(upload_store, tmp_path):
    for folder in (tmp_path / "data", upload_store.root, upload_store.folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


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


def test_paths_have_nothing_of_the_client(upload_store):
    one, other = upload_store.new_path("../../MEIER.avi"), upload_store.new_path("../../MEIER.avi")
    assert one != other
    assert one.parent == upload_store.folder
    assert one.suffix == ".avi"
    assert "MEIER" not in str(one)


def test_what_dead_services_left_is_removed_and_the_living_are_left_alone(upload_store, tmp_path):
    (upload_store.folder / "upload.avi").touch()
    dead = upload_store.root / "0123456789abcdef"
    dead.mkdir()
    (dead / LOCK_NAME).touch()
    (dead / "upload.avi").touch()
    other = UploadStore(tmp_path / "data")
    assert other.find_live_services() == {upload_store.service, other.service}
    assert not dead.exists()
    assert [path.name for path in upload_store.uploads()] == ["upload.avi"]
    other.close()
    assert not other.folder.exists()
    assert upload_store.find_live_services() == {upload_store.service}


def test_a_folder_that_is_being_made_is_left_alone_for_a_minute(upload_store):
    young, old = upload_store.root / ".young", upload_store.root / ".old"
    young.mkdir()
    old.mkdir()
    os.utime(old, (1, 1))
    upload_store.find_live_services()
    assert young.exists()
    assert not old.exists()


def test_scratch_is_emptied(upload_store):
    folder = upload_store.worker_folder(0)
    (folder / "left").touch()
    assert list(upload_store.worker_folder(0).iterdir()) == []
    assert upload_store.uploads() == []
