"""The program: its files, its refusals, and what it finds on real stills."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.core.terms import View
from lvef.datasets.camus import read_split, read_stills
from studies.appearance.__main__ import main
from studies.appearance.samples import sample_of_still
from tests.studies.appearance.hearts import cine, write_collection

pytestmark = pytest.mark.slow

FILES = {
    "tables.md",
    "appearance.json",
    "pictures.csv",
    "histograms.png",
    "profiles.png",
    "sheet_ed.png",
    "sheet_es.png",
}


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    clips = {f"clip{i}": cine(f"clip{i}", np.random.default_rng(i), n=8) for i in range(4)}
    return write_collection(tmp_path_factory.mktemp("synthetic") / "phantoms", clips)


@pytest.mark.slow
def test_it_writes_tables_charts_and_sheets(collection, phantoms, tmp_path, capsys):
    out = tmp_path / "out" / "appearance"
    main(
        ["--data", str(collection), "--phantoms", str(phantoms), "--motion", str(phantoms), "--out", str(out)]
    )
    written = {p.name for p in out.iterdir()}
    assert written == FILES | {"sheet_phantom.png", "sheet_animated_still.png", "run.json"}
    printed = capsys.readouterr()
    assert printed.out.strip() == (out / "tables.md").read_text().strip()
    assert "phantom: 4 clips of phantoms" in printed.err
    kinds = [r["kind"] for r in csv.DictReader(io.StringIO((out / "pictures.csv").read_text()))]
    # Eight patients, A4C only; A2C has no scale.
    assert {k: kinds.count(k) for k in kinds} == {"real": 16, "phantom": 8, "animated still": 8}
    assert json.loads((out / "appearance.json").read_text())["size_px"] == 112
    record = json.loads((out / "run.json").read_text())
    assert set(record["files"]) == written - {"run.json"}
    assert record["settings"]["phantoms"] == "phantoms"
    assert str(tmp_path) not in (out / "run.json").read_text()

    (out / "mine.txt").write_text("kept")
    main(["--data", str(collection), "--splits", "validation", "--out", str(out)])
    assert {p.name for p in out.iterdir()} == FILES | {"run.json", "mine.txt"}
    assert len(list(csv.DictReader(io.StringIO((out / "pictures.csv").read_text())))) == 8


@pytest.mark.slow
def test_animated_stills_of_patients_of_other_quality_do_not_count(collection, tmp_path):
    clip = cine("patient0001", np.random.default_rng(1), n=8)
    clip.parameters["patient"] = "patient0001"
    folder = write_collection(tmp_path / "motion", {"patient0001": clip})
    main(["--data", str(collection), "--motion", str(folder), "--out", str(tmp_path / "good")])
    cfg = collection / "database_nifti" / "patient0001" / "Info_2CH.cfg"
    before = cfg.read_text()
    try:
        cfg.write_text(before.replace("Good", "Poor"))
        with pytest.raises(DataError, match="none of its clips"):
            main(["--data", str(collection), "--motion", str(folder), "--out", str(tmp_path / "poor")])
    finally:
        cfg.write_text(before)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--quality", "Splendid"], "no A4C still of quality Splendid"),
        (["--phantoms", "nowhere"], "lvef synthesize was expected"),
        (["--size", "8"], "at least 48 pixels"),
        (["--limit", "0"], "one clip"),
        (["--data", "nowhere"], "list of CAMUS training patients is missing"),
    ],
)
def test_what_it_cannot_do_it_says(collection, tmp_path, given, said):
    with pytest.raises(DataError, match=said):
        main(["--data", str(collection), "--out", str(tmp_path / "out"), *given])


def test_wrong_words_end_with_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--out", str(tmp_path)])
    assert ended.value.code == 2
    assert "--data" in capsys.readouterr().err


@pytest.mark.realdata
def test_good_real_stills_have_the_figures_of_the_docs(camus_root):
    """Grey levels, deviation and cell size as an independent look at the collection found them."""
    stills = [
        s
        for s in read_stills(camus_root, read_split(camus_root, "training")[::4])
        if s.view is View.A4C and s.quality == "Good" and s.phase == "ED"
    ]
    found = [sample_of_still(s, None).measures for s in stills]
    median = {name: float(np.nanmedian([m[name] for m in found])) for name in found[0]}
    assert len(found) > 15
    assert 50 < median["cavity p50"] < 70
    assert 85 < median["myocardium p50"] < 115
    assert 75 < median["atrium p50"] < 110
    assert 9 < median["local deviation, mean of structures"] < 13
    assert 1.8 < median["myocardium cell axial mm"] < 2.5
    assert 1.8 < median["myocardium cell lateral mm"] < 2.6
    # The septum stands out, the lateral wall and the apex do not: the beam runs along the one and ends in the other.
    assert median["septal step"] > 2 * median["lateral step"] > 0
