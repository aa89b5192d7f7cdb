import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
import pytest

from lvef.core.errors import DataError, OutputError
from lvef.core.locks import lock
from lvef.core.records import Measurement
from lvef.core.terms import Status
from lvef.distributed.archive import find_archive, outcome_of
from lvef.distributed.parts import TEXTS, PartTable, column_types
from lvef.distributed.storage import (
    CLIP_PREFIX,
    ResultFolder,
    fetched,
    filesystem,
    find_files,
    local_path,
    remove_left_clips,
    url_of,
)
from lvef.measure.serializers import RESULT_COLUMNS


def row(key, stamp="1", status=Status.OK, ef=55.5, code=""):
    found = outcome_of(Measurement(f"{key}.avi", status, "", code), f"{key}.avi").row
    return found | {"key": key, "stamp": stamp, "made_with": "m", "ef_percent": str(ef)}


def all_rows(folder):
    parts = [pl.read_parquet(io.BytesIO(folder.read(n))) for n in folder.files() if n.endswith(".parquet")]
    return pl.concat(parts) if parts else pl.DataFrame({"key": []})


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path):
    if request.param == "local":
        return ResultFolder(tmp_path / "out")
    fsspec = pytest.importorskip("fsspec", reason="needs what make ray-env installs")
    pytest.importorskip("pyarrow", reason="needs what make ray-env installs")
    fsspec.filesystem("memory").store.clear()
    return ResultFolder("memory://bucket/out")


def test_rows_come_back_from_their_parts(folder):
    table = PartTable(folder, rows=2)
    for key in "abc":
        table.add(row(key))
    assert set(table.held) == {"a", "b"}
    table.commit()
    again = PartTable(folder)
    again.load()
    assert set(again.held) == set("abc")
    assert [name.split("-")[1] for name in folder.files()] == ["000001", "000002"]
    found = all_rows(folder)
    assert sorted(found["key"]) == ["a", "b", "c"]
    assert found["ef_percent"].to_list() == [55.5] * 3
    assert found.schema == pl.Schema(column_types())


def test_every_column_of_the_table_is_text_or_number():
    assert set(TEXTS) <= set(RESULT_COLUMNS)
    kinds = {name: type_ for name, type_ in column_types().items() if name in RESULT_COLUMNS}
    assert {name for name, type_ in kinds.items() if type_ == pl.String()} == set(TEXTS)


def test_what_was_not_committed_is_not_held(folder):
    table = PartTable(folder, rows=10)
    table.add(row("a"))
    again = PartTable(folder)
    again.load()
    assert again.held == {}


def test_rows_that_no_longer_hold_are_taken_out(folder):
    table = PartTable(folder, rows=2)
    for key in "abcd":
        table.add(row(key))
    again = PartTable(folder)
    again.load()
    assert again.withdraw(lambda key, held: key in "ad") == 2
    assert sorted(all_rows(folder)["key"]) == ["a", "d"]
    third = PartTable(folder)
    third.load()
    assert set(third.held) == {"a", "d"}
    third.withdraw(lambda key, held: key == "a")
    assert len([name for name in folder.files() if name.endswith(".parquet")]) == 1


def test_a_clip_that_two_runs_wrote_stays_once(folder):
    first, second = PartTable(folder, rows=2), PartTable(folder, rows=2)
    for key in "ab":
        first.add(row(key))
    for key in "bc":
        second.add(row(key))
    assert sorted(all_rows(folder)["key"]) == ["a", "b", "b", "c"]
    PartTable(folder).load()
    assert sorted(all_rows(folder)["key"]) == ["a", "b", "c"]


def test_numbers_of_parts_go_on(folder):
    table = PartTable(folder, rows=1)
    table.add(row("a"))
    again = PartTable(folder, rows=1)
    again.load()
    again.add(row("b"))
    assert [name.split("-")[1] for name in folder.files()] == ["000001", "000002"]


def test_an_old_row_waits_no_longer_than_it_may(folder):
    table = PartTable(folder, rows=100, seconds=0.0)
    table.add(row("a"))
    assert set(table.held) == {"a"}


def test_a_damaged_part_is_named(tmp_path):
    folder = ResultFolder(tmp_path)
    (tmp_path / "part-000001-ab.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match=r"part-000001-ab.parquet is damaged; remove it"):
        PartTable(folder).load()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        ResultFolder(tmp_path / "file" / "out")


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("s3://b/a.avi", "s3://b/a.avi"),
        ("s3:/b/a.avi", "s3://b/a.avi"),
        ("memory://x", "memory://x"),
        ("file:///tmp/x", ""),
        ("a/b.avi", ""),
        ("/a:b/c", ""),
        ("C:/x", ""),
    ],
)
def test_urls_are_told_from_paths(given, url):
    assert url_of(given) == url


def test_a_file_url_is_a_path():
    assert str(local_path("file:///tmp/x")) == str(local_path("file:/tmp/x")) == "/tmp/x"


