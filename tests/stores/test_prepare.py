"""Manifests into stores: what is kept, what is left out, and a run that is killed."""

import json
import signal
import subprocess
import sys
import time

import nibabel as nib
import numpy as np
import polars as pl
import pytest

from lvef.core.errors import ConfigError, DataError
from lvef.datasets.manifest import make_manifest, write_manifest
from lvef.io.open import open_clip
from lvef.stores import recipes
from lvef.stores.clip_store import TwoStreamStore
from lvef.stores.prepare import prepare
from lvef.stores.recipes import ClipRecipe, Crop, TwoStreamRecipe
from lvef.transforms.store import ClipStore
from lvef.transforms.two_stream import two_streams
from tests.io.io_fabrication import write_video
from tests.stores.made_up import row, write_clips, write_stills

SMALL = ClipRecipe(size=48)


@pytest.fixture
def manifest(tmp_path):
    return write_clips(tmp_path / "data")


@pytest.mark.parametrize("workers", [1, 3])
def test_every_frame_is_there_in_the_order_of_the_manifest(tmp_path, manifest, workers):
    done = prepare(manifest, tmp_path / "s", SMALL, workers=workers)
    assert (done.written, done.resumed, done.exit_code) == (6, 0, 0)
    assert done.frames == sum(range(20, 26))
    store = ClipStore(tmp_path / "s")
    assert list(store.items) == manifest["item"].to_list()
    assert store.column("ef_percent") == manifest["ef_percent"].to_list()
    assert store.column("split") == ["test", "train"] * 3
    assert store.column("frame_rate_hz") == pytest.approx([25.0] * 6)
    assert store.column("frame_times_s") == [None] * 6
    assert store.frames(2).shape == (22, 48, 48)
    assert all(good for _, good in store.verify())


def test_images_are_padded_never_stretched(tmp_path, manifest):
    prepare(manifest, tmp_path / "s", ClipRecipe(size=60))
    store = ClipStore(tmp_path / "s")
    frames = open_clip(tmp_path / "data" / "Videos" / "c3.avi").frames  # 40 x 60
    assert (store.frames("c3")[:, 10:50] == frames).all()
    assert not store.frames("c3")[:, :10].any()
    assert not store.frames("c3")[:, 50:].any()
    assert [store.column(name)[3] for name in ("scale_x", "pad_x_px", "pad_y_px")] == [1.0, 0, 10]


def test_no_place_on_this_machine_gets_into_the_store(tmp_path, manifest):
    prepare(manifest, tmp_path / "s", SMALL)
    names = pl.read_parquet(tmp_path / "s" / "index.parquet").columns
    assert not {"root", "path", "told_by"} & set(names)
    text = b"".join(path.read_bytes() for path in (tmp_path / "s").iterdir())
    assert str(tmp_path).encode() not in text


def test_an_unreadable_clip_is_named_counted_and_left_out(tmp_path, manifest):
    videos = tmp_path / "data" / "Videos"
    (videos / "c2.avi").write_bytes(b"RIFF" + bytes(300))
    (videos / "c4.avi").unlink()
    told = []
    done = prepare(manifest, tmp_path / "s", SMALL, workers=2, on_failed=told.append)
    assert (done.written, len(done.failed), done.exit_code) == (4, 2, 1)
    assert [failure.item for failure in told] == ["c2", "c4"]
    assert ClipStore(tmp_path / "s").items == ("c0", "c1", "c3", "c5")
    left_out = pl.read_csv(tmp_path / "s" / "left_out.csv")
    assert left_out["item"].to_list() == ["c2", "c4"]
    assert "does not exist" in left_out["reason"][1]
    write_clips(tmp_path / "again")
    for name in ("c2.avi", "c4.avi"):
        (tmp_path / "again" / "Videos" / name).rename(videos / name)
    mended = prepare(manifest, tmp_path / "s", SMALL)
    assert (mended.written, mended.resumed, mended.exit_code) == (2, 4, 0)
    store = ClipStore(tmp_path / "s")
    assert list(store.items) == manifest["item"].to_list()
    assert all(good for _, good in store.verify())


def test_a_bug_met_in_one_clip_costs_no_other(tmp_path, manifest, monkeypatch):
    def broken(path):
        if path.stem == "c1":
            raise ZeroDivisionError("Musterfrau")
        return open_clip(path)

    monkeypatch.setattr(recipes, "open_clip", broken)
    done = prepare(manifest, tmp_path / "s", SMALL)
    assert done.written == 5
    assert "ZeroDivisionError in test_prepare.py" in done.failed[0].reason
    assert "Musterfrau" not in done.failed[0].reason


