"""The lines of a table of tracings, with everything that is wrong with them."""

import pytest

from lvef.core.errors import DataError
from lvef.datasets.findings import Findings
from lvef.datasets.volume_tracings import BAD_LINE, REPEATED_LINE, lines_by_frame, read_lines
from tests.stores.made_up import ventricle_lines, write_tracings


@pytest.fixture
def lines():
    return ventricle_lines(1.0)


def read(path):
    findings = Findings()
    return lines_by_frame(read_lines(path, findings)), {f.code: f for f in findings.sorted()}


def test_reading(tmp_path, lines):
    small = ventricle_lines(0.7)
    write_tracings(tmp_path / "t.csv", [("a.avi", 12, small), ("a.avi", 3, lines), ("b", 0, lines)])
    table, findings = read(tmp_path / "t.csv")
    assert {name: list(frames) for name, frames in table.items()} == {"a": [12, 3], "b": [0]}
    assert table["a"][3] == pytest.approx(lines, abs=1e-3)
    assert not findings


def test_extra_columns_blanks_and_float_frames(tmp_path, lines):
    text = ",FileName, X1,Y1,X2,Y2,Frame,Note\n"
    text += "".join(f"{i}, c.AVI ,{a[0]},{a[1]} ,{b[0]},{b[1]},7.0,x\n" for i, (a, b) in enumerate(lines))
    (tmp_path / "t.csv").write_text(text)
    table, findings = read(tmp_path / "t.csv")
    assert table["c"][7] == pytest.approx(lines)
    assert set(findings) == {"extra_columns"}


def test_rows_twice_count_once_and_bad_rows_are_named(tmp_path, lines):
    path = write_tracings(tmp_path / "t.csv", [("a.avi", 3, lines), ("a.avi", 3, lines)])
    path.write_text(path.read_text() + "a.avi,1,2,3,4,\n,1,2,3,4,5\na.avi,1,2,3,4,2.5\na.avi,1,2,3,4,-1\n")
    table, findings = read(path)
    assert table["a"][3].shape == (21, 2, 2)
    assert findings[REPEATED_LINE].count == 21
    assert findings[REPEATED_LINE].examples[0] == "t.csv, line 23"
    assert findings[BAD_LINE].count == 4
    assert findings[BAD_LINE].examples == tuple(f"t.csv, line {i}" for i in (44, 45, 46, 47))


def test_a_point_that_is_no_number_costs_its_frame_only(tmp_path, lines):
    path = write_tracings(tmp_path / "t.csv", [("a.avi", 3, lines), ("a.avi", 5, lines)])
    path.write_text(path.read_text().replace("\na.avi,", "\na.avi,x", 1))
    table, findings = read(path)
    assert {at: len(frame) for at, frame in table["a"].items()} == {5: 21}, (
        "a chord must not pass for the axis"
    )
    assert findings[BAD_LINE].examples == ("t.csv, line 2",)


def test_wrong_tables(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "none.csv")
    (tmp_path / "t.csv").write_text("FileName,X1,Y1,X2\na,1,2,3\n")
    with pytest.raises(DataError, match="column Y2, Frame is missing or empty"):
        read(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes(b"")
    with pytest.raises(DataError, match="no CSV table"):
        read(tmp_path / "t.csv")