@pytest.mark.parametrize("failure", [OSError("no answer"), TimeoutError("late"), PermissionError("no")])
def test_a_folder_that_cannot_be_listed_is_not_empty(failure, monkeypatch):
    pytest.importorskip("fsspec", reason="needs what make ray-env installs")
    pytest.importorskip("pyarrow", reason="needs what make ray-env installs")
    folder = ResultFolder("memory://bucket/listed")
    assert folder.files() == []
    PartTable(folder).add(row("a"))

    def fail(*_, **__):
        raise failure

    monkeypatch.setattr("lvef.distributed.storage.PAUSE_S", 0)
    monkeypatch.setattr(type(filesystem("memory")), "find", fail)
    with pytest.raises(DataError, match="memory://bucket/listed"):
        PartTable(folder).load()


@pytest.mark.parametrize(
    "url", ["ftp://host/a.avi", "zip://x", "https://host/a.avi", "dir://x", "reference://x"]
)
def test_other_protocols_are_refused(url):
    pytest.importorskip("fsspec", reason="needs what make ray-env installs")
    pytest.importorskip("pyarrow", reason="needs what make ray-env installs")
    with pytest.raises(DataError, match="is no storage that is read; s3://, gs:// and file:// are"):
        find_files(url)


def damaged_tables():
    """A Parquet table with one byte set to 0, each byte in turn, and cut short: some of them make polars panic."""
    file = io.BytesIO()
    pl.DataFrame({"path": [f"clip{i}.avi" for i in range(50)]}).write_parquet(file)
    data = file.getvalue()
    return [data[:at] + b"\0" + data[at + 1 :] for at in range(len(data))] + [data[: len(data) // 2], b""]


def readable(read):
    try:
        read()
    except DataError:
        return False
    return True


def test_a_damaged_list_or_part_is_one_sentence(tmp_path):
    path = tmp_path / "list.parquet"
    folder = ResultFolder(tmp_path / "job")
    counts = {"list": 0, "part": 0}
    tables = damaged_tables()
    for data in tables:
        path.write_bytes(data)
        folder.write("part-000001-0123abcd.parquet", data)
        counts["list"] += not readable(lambda: find_archive([path]))
        counts["part"] += not readable(PartTable(folder).load)
    # What is still a table has other words in it, or damage where nobody looks.
    assert len(tables) / 4 < counts["list"] < len(tables)
    assert counts["part"] == len(tables)


@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
def test_a_list_that_is_missing_is_called_missing(name, tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        find_archive([tmp_path / name])


FETCHING = """
import sys, time
import fsspec
from lvef.distributed import storage
fsspec.filesystem("memory").pipe_file("/bucket/clip.avi", b"a patient")
with storage.fetched("memory://bucket/clip.avi") as path:
    print(path, flush=True)
    time.sleep(100)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no locks of folders there")
def test_the_clip_of_a_process_that_was_killed_is_removed_and_no_other(tmp_path, monkeypatch):
    pytest.importorskip("fsspec", reason="needs what make ray-env installs")
    pytest.importorskip("pyarrow", reason="needs what make ray-env installs")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "lvef-other").mkdir()
    children = [
        subprocess.Popen([sys.executable, "-c", FETCHING], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        killed, alive = (Path(child.stdout.readline().strip()) for child in children)
        assert killed.read_bytes() == alive.read_bytes() == b"a patient"
        remove_left_clips()
        assert killed.exists() and alive.exists()
        children[0].kill()
        children[0].wait()
        remove_left_clips()
        assert sorted(tmp_path.iterdir()) == sorted([alive.parent, tmp_path / "lvef-other"])
        assert alive.exists()
    finally:
        for child in children:
            child.kill()
            child.wait()
            child.stdout.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no locks of folders there")
@pytest.mark.parametrize("step", ["removed", "locked"])
def test_a_folder_that_another_process_takes_before_it_is_locked_is_not_used(step, tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec", reason="needs what make ray-env installs")
    pytest.importorskip("pyarrow", reason="needs what make ray-env installs")
    fsspec.filesystem("memory").pipe_file("/bucket/taken.avi", b"a patient")
    made, handles = [], []

    def taken(*, prefix):
        folder = tmp_path / f"{prefix}{len(made)}"
        folder.mkdir()
        made.append(folder)
        if len(made) == 1 and step == "removed":
            folder.rmdir()
        elif len(made) == 1:
            handles.append(os.open(folder, os.O_RDONLY))
            lock(handles[0])
        return str(folder)

    monkeypatch.setattr(tempfile, "mkdtemp", taken)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with fetched("memory://bucket/taken.avi") as path:
        assert path.parent == tmp_path / f"{CLIP_PREFIX}1"
        for handle in handles:
            os.close(handle)
        remove_left_clips()
        assert path.read_bytes() == b"a patient"
        assert list(tmp_path.iterdir()) == [path.parent]
    assert not list(tmp_path.iterdir())
