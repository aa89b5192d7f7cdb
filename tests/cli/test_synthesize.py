"""``lvef synthesize``: words, what is printed, and the exit code."""

from __future__ import annotations

import json

import pytest

from lvef.cli.synthesize import WALLS
from lvef.stores.synthetic_sources import AnimatedStillsSource, PhantomSource
from lvef.synthesis.phantom.draw import Walls
from tests.datasets import camus_folder
from tests.stores.synthetic_made_up import beating


@pytest.fixture
def quick(monkeypatch):
    """Clips that cost nothing; what was asked of the sources."""
    asked = []

    def make(self, task, rng):
        asked.append((self, task))
        return beating(rng, task.name, view=self.options.view)

    monkeypatch.setattr(PhantomSource, "make", make)
    monkeypatch.setattr(AnimatedStillsSource, "make", make)
    return asked


@pytest.fixture
def camus(here):
    return camus_folder.write(here / "CAMUS", n_patients=6)


def test_phantoms(run, quick, here):
    done = run("synthesize", "phantom", "out", "--clips", 3, "--seed", 5)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("Written to out: 3 made, in ")
    assert done.stdout.endswith("It holds 3 TRAIN.\n")
    assert done.stderr == ""
    assert (here / "out" / "Videos" / "phantom00003.avi").is_file()
    assert json.loads((here / "out" / "run.json").read_text())["settings"]["seed"] == 5
    assert "Apache-2.0" in (here / "out" / "LICENCE.txt").read_text()
    again = run("synthesize", "phantom", "out", "--clips", 3, "--seed", 5)
    assert "3 kept" in again.stdout
    other = run("synthesize", "phantom", "out", "--clips", 3, "--seed", 6)
    assert (other.exit_code, len(other.stderr.splitlines())) == (1, 1)
    assert "begun with seed 5, now it is 6" in other.stderr
    assert run("data", "import", "echonet-dynamic", "out", "--out", "m.csv").exit_code == 0
    assert run("data", "check", "m.csv", "--decode").exit_code == 0
    assert run("data", "check", "out/manifest.csv", "--decode").exit_code == 0


def test_what_is_asked_for_reaches_the_source(run, quick):
    words = "--view a2c --ef-percent 30-45.5 --heart-rate-bpm 70 --rhythm fibrillation --frame-rate-hz 40-50"
    words += " --frames 99 --size 64"
    run("synthesize", "phantom", "out", "--clips", 1, *words.split(), "--all-split", "test")
    source, task = quick[0][0].options, quick[0][1]
    assert (source.view, source.rhythm, source.n_frames, source.size) == ("A2C", "fibrillation", 99, 64)
    assert (source.ef_percent.low, source.ef_percent.high) == (30, 45.5)
    assert (source.heart_rate_bpm.low, source.heart_rate_bpm.high) == (70, 70)
    assert (source.frame_rate_hz.low, source.frame_rate_hz.high) == (40, 50)
    assert task.split == "TEST"
    assert quick[0][0].walls is None


def test_walls_are_a_choice_and_part_of_a_dataset(run, quick):
    assert tuple(Walls) == WALLS
    done = run("synthesize", "phantom", "expert", "--clips", 1, "--walls", "expert")
    assert (done.exit_code, quick[0][0].walls) == (0, "expert")
    other = run("synthesize", "phantom", "expert", "--clips", 2)
    assert (other.exit_code, len(quick)) == (1, 1)
    assert "walls" in other.stderr
    assert run("synthesize", "phantom", "out", "--walls", "thick").exit_code == 2


