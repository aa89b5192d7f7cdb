"""A manifest comes back as it was written, and holds nothing that the schema does not allow."""

from __future__ import annotations

import io
import math
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvef.core.errors import DataError
from lvef.core.terms import DatasetView, Phase, Sex, Split
from lvef.datasets.manifest import (
    BY_NAME,
    COLUMNS,
    POLARS_TYPES,
    conform_table,
    make_manifest,
    read_manifest,
    write_manifest,
)

LEAST = {
    "collection": "mine",
    "patient": "p1",
    "kind": "clip",
    "view": "A4C",
    "root": "/data",
    "path": "a.avi",
    "licence": "own",
}
FULL = {
    **LEAST,
    **{
        "item": "a",
        "kind": "still",
        "view": DatasetView.PLAX,
        "phase": Phase.ES,
        "root": Path("/data"),
        "path": Path("x/ä b.png"),
    },
    **{
        "n_frames": 30,
        "frame_rate_hz": 50,
        "duration_s": 0.6,
        "frame_times_s": "0;0.02",
        "ef_percent": 55.748248,
    },
    **{
        "edv_ml": 0.1 + 0.2,
        "esv_ml": 1e-9,
        "ed_frame": 0,
        "es_frame": 12,
        "age_years": 61.5,
        "sex": Sex.FEMALE,
    },
    **{"labels": '{"MI": "non-MI, \\"seg 3\\""}', "split": Split.VAL, "quality": "Good"},
}


def row(item="a", **values):
    return {**LEAST, "item": item, **values}


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".PARQUET", ".CSV"])
def test_round_trip(tmp_path, suffix):
    table = make_manifest([FULL, row("b"), row("c", patient="p2", split="test")])
    path = tmp_path / f"m{suffix}"
    write_manifest(table, path)
    assert read_manifest(path).equals(table)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_an_empty_manifest_comes_back(tmp_path, suffix):
    table = make_manifest([])
    write_manifest(table, tmp_path / f"m{suffix}")
    back = read_manifest(tmp_path / f"m{suffix}")
    assert back.shape == (0, len(COLUMNS))
    assert back.schema == table.schema


def test_columns_order_and_types_are_those_of_the_schema():
    table = make_manifest([FULL])
    assert table.columns == [c.name for c in COLUMNS]
    assert list(table.dtypes) == [POLARS_TYPES[c.kind] for c in COLUMNS]
    assert table["view"].to_list() == ["PLAX"]
    assert table["path"].to_list() == ["x/ä b.png"]
    assert table["frame_rate_hz"].to_list() == [50.0]
    assert table["diagnosis"].to_list() == [None]


def test_columns_may_be_missing_and_in_any_order(tmp_path):
    path = tmp_path / "hand.csv"
    path.write_text(
        "ef_percent,licence,path,root,view,kind,patient,collection,item\n55,own,a.avi,/d,A4C,clip,p,mine,a\n"
    )
    table = read_manifest(path)
    assert table.columns == [c.name for c in COLUMNS]
    assert table.row(0, named=True)["ef_percent"] == 55.0
    assert table["split"].to_list() == [None]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"item": None}, "item must be text; 1 rows are not"),
        ({"patient": None}, "patient must be text"),
        ({"licence": None}, "licence must be text"),
        ({"kind": "movie"}, "kind must be one of clip, still"),
        ({"view": "4CH"}, "view must be one of A4C, A2C, PLAX, PSAX, other, unknown"),
        ({"phase": "ed"}, "phase must be one of ED, ES"),
        ({"split": "TRAIN"}, "split must be one of train, val, test"),
        ({"sex": "female"}, "sex must be one of F, M"),
        ({"ef_percent": 100.1}, "ef_percent must be a finite number from 0 to 100"),
        ({"ef_percent": -0.1}, "ef_percent must be a finite number from 0 to 100"),
        ({"ef_percent": math.nan}, "ef_percent must be a finite number"),
        ({"edv_ml": math.inf}, "edv_ml must be a finite number of at least 0"),
        ({"n_frames": 0}, "n_frames must be a whole number of at least 1"),
        ({"ed_frame": -1}, "ed_frame must be a whole number of at least 0"),
        ({"frame_rate_hz": 1001}, "frame_rate_hz must be a finite number from 0.1 to 1000"),
        ({"age_years": 200}, "age_years must be a finite number from 0 to 130"),
    ],
)
def test_what_the_schema_does_not_allow(values, sentence):
    with pytest.raises(DataError) as caught:
        make_manifest([row("first"), row(**{"item": "bad", **values})], "here")
    assert str(caught.value).startswith("here: ")
    assert sentence in str(caught.value)
    assert ("bad" if values.get("item", "bad") else "None") in str(caught.value)


def test_the_first_bad_rows_are_named_and_all_are_counted():
    with pytest.raises(DataError, match=r"5 rows are not, first r0 \('x'\), r1 \('x'\), r2 \('x'\)\."):
        make_manifest([row(f"r{i}", view="x") for i in range(5)])


