import errno

import pytest

from lvef.core.errors import DataError
from lvef.io.atomic import atomic_path, write_bytes_atomic, write_text_atomic


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
