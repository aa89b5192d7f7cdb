"""The output folder: made, and cleared of what an earlier run of the same kind left, and of nothing else."""

from __future__ import annotations

import json

import pytest

from lvef.core.errors import DataError
from lvef.evaluation.report import RUN_NAME, earlier_files, last_name
from lvef.io.atomic import make_folder, remove_files


def test_only_a_record_of_the_same_kind_counts(tmp_path):
    assert earlier_files(tmp_path, "a/1") == set()
    (tmp_path / RUN_NAME).write_text(
        json.dumps({"schema": "a/1", "files": ["x.png", "../y.png", 3, "sub/z"]})
    )
    assert earlier_files(tmp_path, "a/1") == {"x.png"}
    assert earlier_files(tmp_path, "b/1") == set()
    for broken in ("[]", "{", '{"schema": 3}'):
        (tmp_path / RUN_NAME).write_text(broken)
        assert earlier_files(tmp_path, "a/1") == set()


def test_removing(tmp_path):
    (tmp_path / "x.png").write_text("")
    (tmp_path / "mine").write_text("")
    remove_files(tmp_path, {"x.png", "gone.png"})
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="cannot be removed"):
        remove_files(tmp_path, {"folder"})


def test_a_folder_under_a_file_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be made.*--out"):
        make_folder(tmp_path / "file" / "out")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert last_name(tmp_path / "a" / "b") == "b"
