"""``lvef data convert``: words, what is printed, and the exit code."""

from __future__ import annotations

import json

import pytest

from lvef.datasets.manifest import read_manifest
from tests.io.io_fabrication import PERSON, dicom, save
from tests.stores.screens import screen


@pytest.fixture
def study(here):
    folder = here / "study"
    folder.mkdir()
    save(dicom(screen(5), FrameTime=20.0), folder / "a.dcm")
    save(dicom(screen(5) * 0, FrameTime=20.0), folder / "black.dcm")
    return folder


def test_a_study(run, study, here):
    done = run("data", "convert", study, "--out", "out")
    assert done.exit_code == 0, done.output
    assert (
        done.stdout == "Written to out: 1 converted, 1 refused. Look at the images before you pass them on.\n"
    )
    assert done.stderr.startswith(f"lvef: {study / 'black.dcm'}: every pixel is black")
    assert len(done.stderr.splitlines()) == 1
    assert len(read_manifest(here / "out" / "manifest.csv")) == 1
    assert "1 kept, 1 refused" in run("data", "convert", study, "--out", "out").stdout
    assert "1 converted" in run("data", "convert", study, "--out", "out", "--no-resume").stdout
    assert run("data", "check", "out/manifest.csv", "--decode").exit_code == 0


def test_only_refusals(run, study):
    assert run("data", "convert", study / "black.dcm", "--out", "out").exit_code == 3


def test_json(run, study):
    (study / "words.dcm").write_text("no DICOM\n" * 30)
    done = run("data", "convert", study, "--out", "out", "--format", "png", "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["counts"] == {"converted": 1, "kept": 0, "refused": 1, "failed": 1}
    assert [f["outcome"] for f in found["files"]] == ["converted", "refused", "failed"]
    assert found["files"][0]["item"] == "a"
    assert all(f["reason"] for f in found["files"][1:])
    assert not any(word in done.output for word in PERSON)


def test_numbers_with_a_key(run, study, here):
    done = run("data", "convert", study, "--out", "out", "--rename", "--key-file", "key.csv")
    assert done.exit_code == 0, done.output
    assert (here / "out" / "clip00001.avi").is_file()
    assert (
        (here / "key.csv").read_text().splitlines()[1].startswith(f"clip00001,patient00001,{study / 'a.dcm'}")
    )


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("no/such/key.csv", "cannot be written (no such file or directory)"),
        ("notes.csv", "is no key of lvef data convert"),
        ("readme/key.csv", "cannot be written (not a directory)"),
    ],
)
def test_where_the_key_goes_is_looked_at_before_anything_is_written(run, study, here, place, said):
    (here / "notes.csv").write_text("a,b\n1,2\n")
    (here / "readme").write_text("x")
    done = run("data", "convert", study, "--out", "out", "--rename", "--key-file", place)
    assert done.exit_code == 1
    assert said in done.stderr and place in done.stderr
    assert not (here / "out").exists()
    assert (here / "notes.csv").read_text() == "a,b\n1,2\n"


def test_a_key_is_written_only_when_asked_for(run, study, here):
    run("data", "convert", study, "--out", "out", "--rename")
    assert not list(here.rglob("*key*"))


@pytest.mark.parametrize(
    "words",
    [
        ["--out", "out"],
        ["study"],
        ["study", "--out", "out", "--format", "gif"],
        ["study", "--out", "out", "--key-file", "key.csv"],
        ["study", "--out", "out", "--rename", "--key-file", "out/key.csv"],
    ],
)
def test_wrong_words(run, study, here, words):
    assert run("data", "convert", *words).exit_code == 2
    assert not (here / "out").exists()


def test_trouble_is_one_sentence(run, study, here):
    (here / "file").write_text("x")
    (here / "empty").mkdir()
    for words in ([study, "--out", study], ["empty", "--out", "out"], ["file.csv", "--out", "out"]):
        done = run("data", "convert", *words)
        assert done.exit_code == 1
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("lvef: ")
