"""Traced frames with their lines: from tables, from masks, and everything that does not fit together."""

import cv2
import numpy as np
import polars as pl
import pytest

from lvef.core.errors import DataError
from lvef.datasets.manifest import make_manifest
from lvef.io.open import open_clip
from lvef.stores.prepare import prepare
from lvef.stores.traced_frames import TraceRecipe, file_stems
from lvef.transforms.volume_tracing import volume_of_lines
from tests.datasets import camus_folder
from tests.geometry.ventricle_shapes import true_volume
from tests.stores.made_up import EF, row, ventricle_lines, write_echonet, write_stills, write_tracings


@pytest.fixture
def manifest(tmp_path):
    return write_echonet(tmp_path / "data")


def index_of(folder):
    return pl.read_parquet(folder / "index.parquet")


@pytest.mark.parametrize("workers", [1, 2])
def test_ed_and_es_of_each_clip(tmp_path, manifest, workers):
    done = prepare(manifest, tmp_path / "t", TraceRecipe(), workers=workers)
    assert (done.written, done.frames, done.exit_code) == (4, 8, 0)
    assert not done.notes
    index = index_of(tmp_path / "t")
    assert index["item"].to_list() == [f"e{i}" for i in range(4) for _ in range(2)]
    assert index["phase"].to_list() == ["ED", "ES"] * 4
    assert index["frame"].to_list() == [5, 20, 20, 5] * 2  # by volume, not by order
    assert index["lines_ef_percent"].to_numpy() == pytest.approx(EF, abs=0.7)
    for line in index.iter_rows(named=True):
        lines = np.loadtxt(tmp_path / "t" / line["lines"], delimiter=",", skiprows=1)[:, 1:].reshape(21, 2, 2)
        assert lines == pytest.approx(ventricle_lines(1.0 if line["phase"] == "ED" else 0.7), abs=2e-3)
        assert lines.ravel() == pytest.approx(line["lines_px"])
        assert volume_of_lines(lines) == pytest.approx(line["volume_px3"], rel=1e-3)
        picture = cv2.imread(str(tmp_path / "t" / line["picture"]), cv2.IMREAD_UNCHANGED)
        clip = open_clip(tmp_path / "data" / "Videos" / f"{line['item']}.avi")
        assert (picture == clip.frames[line["frame"]]).all()


def test_another_size(tmp_path, manifest):
    prepare(manifest, tmp_path / "t", TraceRecipe(size=224))
    lines = np.array(index_of(tmp_path / "t")["lines_px"][0].to_list()).reshape(21, 2, 2)
    assert lines == pytest.approx((ventricle_lines(1.0) + 0.5) * 2 - 0.5, abs=2e-3)
    assert cv2.imread(str(tmp_path / "t" / "frames" / "e0_ED.png")).shape == (224, 224, 3)


def test_what_does_not_fit_is_named_and_the_rest_goes_on(tmp_path):
    root = tmp_path / "data"
    manifest = write_echonet(root, n=7)
    ed, es = ventricle_lines(1.0), ventricle_lines(0.7)
    broken = es.copy()
    broken[4, 0, 0] = np.nan
    traced = [
        *[("e0", 5, ed), ("e0", 20, es[:-1])],  # 20 lines
        *[("e1.avi", 5, ed), ("e1.avi", 99, es)],
        ("e2.avi", 5, ed),
        *[("e3.avi", 5, ed), ("e3.avi", 20, broken)],
        *[("e4.avi", 5, 5 * ed), ("e4.avi", 20, 5 * es)],
        *[("unknown.avi", 5, ed), ("unknown.avi", 20, es)],
        *[("e6.avi", 5, ed), ("e6.avi", 20, es)],
    ]
    write_tracings(root / "VolumeTracings.csv", traced)
    (root / "Videos" / "e6.avi").write_bytes(b"nothing")
    done = prepare(manifest, tmp_path / "t", TraceRecipe())
    assert done.written == 1
    assert done.exit_code == 1
    reasons = {failure.item: failure.reason for failure in done.failed}
    assert list(reasons) == ["e1", "e2", "e3", "e4", "e6"]
    assert "e1: Frame 99 is traced, but the clip has frames 0 to 29" in reasons["e1"]
    assert "ED and ES need two" in reasons["e2"]
    assert "e3: 1 traced frame; ED and ES need two" in reasons["e3"]
    assert done.notes["unusable_rows"] == 1
    assert "not of this image" in reasons["e4"]
    assert done.skipped == {"not_traced": 1}
    assert done.notes["traced_but_not_in_manifest"] == 1
    assert done.notes["other_number_of_lines"] == 1
    left_out = pl.read_csv(tmp_path / "t" / "left_out.csv")
    assert left_out.filter(pl.col("rule") == "skipped")["item"].to_list() == ["e5"]
    assert index_of(tmp_path / "t")["n_traced_lines"].to_list() == [21, 20]


