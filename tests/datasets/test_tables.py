"""CSV tables of people and programs are read alike; columns are found by name, and what is odd in them is noted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvef.core.errors import DataError
from lvef.datasets.files import (
    EMPTY_CELLS,
    LINE,
    find_csv,
    read_csv_cells,
    read_csv_table,
    read_text_table,
)
from lvef.datasets.findings import Findings

WANTED = ("Name", "Value")


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


def read(tmp_path, data, wanted=WANTED):
    path = tmp_path / "table.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    findings = Findings()
    return read_text_table(path, wanted, findings), {f.code: f for f in findings.sorted()}


@pytest.mark.parametrize(
    "data",
    [
        "Name,Value\na,1\nb,2\n",
        "Value,Name\n1,a\n2,b",
        " name , VALUE\n a,1 \n b , 2\n",
        b"\xef\xbb\xbfName,Value\r\na,1\r\nb,2\r\n",
        '"Name","Value"\n"a","1"\nb,2\n',
    ],
)
def test_names_of_columns_count_and_nothing_else(tmp_path, data):
    table, findings = read(tmp_path, data)
    assert table.rows() == [("a", "1", 2), ("b", "2", 3)]
    assert table.columns == ["Name", "Value", LINE]
    assert not findings


def test_cells_that_say_nothing_are_null(tmp_path):
    table, _ = read(
        tmp_path, "Name,Value\n" + "".join(f"a,{word.upper()}\n" for word in EMPTY_CELLS) + "a,0\n"
    )
    assert table["Value"].to_list() == [None] * len(EMPTY_CELLS) + ["0"]


def test_blank_lines_are_no_rows_and_lines_keep_their_numbers(tmp_path):
    table, findings = read(tmp_path, "Name,Value\n\na,1\n\n\nb,2\n\n")
    assert table[LINE].to_list() == [3, 6]
    assert not findings


def test_missing_and_further_columns(tmp_path):
    table, findings = read(tmp_path, ",Name,Other\n0,a,x\n")
    assert table.rows() == [("a", None, 2)]
    assert findings["missing_columns"].examples == ("table.csv: Value",)
    assert findings["extra_columns"].examples == ("table.csv: (without a name)", "table.csv: Other")


def test_lines_with_too_many_or_too_few_cells(tmp_path):
    table, findings = read(tmp_path, "Name,Value\na\nb,2,3\nc,4\n")
    assert table["Value"].to_list() == [None, "2", "4"]
    assert findings["ragged_lines"].examples == ("table.csv, line 3",)


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"Value\n1\n", b"Name;Value\na;1\n", b"\x00\x01\x02", b"PK\x03\x04"]
)
def test_what_is_no_such_table(tmp_path, data):
    with pytest.raises(DataError, match=r"table\.csv"):
        read(tmp_path, data)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_text_table(tmp_path / "none.csv", WANTED, Findings())


@given(st.binary(max_size=60))
def test_any_bytes_are_a_table_or_one_sentence(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("any")
    try:
        table, _ = read(folder, b"Name,Value\n" + data)
    except DataError as error:
        assert "table.csv" in str(error)
    else:
        assert table.columns == [*WANTED, LINE]