def test_motion(run, quick, camus, here):
    done = run(
        "synthesize", "motion", "out", "--data", "CAMUS", "--clips-per-patient", 2, "--workers", 1, "--json"
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["counts"] == {"made": 12, "kept": 0, "refused": 0, "failed": 0}
    assert found["splits"]["TEST"] == 6
    assert found["licence"] == "CC-BY-NC-SA-4.0"
    assert done.stderr.count("CC BY-NC-SA 4.0") == 1
    assert "Leclerc" in done.stderr


def test_motion_of_some(run, quick, camus, here):
    done = run("synthesize", "motion", "out", "--data", "CAMUS", "--split", "validation", "--own-ef")
    assert "3 made" in done.stdout
    assert quick[0][0].own_ef
    assert {task.split for _, task in quick} == {"TEST"}
    (here / "names.txt").write_text("patient0006\n")
    done = run(
        "synthesize", "motion", "one", "--data", "CAMUS", "--patients", "names.txt", "--all-split", "TRAIN"
    )
    assert "1 made" in done.stdout
    assert "validation list are written as TRAIN, as asked for" in done.stderr
    for file in (here / "CAMUS" / "database_nifti" / "patient0006").iterdir():
        file.unlink()
    (here / "CAMUS" / "database_nifti" / "patient0006").rmdir()
    for file in (here / "CAMUS" / "a2c_192").glob("patient0006*"):
        file.unlink()
    done = run("synthesize", "motion", "two", "--data", "CAMUS", "--split", "validation")
    assert "1 patients of the list have no stills in CAMUS and are skipped (patient0006)" in done.stderr


def test_refusals_are_reported(run, here, monkeypatch):
    def make(self, task, rng):
        return beating(rng, task.name, n_frames=40 if task.key[0] > 1 else 10)

    monkeypatch.setattr(PhantomSource, "make", make)
    done = run("synthesize", "phantom", "out", "--clips", 2)
    assert done.exit_code == 0
    assert "lvef: refused: phantom00001: its 10 frames show no complete beat" in done.stderr
    assert "1 made, 1 refused" in done.stdout
    only = run("synthesize", "phantom", "one", "--clips", 1, "--json")
    assert only.exit_code == 3
    assert json.loads(only.stdout)["refused"][0]["name"] == "phantom00001"


def test_a_failure_is_reported(run, here, monkeypatch):
    def make(self, task, rng):
        raise RuntimeError("secret")

    monkeypatch.setattr(PhantomSource, "make", make)
    done = run("synthesize", "phantom", "out", "--clips", 2)
    assert done.exit_code == 1
    assert "please report it" in done.stderr
    assert "secret" not in done.output
    assert "2 failed" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["phantom"],
        ["phantom", "out", "--clips", "0"],
        ["phantom", "out", "--ef-percent", "45-30"],
        ["phantom", "out", "--ef-percent", "high"],
        ["phantom", "out", "--ef-percent", "0.5"],
        ["phantom", "out", "--ef-percent", "30-99"],
        ["phantom", "out", "--heart-rate-bpm", "-60"],
        ["phantom", "out", "--rhythm", "waltz"],
        ["phantom", "out", "--view", "PLAX"],
        ["phantom", "out", "--size", "5"],
        ["phantom", "out", "--seed", "-1"],
        ["motion", "out"],
        ["motion", "out", "--data", "CAMUS", "--split", "testing"],
        ["motion", "out", "--data", "CAMUS", "--split", "training", "--patients", "x"],
        ["motion", "out", "--data", "CAMUS", "--own-ef", "--ef-percent", "50"],
    ],
)
def test_wrong_words(run, here, words):
    assert run("synthesize", *words).exit_code == 2
    assert not (here / "out").exists()


def test_trouble_is_one_sentence(run, quick, here):
    (here / "file").write_text("x")
    (here / "full").mkdir()
    (here / "full" / "thesis.txt").write_text("x")
    for words in (
        ["phantom", "full"],
        ["phantom", "file/below"],
        ["motion", "out", "--data", "none"],
        ["motion", "out", "--data", "full"],
    ):
        done = run("synthesize", *words)
        assert done.exit_code == 1, words
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("lvef: ")
    assert not (here / "out").exists()


@pytest.mark.slow
def test_real_phantoms_by_several_processes(run, here):
    words = ["--frames", 40, "--frame-rate-hz", 20, "--heart-rate-bpm", 80, "--rhythm", "sinus"]
    assert run("synthesize", "phantom", "two", "--clips", 4, "--workers", 2, *words).exit_code == 0
    assert run("synthesize", "phantom", "one", "--clips", 4, "--workers", 1, *words).exit_code == 0
    for path in sorted((here / "one").rglob("*.*")):
        if path.is_file() and path.name not in ("run.json", "manifest.csv"):
            assert path.read_bytes() == (here / "two" / path.relative_to(here / "one")).read_bytes(), (
                path.name
            )


def test_views(run, monkeypatch, here):
    from lvef.stores import synthetic_sources

    monkeypatch.setattr(synthetic_sources, "write_views", lambda out, **asked: asked["each"] * 19)
    done = run("synthesize", "views", "out", "--each", 2, "--seed", 5)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "Written to out: 38 clips; views.csv lists what each shows.\n"