def test_going_on(tmp_path, manifest):
    prepare(manifest.head(2), tmp_path / "t", TraceRecipe())
    first = (tmp_path / "t" / "frames" / "e0_ED.png").stat().st_mtime_ns
    (tmp_path / "t" / "lines" / "e1_ES.csv").unlink()
    done = prepare(manifest, tmp_path / "t", TraceRecipe())
    assert (done.written, done.resumed) == (3, 1)
    assert (tmp_path / "t" / "frames" / "e0_ED.png").stat().st_mtime_ns == first
    assert len(index_of(tmp_path / "t")) == 8


def test_stills_with_masks_and_pixels_that_are_not_square(tmp_path):
    done = prepare(write_stills(tmp_path / "data"), tmp_path / "t", TraceRecipe(size=128))
    assert (done.frames, done.exit_code) == (2, 0)
    index = index_of(tmp_path / "t")
    assert index["phase"].to_list() == ["ED", "ES"]
    assert index["traced_by"].to_list() == ["mask", "mask"]
    # 256 x 128 pixels of 0.3 x 0.6 mm become a full square of 128.
    assert index["volume_px3"][0] == pytest.approx(true_volume(50, 16), rel=0.03)
    assert index["volume_px3"][1] == pytest.approx(true_volume(35, 11.2), rel=0.04)
    assert index["level_error"].max() < 0.05
    assert index["lines_ef_percent"].to_numpy() == pytest.approx(EF, abs=2)
    assert "es_larger_than_ed" not in done.notes


def test_stills_labelled_the_other_way_round_are_counted(tmp_path):
    manifest = write_stills(tmp_path / "data")
    swapped = manifest.with_columns(phase=pl.Series(["ES", "ED"]))
    done = prepare(swapped, tmp_path / "t", TraceRecipe())
    assert done.notes["es_larger_than_ed"] == 1
    assert index_of(tmp_path / "t")["phase"].to_list() == ["ES", "ED"]


def test_a_clip_with_a_mask_for_every_frame(tmp_path):
    root = camus_folder.write_nifti(tmp_path / "camus", 1)
    stem = "database_nifti/patient0001/patient0001_4CH_half_sequence"
    values = {"path": f"{stem}.nii.gz", "mask_path": f"{stem}_gt.nii.gz"}
    manifest = make_manifest([row(root, "p", **values), row(root, "q", **values, ed_frame=0, es_frame=3)])
    done = prepare(manifest, tmp_path / "t", TraceRecipe())
    assert done.exit_code == 0, done.failed
    index = index_of(tmp_path / "t")
    assert index["frame"].to_list() == [0, camus_folder.N_FRAMES - 1, 0, 3]
    assert (index["lines_ef_percent"] > 10).all()


def test_masks_that_do_not_fit(tmp_path):
    root = tmp_path / "data"
    manifest = write_stills(root)
    cv2.imwrite(str(root / "p_ES_gt.png"), np.ones((10, 10), np.uint8))
    (root / "p_ED_gt.png").unlink()
    done = prepare(manifest, tmp_path / "t", TraceRecipe())
    assert "does not exist" in done.failed[0].reason
    assert "(1, 10, 10)" in done.failed[1].reason
    assert len(index_of(tmp_path / "t")) == 0


def test_refusals(tmp_path, manifest):
    none = manifest.with_columns(tracing_path=pl.lit(None, pl.String))
    with pytest.raises(DataError, match="none of its 4 items has tracings or a mask"):
        prepare(none, tmp_path / "t", TraceRecipe())
    (tmp_path / "data" / "VolumeTracings.csv").unlink()
    with pytest.raises(DataError, match="cannot be read"):
        prepare(manifest, tmp_path / "t", TraceRecipe())
    assert not (tmp_path / "t").exists()


def test_names_of_files():
    long = "x" * 200
    stems = file_stems(["../etc/x", "a b", "a_b", "A_B", "äö", long, "..."])
    assert stems["a b"] == "a_b"
    assert stems["../etc/x"] == "_etc_x"
    assert len({stem.casefold() for stem in stems.values()}) == 7
    assert len(stems[long]) == 80
    assert stems["..."] == "item"
