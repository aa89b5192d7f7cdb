"""EchoNet-Dynamic becomes a manifest whatever its copies have been through, and nothing is dropped silently."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from lvef.core.errors import DataError
from lvef.datasets.findings import Findings
from lvef.datasets.readers.echonet_dynamic import READER
from lvef.datasets.volume_tracings import decide_phases, read_traced_frames
from lvef.geometry.simpson import disks_single_plane
from tests.datasets import echonet_folder

N = 16


@pytest.fixture(scope="module")
def table():
    return echonet_folder.file_list(N)


@pytest.fixture
def root(tmp_path):
    return echonet_folder.write(tmp_path / "EchoNet-Dynamic", N)


def read(root):
    found = READER.read(root, None)
    return found.manifest, {f.code: f for f in found.findings}


def edit(path, change, **options):
    change(pl.read_csv(path, infer_schema=False)).write_csv(path, **options)


def set_cell(column, row, value):
    return lambda t: t.with_columns(
        pl.when(pl.int_range(pl.len()) == row).then(pl.lit(value)).otherwise(pl.col(column)).alias(column)
    )


def row_of(manifest, item):
    return manifest.row(by_predicate=pl.col("item") == item, named=True)


def test_the_release(root, table):
    manifest, findings = read(root)
    assert set(findings) == {"partial_list"}
    assert manifest["item"].to_list() == manifest["patient"].to_list() == table["FileName"].to_list()
    for ours, theirs in [("ef_percent", "EF"), ("edv_ml", "EDV"), ("esv_ml", "ESV")]:
        assert np.allclose(manifest[ours], table[theirs], rtol=1e-12)
    assert manifest["split"].to_list() == table["Split"].str.to_lowercase().to_list()
    row = manifest.row(0, named=True)
    assert (row["view"], row["kind"], row["n_frames"], row["frame_rate_hz"]) == ("A4C", "clip", 32, 50)
    assert row["duration_s"] == pytest.approx(0.64)
    assert (row["ed_frame"], row["es_frame"], row["n_traced_frames"]) == (4, 20, 2)
    assert (row["spacing_x_mm"], row["age_years"], row["labels"]) == (None, None, None)
    assert row["tracing_path"] == "VolumeTracings.csv"
    assert row["told_by"] == "FileList.csv, line 2"
    assert all((root / path).is_file() for path in manifest["path"])


def test_names_with_avi_extra_index_columns_and_blanks(root, table):
    plain, _ = read(root)

    def change(t):
        t = t.with_columns(
            (pl.col("FileName") + pl.Series([".avi", ".AVI", "", " "] * (N // 4))).alias("FileName")
        )
        index = pl.int_range(pl.len()).cast(pl.String)
        return t.select(index.alias(""), index.alias("Unnamed: 0"), pl.all())

    edit(root / "FileList.csv", change)
    edit(
        root / "VolumeTracings.csv",
        lambda t: t.with_columns(pl.col("FileName").str.replace(".avi", "", literal=True)),
    )
    manifest, findings = read(root)
    assert manifest.equals(plain)
    assert set(findings) == {"partial_list", "extra_columns"}
    assert findings["extra_columns"].examples == (
        "FileList.csv: (without a name)",
        "FileList.csv: Unnamed: 0",
    )


def test_order_of_columns_blank_lines_and_line_ends_do_not_matter(root):
    plain, _ = read(root)
    edit(root / "FileList.csv", lambda t: t.select(reversed(t.columns)))
    path = root / "FileList.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")
    manifest, findings = read(root)
    assert manifest.equals(plain)
    assert set(findings) == {"partial_list"}


@pytest.mark.parametrize("column", ["EF", "ESV", "FPS", "NumberOfFrames", "FrameHeight", "Split"])
def test_a_missing_column_is_reported_and_stays_empty(root, column):
    edit(root / "FileList.csv", lambda t: t.drop(column))
    manifest, findings = read(root)
    assert findings["missing_columns"].examples == (f"FileList.csv: {column}",)
    ours = {"EF": "ef_percent", "ESV": "esv_ml", "FPS": "frame_rate_hz", "FrameHeight": "height_px"}
    assert manifest[ours.get(column, {"NumberOfFrames": "n_frames"}.get(column, "split"))].null_count() == N
    assert len(manifest) == N


def test_splits_in_any_case_and_unknown_ones(root):
    edit(root / "FileList.csv", lambda t: t.with_columns(pl.col("Split").str.to_titlecase()))
    edit(root / "FileList.csv", set_cell("Split", 3, "HOLDOUT"))
    manifest, findings = read(root)
    assert manifest["split"].null_count() == 1
    assert manifest["split"][:3].to_list() == ["train"] * 3
    assert manifest["split_name"][:4].to_list() == ["Train", "Train", "Train", "HOLDOUT"]
    assert findings["unknown_split"].examples == (manifest["item"][3],)


@pytest.mark.parametrize(
    ("column", "text", "code", "ours"),
    [
        ("EF", "nan", "no_ef", "ef_percent"),
        ("EF", "", "no_ef", "ef_percent"),
        ("EF", "101", "ef_out_of_range", "ef_percent"),
        ("EF", "-3", "ef_out_of_range", "ef_percent"),
        ("EF", "inf", "no_number", "ef_percent"),
        ("EF", "55,2", "no_number", "ef_percent"),
        ("EDV", "NaN", "gap", "edv_ml"),
        ("EDV", "-1", "out_of_range", "edv_ml"),
        ("NumberOfFrames", "0", "out_of_range", "n_frames"),
        ("NumberOfFrames", "30.5", "out_of_range", "n_frames"),
        ("FPS", "0", "out_of_range", "frame_rate_hz"),
        ("FrameWidth", "wide", "no_number", "width_px"),
    ],
)
def test_values_that_cannot_be_stay_empty_and_are_reported(root, column, text, code, ours):
    edit(root / "FileList.csv", set_cell(column, 5, text))
    manifest, findings = read(root)
    assert findings[code].count == 1
    assert manifest["item"][5] in findings[code].examples[0]
    assert manifest[ours].is_null().arg_true().to_list() == [5]
    assert len(manifest) == N


def test_ef_against_volumes(root):
    # Labels shifted against names: the public error that the comparison is there for.
    edit(root / "FileList.csv", lambda t: t.with_columns(pl.col("EF").shift(1).fill_null("50")))
    _, findings = read(root)
    assert findings["ef_disagrees"].count == N
    edit(root / "FileList.csv", lambda t: t.rename({"EDV": "ESV", "ESV": "EDV"}))
    _, findings = read(root)
    assert findings["esv_above_edv"].count == N


def test_duplicate_rows(root):
    edit(
        root / "FileList.csv", lambda t: pl.concat([t, t[:2], t[4:5].with_columns(pl.lit("61").alias("EF"))])
    )
    edit(root / "FileList.csv", set_cell("FileName", N, echonet_folder.file_list(N)["FileName"][0] + ".avi"))
    manifest, findings = read(root)
    names = echonet_folder.file_list(N)["FileName"]
    assert findings["duplicate_rows"].examples == (names[0], names[1])
    assert findings["contradicting_rows"].examples == (names[4],)
    assert findings["contradicting_rows"].severity == "error"
    assert len(manifest) == N - 1, "equal rows once, contradicting ones not at all"
    assert findings["tracing_of_unknown_clip"].examples == (names[4],)


def test_rows_that_name_no_clip(root):
    for row, name in [(0, ""), (1, "../../etc/passwd"), (2, ".avi"), (3, "a\\b")]:
        edit(root / "FileList.csv", set_cell("FileName", row, name))
    manifest, findings = read(root)
    assert findings["unnamed_row"].count == 4
    assert findings["unnamed_row"].examples[0] == "FileList.csv, line 2"
    assert len(manifest) == N - 4


def test_a_line_with_a_comma_too_many(root):
    path = root / "FileList.csv"
    lines = path.read_text().splitlines()
    lines[3] += ",x"
    path.write_text("\n".join(lines))
    manifest, findings = read(root)
    assert findings["ragged_lines"].examples == ("FileList.csv, line 4",)
    assert len(manifest) == N


def test_files_missing_empty_and_not_listed(root, table):
    names = table["FileName"]
    videos = root / "Videos"
    for name in names[:3]:
        (videos / f"{name}.avi").unlink()
    (videos / f"{names[3]}.avi").unlink()
    (videos / f"{names[3]}.avi").touch()
    (videos / f"{names[4]}.avi").rename(videos / f"{names[4]}.AVI")
    (videos / "0XSTRANGE.avi").touch()
    (videos / "Thumbs.db").touch()
    manifest, findings = read(root)
    assert (findings["missing_file"].count, findings["missing_file"].severity) == (3, "error")
    assert findings["missing_file"].examples == tuple(names[:3])
    assert findings["empty_file"].examples == (names[3],)
    assert findings["unlisted_video"].examples == ("0XSTRANGE",)
    assert len(manifest) == N, "labels are right, so they are kept"
    assert row_of(manifest, names[4])["path"] == f"Videos/{names[4]}.AVI"


def test_a_half_extracted_archive_without_videos_and_tracings(root):
    for path in (root / "Videos").iterdir():
        path.unlink()
    (root / "Videos").rmdir()
    (root / "VolumeTracings.csv").unlink()
    manifest, findings = read(root)
    assert findings["missing_file"].count == N
    assert findings["no_tracings_table"].count == 1
    assert manifest["ed_frame"].null_count() == manifest["tracing_path"].null_count() == N
    assert manifest["ef_percent"].null_count() == 0


def test_ed_is_decided_by_volume_and_not_by_order(root, table):
    name = table["FileName"][7]
    mine = pl.col("FileName") == f"{name}.avi"
    frame = pl.col("Frame")
    swapped = pl.when(mine & (frame == "4")).then(pl.lit("25")).otherwise(frame)
    edit(root / "VolumeTracings.csv", lambda t: t.with_columns(swapped.alias("Frame")))
    manifest, findings = read(root)
    row = row_of(manifest, name)
    assert (row["ed_frame"], row["es_frame"]) == (25, 20)
    assert findings["ed_after_es"].examples == (name,)


def test_rows_without_tracings_and_of_another_size(root, table):
    name = table["FileName"][2]
    edit(root / "FileList.csv", set_cell("FrameHeight", 2, "768"))
    edit(root / "FileList.csv", set_cell("FrameWidth", 2, "1024"))
    edit(root / "VolumeTracings.csv", lambda t: t.filter(pl.col("FileName") != f"{name}.avi"))
    manifest, findings = read(root)
    row = row_of(manifest, name)
    assert (row["height_px"], row["width_px"]) == (768, 1024)
    assert (row["n_traced_frames"], row["tracing_path"], row["ed_frame"]) == (0, None, None)
    assert findings["no_tracing"].examples == findings["other_size"].examples == (name,)


def test_tracings_that_are_odd(root, table):
    names = table["FileName"]

    def change(t):
        mine = [pl.col("FileName") == f"{name}.avi" for name in names[:5]]
        es, at = pl.col("Frame") == "20", pl.int_range(pl.len()).over("FileName", "Frame")
        t = t.filter(~(mine[0] & es & (at == 20)))  # 21 lines minus one
        t = t.filter(~(mine[1] & es))  # one traced frame
        t = t.with_columns(pl.when(mine[2] & es).then(pl.lit("32")).otherwise(pl.col("Frame")).alias("Frame"))
        third = t.filter(mine[3] & (pl.col("Frame") == "4")).with_columns(pl.lit("9").alias("Frame"))
        stranger = t.filter(mine[3]).with_columns(pl.lit("0XSTRANGER.avi").alias("FileName"))
        broken = t.filter(mine[4]).head(1).with_columns(pl.lit("x").alias("X1"))
        return pl.concat([t, third, stranger, broken])

    edit(root / "VolumeTracings.csv", change)
    manifest, findings = read(root)
    assert findings["other_line_count"].examples == (f"{names[0]}, frame 20: 20",)
    assert row_of(manifest, names[0])["es_frame"] == 20
    assert set(findings["undecided_phase"].examples) == {names[1], names[2], names[4]}
    assert findings["tracing_outside_clip"].examples == (f"{names[2]}, frame 32 of 32",)
    assert row_of(manifest, names[2])["n_traced_frames"] == 1
    assert findings["more_traced_frames"].examples == (names[3],)
    assert row_of(manifest, names[3])["n_traced_frames"] == 3
    assert findings["tracing_of_unknown_clip"].examples == ("0XSTRANGER",)
    assert findings["bad_tracing_line"].count == 1
    assert len(manifest) == N


def test_volumes_are_those_of_the_method_of_disks(tmp_path):
    tracings = echonet_folder.volume_tracings(echonet_folder.file_list(3))
    tracings.write_csv(tmp_path / "VolumeTracings.csv")
    frames = read_traced_frames(tmp_path / "VolumeTracings.csv", Findings())
    assert len(frames) == 6
    for item, frame, n_lines, volume in frames.rows():
        lines = tracings.filter((pl.col("FileName") == f"{item}.avi") & (pl.col("Frame") == frame))
        points = lines.select("X1", "Y1", "X2", "Y2").to_numpy()
        lengths = np.hypot(points[:, 0] - points[:, 2], points[:, 1] - points[:, 3])
        assert n_lines == 21
        assert volume == pytest.approx(disks_single_plane(lengths[1:], lengths[0]))
        # Half an ellipsoid of the same axes, cut in 20: 2/3 pi w^2 L.
        width, length = (14.0, 60.0) if frame == 4 else (9.0, 48.0)
        assert volume == pytest.approx(2 / 3 * math.pi * width**2 * length, rel=0.01)


def test_equal_volumes_decide_nothing():
    frames = pl.DataFrame(
        {"item": ["a", "a", "b", "b"], "frame": [1, 2, 3, 4], "volume_px3": [5.0, 5.0, None, 2.0]}
    )
    findings = Findings()
    phases = decide_phases(frames, findings)
    assert phases["ed_frame"].to_list() == phases["es_frame"].to_list() == [None, None]
    assert findings.sorted()[0].examples == ("a", "b")


def test_wrong_roots_say_what_was_expected(root, tmp_path):
    (tmp_path / "empty").mkdir()
    for wrong, sentence in [
        (tmp_path / "nowhere", "no such folder"),
        (tmp_path / "empty", "unpack the archive"),
        (tmp_path, f"give {root}."),
        (root / "Videos", "has no FileList.csv"),
    ]:
        with pytest.raises(DataError, match=r"FileList\.csv, VolumeTracings\.csv and Videos") as caught:
            READER.read(wrong, None)
        assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is no CSV table"),
        (b"Name;EF\na;50\n", "has no column FileName but Name;EF"),
        (b'FileName,EF\n"0X1,50\n', "is no CSV table"),
    ],
)
def test_a_list_that_is_none(root, data, sentence):
    (root / "FileList.csv").write_bytes(data)
    with pytest.raises(DataError, match="FileList") as caught:
        READER.read(root, None)
    assert sentence in str(caught.value)


def test_an_empty_list_and_names_in_another_case(root):
    (root / "FileList.csv").rename(root / "filelist.csv")
    (root / "Videos").rename(root / "videos")
    manifest, findings = read(root)
    assert manifest["path"].str.starts_with("videos/").all()
    assert set(findings) == {"partial_list"}
    (root / "filelist.csv").write_text(",".join(echonet_folder.HEADER) + "\n")
    manifest, findings = read(root)
    assert len(manifest) == 0
    assert findings["unlisted_video"].count == N


def test_progress_ends_at_all(root):
    calls = []
    READER.read(root, lambda done, total: calls.append((done, total)))
    assert calls[0] == (0, N)
    assert calls[-1] == (N, N)