def test_labels_are_those_of_the_manifest_now_and_frames_are_kept(tmp_path, manifest):
    prepare(manifest, tmp_path / "s", SMALL)
    changed = manifest.with_columns(ef_percent=pl.lit(33.0)).filter(pl.col("item") != "c1")
    done = prepare(changed, tmp_path / "s", SMALL)
    assert (done.written, done.resumed) == (0, 5)
    store = ClipStore(tmp_path / "s")
    assert store.items == ("c0", "c2", "c3", "c4", "c5")
    assert set(store.column("ef_percent")) == {33.0}


def test_a_clip_that_changed_is_read_again_and_one_that_is_gone_stays(tmp_path, manifest):
    prepare(manifest, tmp_path / "s", SMALL)
    videos = tmp_path / "data" / "Videos"
    (videos / "c0.avi").write_bytes((videos / "c5.avi").read_bytes())
    (videos / "c1.avi").unlink()
    done = prepare(manifest, tmp_path / "s", SMALL)
    assert (done.written, done.resumed, done.exit_code) == (1, 5, 0)
    store = ClipStore(tmp_path / "s")
    assert (store.frames("c0") == store.frames("c5")).all()
    assert len(store.frames("c1")) == 21


def test_verify_makes_damaged_clips_again(tmp_path, manifest, monkeypatch):
    monkeypatch.setattr("lvef.stores.clip_store.RECHECKED", 1)
    prepare(manifest, tmp_path / "s", SMALL)
    path = tmp_path / "s" / "frames-00000.u8"
    good = path.read_bytes()
    path.write_bytes(b"\xff" + good[1:])
    assert prepare(manifest, tmp_path / "s", SMALL).damaged == ()
    done = prepare(manifest, tmp_path / "s", SMALL, verify=True)
    assert (done.damaged, done.written, done.exit_code) == (("c0",), 1, 0)
    assert all(sound for _, sound in ClipStore(tmp_path / "s").verify())


def test_stills_are_passed_over_and_counted(tmp_path, manifest):
    both = pl.concat([manifest, write_stills(tmp_path / "stills")])
    done = prepare(both, tmp_path / "s", SMALL)
    assert done.skipped == {"still": 2}
    assert done.exit_code == 0
    assert pl.read_csv(tmp_path / "s" / "left_out.csv")["rule"].to_list() == ["skipped", "skipped"]
    with pytest.raises(DataError, match="holds 2 stills and no clip"):
        prepare(write_stills(tmp_path / "more"), tmp_path / "t", SMALL)
    assert not (tmp_path / "t").exists()


def test_wrong_roots_empty_manifests_and_sizes(tmp_path, manifest):
    gone = manifest.with_columns(root=pl.lit(str(tmp_path / "nowhere")))
    with pytest.raises(DataError, match=r"nowhere, does not exist"):
        prepare(gone, tmp_path / "s", SMALL)
    with pytest.raises(DataError, match="empty"):
        prepare(manifest.head(0), tmp_path / "s", SMALL)
    with pytest.raises(ConfigError, match="8 pixels"):
        ClipRecipe(size=8)


def test_clips_without_ef_are_counted(tmp_path, manifest):
    done = prepare(manifest.with_columns(ef_percent=pl.lit(None, pl.Float64)), tmp_path / "s", SMALL)
    assert done.notes["without_ef"] == 6


def test_the_fan_alone(tmp_path):
    root = tmp_path / "data"
    y, x = np.mgrid[:200, :300]
    fan = (np.abs(np.arctan2(x - 180, y - 19)) < 0.6) & (np.hypot(x - 180, y - 19) < 150)
    rng = np.random.default_rng(0)
    frames = (rng.integers(60, 200, (12, 200, 300)) * fan).astype(np.uint8)
    frames[:, 20:28, 85:120:4] = 255  # a name on the screen, beside the tip of the fan
    (root / "Videos").mkdir(parents=True)
    write_video(str(root / "Videos" / "c.avi"), frames, "mjpeg", "yuvj420p")
    (root / "Videos" / "black.avi").write_bytes(b"")
    manifest = make_manifest([row(root, "c"), row(root, "black")])
    done = prepare(manifest, tmp_path / "s", ClipRecipe(size=64, crop=Crop.FAN))
    assert [failure.item for failure in done.failed] == ["black"]
    store = ClipStore(tmp_path / "s")
    assert store.column("box_x0_px")[0] > 70
    assert store.frames("c")[:, :8, :16].max() == 0
    assert store.frames("c")[:, :, 28:36].mean() > 50


