"""Tables are found by the names of their columns, and what is odd in them is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvef.core.errors import DataError
from lvef.datasets.findings import Findings
from lvef.datasets.tables import EMPTY_CELLS, LINE, read_text_table

WANTED = ("Name", "Value")


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
