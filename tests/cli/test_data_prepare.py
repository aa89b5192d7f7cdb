"""``lvef data prepare`` from end to end, and every sentence it says instead."""

import json
import subprocess
import sys

import pytest

from lvef.datasets.manifest import write_manifest
from lvef.stores.clip_store import TwoStreamStore
from lvef.transforms.store import ClipStore
from tests.stores.made_up import write_clips, write_echonet, write_stills


@pytest.fixture
def manifest(here):
    write_manifest(write_clips(here / "data"), here / "m.parquet")
    return "m.parquet"


def test_clips(run, manifest):
    result = run("data", "prepare", "clips", manifest, "--out", "store")
    assert result.exit_code == 0, result.stderr
    assert "store: 6 prepared, 0 left out; 135 frames in" in result.stdout
    assert ClipStore("store").frames("c0").shape == (20, 112, 112)
    again = run("data", "prepare", "clips", manifest, "--out", "store", "--verify", "--json")
    found = json.loads(again.stdout)
    assert (found["written"], found["resumed"], found["failed"]) == (0, 6, [])
    assert found["schema"] == "lvef-prepare/1"


def test_unreadable_clips(run, here, manifest):
    for i in (1, 3):
        (here / "data" / "Videos" / f"c{i}.avi").write_bytes(b"RIFF")
    result = run("data", "prepare", "clips", manifest, "--out", "store", "--size", "48", "--workers", "2")
    assert result.exit_code == 1
    assert "c1: left out." in result.stderr
    assert "c3: left out." in result.stderr
    assert "4 prepared, 2 left out" in result.stdout
    assert len(ClipStore("store")) == 4


def test_many_unreadable_clips_do_not_flood(run, here):
    write_manifest(write_clips(here / "data", n=14), here / "m.csv")
    for path in (here / "data" / "Videos").iterdir():
        path.write_bytes(b"x")
    result = run("data", "prepare", "clips", "m.csv", "--out", "store")
    assert result.exit_code == 1
    assert result.stderr.count("left out. ") == 10
    assert "4 more were left out; see store" in result.stderr
    assert len(ClipStore("store")) == 0


def test_two_stream(run, manifest):
    result = run(
        "data", "prepare", "two-stream", manifest, "--out", "s", "--size", "48", "--duration", "0.56"
    )
    assert result.exit_code == 0, result.stderr
    assert TwoStreamStore("s").streams(0).temporal.shape == (28, 48, 48)
    assert "played back and forth" not in result.stderr
    result = run("data", "prepare", "two-stream", manifest, "--out", "long", "--size", "48")
    assert "6 are shorter than asked for and were played back and forth" in result.stderr


def test_volume_traces(run, here):
    write_manifest(write_echonet(here / "data", n=2), here / "m.parquet")
    result = run("data", "prepare", "volume-traces", "m.parquet", "--out", "t")
    assert result.exit_code == 0, result.stderr
    assert "2 prepared, 0 left out; 4 traced frames in" in result.stdout
    assert (here / "t" / "frames" / "e0_ED.png").is_file()
    assert (here / "t" / "lines" / "e1_ES.csv").is_file()


def test_a_collection_without_ef_or_clips_says_so(run, here):
    write_manifest(write_stills(here / "data"), here / "m.parquet")
    result = run("data", "prepare", "clips", "m.parquet", "--out", "s")
    assert result.exit_code == 1
    assert "2 stills and no clip" in result.stderr
    result = run("data", "prepare", "volume-traces", "m.parquet", "--out", "t")
    assert result.exit_code == 0
    assert "2 have no EF" in result.stderr


def test_wrong_words_and_wrong_files(run, here, manifest):
    assert run("data", "prepare", "clips", manifest).exit_code == 2
    assert run("data", "prepare", "clips", manifest, "--out", "s", "--size", "4").exit_code == 2
    assert run("data", "prepare", "clips", manifest, "--out", "s", "--crop", "half").exit_code == 2
    result = run("data", "prepare", "clips", "none.parquet", "--out", "s")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    run("data", "prepare", "clips", manifest, "--out", "s", "--size", "48")
    result = run("data", "prepare", "clips", manifest, "--out", "s", "--size", "64")
    assert result.exit_code == 1
    assert "was begun with size 48, now it is 64" in result.stderr


def test_defaults_are_those_of_the_recipes(run):
    from lvef.cli.data_prepare import CROPS, clips, two_stream
    from lvef.stores.recipes import ClipRecipe, Crop, TwoStreamRecipe

    defaults = {p.name: p.default for p in two_stream.params}
    recipe = TwoStreamRecipe()
    assert tuple(Crop) == CROPS
    assert (recipe.size, recipe.crop, recipe.frames, recipe.duration) == tuple(
        defaults[name] for name in ("size", "crop", "frames", "duration")
    )
    assert {p.name: p.default for p in clips.params}["size"] == ClipRecipe().size


def test_help_loads_nothing_heavy():
    code = (
        "import sys, lvef.cli.data_prepare\n"
        "print([n for n in ('polars', 'cv2', 'av', 'numpy', 'matplotlib', 'torch') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
