"""Examples are opened, never more than twelve; the folder holds what it says; the page fetches nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from lvef.core.records import Clip, PixelSpacing
from lvef.datasets.manifest import make_manifest, write_manifest
from lvef.evaluation.exploration import plots as module
from lvef.evaluation.exploration.explore import explore
from lvef.evaluation.exploration.plots import MOST_EXAMPLES, choose, open_examples, shown_text
from lvef.evaluation.exploration.report import make_report
from lvef.evaluation.report import write_report
from tests.datasets.camus_folder import still
from tests.evaluation.exploration.made_up import camus_like, echonet_like, hmc_like, row


def with_pictures(folder: Path, rows):
    """The same rows, each with an image in the folder."""
    rng = np.random.default_rng(0)
    for r in rows:
        _, packed = cv2.imencode(".png", still(150, 120, 1.0, rng)[0])
        (folder / r["path"]).write_bytes(packed.tobytes())
    return make_manifest(rows)


def written(folder, rows, examples=None):
    manifest = folder / "made-up.parquet"
    table = make_manifest(rows)
    write_manifest(table, manifest)
    opened = open_examples(table) if examples else None
    report = make_report(explore(table, manifest.name), manifest, examples=opened, seconds=1.0)
    return write_report(folder / "out", report)


def test_examples_of_every_view_kind_and_phase(tmp_path):
    table = with_pictures(tmp_path, camus_like(6, str(tmp_path)))
    done = []
    opened = open_examples(table, lambda: done.append(1))
    assert len(opened.tiles) == len(done) == MOST_EXAMPLES
    assert opened.unreadable == ()
    captions = [tile.caption for tile in opened.tiles]
    assert len({caption.split("\n")[0] for caption in captions}) == MOST_EXAMPLES
    for words in ("A4C, ED", "A4C, ES", "A4C, clip", "A2C, ED", "A2C, ES", "A2C, clip"):
        assert sum(words in caption for caption in captions) == 2
    patients = {caption[:11] for caption in captions}
    assert len(patients) > 3, "not the same two patients in each view"


def test_no_more_than_twelve_are_opened(monkeypatch):
    asked = []

    def refuse(path, **_):
        asked.append(path)
        return module_open(path)

    module_open = module.open_clip
    monkeypatch.setattr(module, "open_clip", refuse)
    opened = open_examples(make_manifest(echonet_like(5000)))
    assert len(asked) == len(set(asked)) == len(opened.unreadable) == len(opened.reasons) == 12
    assert shown_text(opened).startswith("None of 12 chosen items could be read")


@pytest.mark.parametrize("n", [1, 2, 11, 12, 13, 40])
def test_each_row_is_chosen_once(n):
    chosen = choose(make_manifest(hmc_like(n)))
    assert len(chosen) == min(2 * n, MOST_EXAMPLES) == chosen["item"].n_unique()


def test_unreadable_ones_are_counted_and_named(tmp_path):
    rows = camus_like(1, str(tmp_path))
    table = with_pictures(tmp_path, rows)
    (tmp_path / rows[1]["path"]).write_bytes(b"no picture")
    (tmp_path / rows[2]["path"]).unlink()
    opened = open_examples(table)
    assert len(opened.tiles) == 4
    assert opened.unreadable == (rows[1]["item"], rows[2]["item"])
    assert shown_text(opened).endswith("2 of 6 chosen items could not be read.")


def test_text_outside_the_sector_is_not_shown(tmp_path):
    picture = still(300, 240, 1.0, np.random.default_rng(0))[0]
    picture[5:12, 2:60] = 255
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    blank = np.zeros((60, 60), np.uint8)
    cv2.imwrite(str(tmp_path / "b.png"), blank)
    table = make_manifest(
        [row(name, root=str(tmp_path), path=f"{name}.png", kind="still") for name in ("a", "b")]
    )
    sector, none = sorted(open_examples(table).tiles, key=lambda tile: tile.caption)
    assert sector.image.shape == (278, 278)
    assert sector.image[:30, :100].max() < 30
    assert sector.image[100:250, 100:180].mean() > 20
    assert "no ultrasound sector found: not shown" in none.caption


def test_pixels_that_are_not_square_are_made_square(monkeypatch):
    clip = Clip(
        np.random.default_rng(0).integers(150, 250, (1, 100, 100), dtype=np.uint8),
        np.zeros(1),
        "still",
        "a.mhd",
        PixelSpacing(0.308, 0.154, "ElementSpacing"),
    )
    monkeypatch.setattr(module, "open_clip", lambda path, **_: clip)
    (tile,) = open_examples(make_manifest([row("a", kind="still", phase="ED", ef_percent=55.5)])).tiles
    rows, columns = np.nonzero(tile.image > 100)
    assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == (278, 139)
    assert tile.caption == "a\nA4C, ED, EF 56 %"


def test_the_folder_holds_what_the_record_says(tmp_path):
    names = written(tmp_path, echonet_like(30), examples=True)
    assert {p.name for p in (tmp_path / "out").iterdir()} == set(names)
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert set(record["files"]) == set(names) - {"run.json"}
    assert record["settings"] == {"manifest": "made-up.parquet", "examples": True}
    assert len(record["manifest_sha256"]) == 64
    assert record["examples"]["shown"] == 0
    assert len(record["examples"]["unreadable"]) == 12
    assert {"summary.csv", "outliers.csv", "distributions.png", "zscores.png", "index.html"} <= set(names)
    assert "examples.png" not in names, "none could be read"


@pytest.mark.slow
def test_a_second_run_leaves_nothing_of_the_first(tmp_path):
    written(tmp_path, echonet_like(30))
    (tmp_path / "out" / "mine.txt").write_text("kept")
    names = written(tmp_path, hmc_like(3))
    assert {p.name for p in (tmp_path / "out").iterdir()} == {*names, "mine.txt"}
    assert "distributions.png" not in names


@pytest.mark.parametrize(
    "rows", [echonet_like(60), camus_like(8), hmc_like(4), [row("<script>x<b>", path="x.png")]]
)
def test_the_page_opens_offline_and_names_no_folder(tmp_path, rows):
    secret = tmp_path / "of-dr-who"
    secret.mkdir()
    rows = [r | {"root": str(secret)} for r in rows]
    with_pictures(secret, rows[:1])
    written(secret, rows, examples=True)
    out = secret / "out"
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "http" not in page and "<script" not in page
    assert all(src.startswith("data:image/png") for src in re.findall(r'src="([^"]*)', page))
    assert all(href.startswith("#") for href in re.findall(r'href="([^"]*)', page))
    assert page.count("Not a medical device") == 1
    for file in out.iterdir():
        if file.suffix != ".png":
            assert "of-dr-who" not in file.read_text(encoding="utf-8")
    without = "has no EF" in page
    assert without == all(r.get("ef_percent") is None for r in rows)


def test_outliers_are_named_on_the_page(tmp_path):
    rows = [row(f"v{i}", ef_percent=50.0 + i % 7) for i in range(40)] + [row("far", ef_percent=5.0)]
    written(tmp_path, rows)
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "EF, low outliers" in page
    assert "<td>far</td>" in page
    assert "EF, high outliers" not in page


@pytest.mark.realdata
def test_real_stills_are_shown(camus_root):
    folder = camus_root / "database_nifti"
    names = sorted(p.name for p in folder.iterdir())[:3]
    rows = [
        row(
            f"{name}_{phase}",
            name,
            kind="still",
            phase=phase,
            root=str(folder),
            path=f"{name}/{name}_4CH_{phase}.nii.gz",
        )
        for name in names
        for phase in ("ED", "ES")
    ]
    opened = open_examples(make_manifest(rows))
    assert len(opened.tiles) == 6
    assert all(tile.image.max() > 100 for tile in opened.tiles)