def test_two_streams_from_the_store(tmp_path, manifest):
    recipe = TwoStreamRecipe(size=60, frames=6, duration=0.4)
    done = prepare(manifest, tmp_path / "s", recipe)
    assert done.frames == 36
    store = TwoStreamStore(tmp_path / "s")
    frames = open_clip(tmp_path / "data" / "Videos" / "c3.avi").frames
    assert store.column("source_frames")[3] == "0;2;4;6;8;10"
    expected = np.zeros((6, 60, 60), np.uint8)
    expected[:, 10:50] = frames[0:11:2]
    streams = store.streams("c3")
    assert (streams.spatial == two_streams(expected).spatial).all()
    assert (streams.temporal == two_streams(expected).temporal).all()
    assert streams.spatial.shape == (5, 60, 60)
    assert store.times_s("c3") == pytest.approx(np.arange(6) * 0.08)
    assert "mirrored_frames" not in done.notes


def test_short_clips_are_mirrored_and_counted(tmp_path, manifest):
    done = prepare(manifest, tmp_path / "s", TwoStreamRecipe(size=48))
    assert done.notes["shorter_than_asked"] == 6
    store = TwoStreamStore(tmp_path / "s")
    assert store.frames(0).shape == (29, 48, 48)
    assert store.column("source_frames")[0].split(";")[17:22] == ["17", "18", "19", "18", "17"]
    assert store.frames(0).any(axis=(1, 2)).all()


def test_a_store_of_clips_is_none_of_samples(tmp_path, manifest):
    prepare(manifest, tmp_path / "s", SMALL)
    with pytest.raises(DataError, match="is a store of clips"):
        TwoStreamStore(tmp_path / "s")
    with pytest.raises(ConfigError, match="kind clips, now it is two-stream"):
        prepare(manifest, tmp_path / "s", TwoStreamRecipe(size=48))


def test_the_manifests_frame_rate_counts_where_the_file_has_none(tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    sequence = np.zeros((30, 20, 8), np.float32) + np.arange(8)
    nib.save(nib.Nifti1Image(sequence, np.diag([-1.0, -1.0, 1.0, 1.0])), root / "seq.nii.gz")
    rows = [row(root, "seq", path="seq.nii.gz", frame_rate_hz=40.0), row(root, "none", path="seq.nii.gz")]
    done = prepare(make_manifest(rows), tmp_path / "s", SMALL)
    store = ClipStore(tmp_path / "s")
    assert store.column("timing") == ["manifest", "assumed"]
    assert store.column("frame_rate_hz") == pytest.approx([40.0, 50.0])
    assert done.notes["assumed_frame_rate"] == 2


KILLED = """
import sys, time
from pathlib import Path
from lvef.datasets.manifest import read_manifest
from lvef.stores import recipes
from lvef.stores.prepare import prepare
from lvef.stores.recipes import ClipRecipe
real, opened = recipes.open_clip, []
def stuck(path):
    opened.append(1)
    if len(opened) > 10:
        time.sleep(600)
    return real(path)
recipes.open_clip = stuck
prepare(read_manifest(Path(sys.argv[1])), Path(sys.argv[2]), ClipRecipe(size=48), workers=2)
"""


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on(tmp_path):
    manifest = write_clips(tmp_path / "data", n=40)
    write_manifest(manifest, tmp_path / "m.parquet")
    store, journal = tmp_path / "s", tmp_path / "s" / "finished.jsonl"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "m.parquet"), str(store)])
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= 5):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    written = {
        json.loads(line)["item"]
        for line in journal.read_bytes().splitlines(keepends=True)
        if line.endswith(b"\n")
    }
    assert 5 <= len(written) < 40
    with pytest.raises(DataError, match="is incomplete"):
        ClipStore(store)
    done = prepare(manifest, store, SMALL)
    assert (done.resumed, done.written) == (len(written), 40 - len(written))
    prepare(manifest, tmp_path / "whole", SMALL)
    one, other = ClipStore(store), ClipStore(tmp_path / "whole")
    assert one.items == other.items
    assert one.column("sha256") == other.column("sha256")
    assert all(good for _, good in one.verify())
