import io

import polars as pl
import pytest

from lvef.core.errors import DataError, OutputError
from lvef.core.records import Measurement
from lvef.core.terms import Status
from lvef.distributed.archive import outcome_of
from lvef.distributed.parts import TEXTS, PartTable, column_types
from lvef.distributed.storage import ResultFolder, local_path, url_of
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
