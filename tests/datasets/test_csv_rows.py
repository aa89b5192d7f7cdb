"""CSV files of people and programs are read alike."""

from __future__ import annotations

import pytest

from lvef.core.errors import DataError
from lvef.datasets.tables import find_csv, read_csv_cells, read_csv_table


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_and_line_ends(tmp_path, separator, end):
    text = end.join(separator.join(cells) for cells in (("a", "b"), ("1", " 2 "), ("", ""), ("3", "4")))
    table = read_csv_table(write(tmp_path, text))
    assert table.columns == ("a", "b")
    assert table.separator == separator
    assert [(row.line, row.cells) for row in table.rows] == [
        (2, {"a": "1", "b": "2"}),
        (4, {"a": "3", "b": "4"}),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_encodings(tmp_path, encoding):
    table = read_csv_table(write(tmp_path, "größe,b\nü,2\n", encoding))
    assert table.columns == ("größe", "b")
    assert table.rows[0].cells["größe"] == "ü"


def test_quotes_hold_separators_and_line_ends(tmp_path):
    table = read_csv_table(write(tmp_path, 'a,b\n"x, y","two\nlines"\n1,2\n'))
    assert table.rows[0].cells == {"a": "x, y", "b": "two\nlines"}
    assert [row.line for row in table.rows] == [3, 4], "the line on which a row ends"


def test_short_and_long_rows_are_marked(tmp_path):
    rows = read_csv_table(write(tmp_path, "a,b\n1\n1,2\n1,2,3\n")).rows
    assert [row.complete for row in rows] == [False, True, False]
    assert rows[0].cells == {"a": "1", "b": ""}
    assert rows[2].cells == {"a": "1", "b": "2"}


def test_a_column_without_a_title_gets_a_number(tmp_path):
    assert read_csv_table(write(tmp_path, ",b\n0,1\n")).columns == ("column 1", "b")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b" \n,\n", "is empty"),
        (b"a\0b", "is not text"),
        (b"a,a\n1,2\n", "more than one column"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, data, words):
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(DataError, match=words):
        read_csv_table(tmp_path / "t.csv")


def test_what_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_csv_cells(tmp_path / "none.csv")


def test_the_only_csv_of_a_folder(tmp_path):
    path = write(tmp_path, "a\n1\n")
    (tmp_path / ".hidden.csv").touch()
    assert find_csv(tmp_path) == find_csv(path) == path