def test_items_are_unique():
    with pytest.raises(DataError, match="item names must be unique; 1 are not, first a"):
        make_manifest([row("a"), row("b"), row("a")])


def test_an_unknown_column():
    with pytest.raises(DataError, match="unknown column ejection; known are item, collection"):
        make_manifest([row(ejection=50)])
    whole = make_manifest([row("a")])
    with pytest.raises(DataError, match="unknown column ejection"):
        conform_table(whole.with_columns(pl.lit(50).alias("ejection")), "there")


def test_a_collections_own_table_is_no_manifest():
    with pytest.raises(DataError, match=r"no manifest: it has no column item, collection.* lvef data import"):
        conform_table(pl.DataFrame({"FileName": ["0X1.avi"], "EF": [55.0]}), "FileList.csv")
    with pytest.raises(DataError, match=r"it has no column licence\."):
        conform_table(make_manifest([row("a")]).drop("licence"), "there")


@pytest.mark.parametrize("values", [{"item": 5}, {"labels": {"a": 1}}])
def test_a_value_of_the_wrong_type(values):
    with pytest.raises(DataError, match="a value has the wrong type"):
        make_manifest([row(**{"item": "a", **values})])


@pytest.mark.parametrize(
    ("column", "text", "sentence"),
    [
        (
            "ef_percent",
            "fifty",
            "ef_percent holds 'fifty' in row 2 (1 such rows), a finite number from 0 to 100 was expected",
        ),
        ("n_frames", "1.5", "n_frames holds '1.5' in row 2"),
        ("ed_frame", "1e3x", "ed_frame holds '1e3x'"),
        ("ef_percent", "nan", "ef_percent must be a finite number"),
    ],
)
def test_a_cell_of_a_csv_that_is_no_number(tmp_path, column, text, sentence):
    path = tmp_path / "m.csv"
    table = make_manifest([row("a"), row("b")])
    cells = pl.Series(column, [None, text], dtype=pl.String)
    table.with_columns(cells).write_csv(path)
    with pytest.raises(DataError) as caught:
        read_manifest(path)
    assert f"{path}: " in str(caught.value)
    assert sentence in str(caught.value)


def test_an_empty_text_is_null(tmp_path):
    path = tmp_path / "m.csv"
    table = make_manifest([row("a"), row("b", quality="Good")])
    table.with_columns(pl.col("quality", "mask_path").fill_null("")).write_csv(path)
    assert '""' in path.read_text()
    assert read_manifest(path).equals(table)


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("m.txt", b"", "a manifest ends in .parquet or .csv"),
        ("m.parquet", b"PAR1 no more", "is no parquet table"),
        ("m.csv", b"", "is no csv table"),
        ("m.csv", b"item\n", "is a table, but no manifest"),
    ],
)
def test_files_that_are_no_manifest(tmp_path, name, data, sentence):
    path = tmp_path / name
    path.write_bytes(data.replace(b"item\n", b"thing\nx\n"))
    with pytest.raises(DataError) as caught:
        read_manifest(path)
    assert sentence in str(caught.value)


def test_files_that_are_not_there_or_cannot_be_written(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: cannot be read"):
        read_manifest(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"m\.xlsx: a manifest ends in"):
        write_manifest(make_manifest([]), tmp_path / "m.xlsx")
    with pytest.raises(DataError, match="could not be written"):
        write_manifest(make_manifest([]), tmp_path / "nowhere" / "m.csv")


def test_the_schema_says_what_it_holds():
    assert len(BY_NAME) == len(COLUMNS)
    for column in COLUMNS:
        assert column.meaning
        assert not column.meaning.endswith(".")
        if column.kind == "number":
            assert column.low is not None
            unit = column.name.rpartition("_")[2]
            assert unit in {"hz", "s", "mm", "percent", "ml", "years", "bpm"}, "the unit stands in the name"


TEXT = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1, max_size=20
)
NUMBER = st.floats(0, 100, allow_nan=False)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"item": TEXT, "patient": TEXT, "path": TEXT},
            optional={
                "ef_percent": st.none() | NUMBER,
                "edv_ml": NUMBER | st.integers(0, 900),
                "n_frames": st.integers(1, 2**53),
                "quality": st.none() | TEXT,
                "split": st.sampled_from([None, *Split]),
            },
        ),
        max_size=6,
        unique_by=lambda r: r["item"],
    )
)
@pytest.mark.slow
def test_whatever_can_be_said_comes_back_as_parquet_and_csv(rows):
    table = make_manifest([{**LEAST, **r} for r in rows])
    assert table.height == len(rows)
    assert table["item"].to_list() == [r["item"] for r in rows]
    buffer = io.BytesIO()
    table.write_csv(buffer)
    back = conform_table(pl.read_csv(buffer.getvalue(), infer_schema=False), "csv")
    assert back.equals(table)
