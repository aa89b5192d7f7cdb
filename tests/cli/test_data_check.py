"""``lvef data check``: what is printed, and the exit code."""

from __future__ import annotations

import json

import pytest

from lvef.datasets.manifest import make_manifest, write_manifest
from tests.datasets.check_folder import write


@pytest.fixture
def rows(here):
    return write(here / "set", n_clips=2, n_patients=1)


def save(rows, here):
    write_manifest(make_manifest(rows), here / "set.csv")


def test_a_sound_manifest(run, rows, here):
    save(rows, here)
    done = run("data", "check", "set.csv")
    assert done.exit_code == 0, done.output
    assert done.stdout == "Nothing was found wrong.\n"
    assert done.stderr == (
        "set.csv: 4 items checked (headers only): 0 kinds of error, 0 kinds of warning, 0 kinds of note.\n"
    )
    assert "images decoded" in run("data", "check", "set.csv", "--decode").stderr


def test_warnings_and_notes_do_not_fail(run, rows, here):
    rows[0].update(width_px=9)
    rows[1].update(frame_rate_hz=None)
    save(rows, here)
    done = run("data", "check", "set.csv")
    assert done.exit_code == 0
    assert "warning 1 x size_differs: " in done.stdout
    assert "    c0 (manifest 9 x 64, file 64 x 64)\n    Remedy: " in done.stdout
    assert "note 1 x no_frame_rate: " in done.stdout
    assert "1 kind of warning, 1 kind of note." in done.stderr


def test_an_error_fails(run, rows, here):
    (here / "set" / "c0.avi").unlink()
    save(rows, here)
    done = run("data", "check", "set.csv")
    assert done.exit_code == 1
    assert done.stdout.startswith("error 1 x missing_file: Files are missing.\n    c0 (c0.avi)\n    Remedy: ")


def test_json(run, rows, here):
    rows[0].update(ef_percent=10.0)
    save(rows, here)
    done = run("data", "check", "set.csv", "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert (found["rows"], found["decoded"]) == (4, False)
    assert found["counts"] == {"error": 1, "warning": 0, "note": 0}
    [finding] = found["findings"]
    assert finding["code"] == "ef_disagrees"
    assert finding["severity"] == "error"
    assert finding["examples"] == ["c0 (10, from volumes 60.0)"]
    assert finding["remedy"]


def test_json_with_decoding(run, rows, here):
    save(rows, here)
    (here / "set" / "c1.avi").write_bytes((here / "set" / "c0.avi").read_bytes())
    found = json.loads(run("data", "check", "set.csv", "--json", "--decode").stdout)
    assert [f["code"] for f in found["findings"]] == ["same_picture"]


@pytest.mark.parametrize("name", ["none.csv", "notes.txt"])
def test_no_manifest_is_one_sentence(run, here, name):
    (here / "notes.txt").write_text("x")
    done = run("data", "check", name)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"lvef: {name}: ")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_two_rows_of_one_name_are_reported_on_reading(run, rows, here):
    save(rows, here)
    lines = (here / "set.csv").read_text().splitlines()
    (here / "set.csv").write_text("\n".join([*lines, lines[1]]) + "\n")
    done = run("data", "check", "set.csv")
    assert done.exit_code == 1
    assert "item names must be unique" in done.stderr


def test_wrong_words(run):
    assert run("data", "check").exit_code == 2
    assert run("data", "check", "a.csv", "--colour").exit_code == 2
    assert "Example" in run("data", "check", "--help").stdout
