"""``lvef explore`` from end to end, and every sentence it says instead."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from lvef.datasets.manifest import COLUMNS, make_manifest, write_manifest
from tests.evaluation.drawing import modules_after
from tests.evaluation.exploration.made_up import camus_like, echonet_like, hmc_like, row


@pytest.fixture
def manifest(here):
    path = here / "echonet.parquet"
    write_manifest(make_manifest(echonet_like(40)), path)
    return path


def test_table_and_files(run, here, manifest):
    result = run("explore", manifest, "--out", here / "out" / "deep")
    assert result.exit_code == 0, result.stderr
    assert "echonet-dynamic: 40 items of 40 patients, 40 measurements of EF or volumes" in result.stdout
    assert "EF (%)" in result.stdout and "high fence" in result.stdout
    assert "Not a medical device" in result.stdout
    assert "None of 12 chosen items could be read" in result.stderr
    assert "index.html" in result.stderr
    assert (here / "out" / "deep" / "index.html").is_file()


def test_json_is_the_file_and_nothing_is_written_unasked(run, here, manifest):
    result = run("explore", manifest, "--json", "--out", "out", "--no-examples")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == (here / "out" / "summary.json").read_text(encoding="utf-8")
    assert json.loads(result.stdout)["schema"] == "lvef-exploration/1"
    assert "chosen items" not in result.stderr
    assert json.loads((here / "out" / "run.json").read_text())["examples"] is None
    before = set(here.iterdir())
    plain = run("explore", manifest, "--json")
    assert plain.stdout == result.stdout
    assert "Nothing was written" in plain.stderr
    assert set(here.iterdir()) == before


def test_duration_includes_the_plots(run, here, manifest, monkeypatch):
    def write_for_two_minutes(folder, report):
        clock[0] += 120.0
        return ["index.html"]

    clock = [1000.0]
    for module in ("lvef.cli.explore", "lvef.cli.show_tables"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr("lvef.cli.show_tables.write_report", write_for_two_minutes)
    result = run("explore", manifest, "--out", here / "out", "--no-examples")
    assert "Written to" in result.stderr and " in 120 s" in result.stderr


def test_csv_and_parquet_tell_the_same(run, here, manifest):
    write_manifest(make_manifest(echonet_like(40)), here / "echonet.csv")
    tables = [
        json.loads(run("explore", here / f"echonet.{suffix}", "--json").stdout)
        for suffix in ("parquet", "csv")
    ]
    assert tables[0].pop("manifest") == "echonet.parquet"
    assert tables[1].pop("manifest") == "echonet.csv"
    assert tables[0] == tables[1]


@pytest.mark.parametrize("rows", [hmc_like(5), [row("tmed", kind="still", collection="tmed-2")]])
def test_without_ef_it_is_said(run, here, rows):
    write_manifest(make_manifest(rows), here / "m.csv")
    result = run("explore", "m.csv", "--out", "out")
    assert result.exit_code == 0, result.stderr
    assert f"This manifest ({rows[0]['collection']}) has no EF" in result.stdout
    assert "has no EF" in (here / "out" / "index.html").read_text(encoding="utf-8")


def test_one_answer_a_patient_is_said(run, here):
    write_manifest(make_manifest(camus_like(5)), here / "camus.csv")
    result = run("explore", "camus.csv")
    assert "5 measurements of 5 patients, on 30 items" in result.stdout
    assert "Image quality" in result.stdout


def test_what_cannot_be_explored_is_one_sentence(run, here, manifest):
    (here / "empty.csv").write_text(",".join(c.name for c in COLUMNS) + "\n")
    (here / "other.csv").write_text("FileName,EF\n0X1.avi,55\n")
    (here / "text.parquet").write_text("no table")
    (here / "file").write_text("")
    cases = [
        (("none.parquet",), "cannot be read"),
        (("none.xlsx",), "a manifest ends in"),
        ((".",), "a manifest ends in"),
        (("empty.csv",), "has no rows, so there is nothing to explore"),
        (("other.csv",), "no manifest: it has no column item"),
        (("text.parquet",), "is no parquet table"),
        ((manifest, "--out", "file/out"), "cannot be made"),
    ]
    for words, sentence in cases:
        result = run("explore", *words)
        assert result.exit_code == 1, (words, result.stderr)
        assert sentence in result.stderr
        assert result.stderr.startswith("lvef: ")
        assert result.stderr.count("\n") == 1
        assert result.stdout == ""


@pytest.mark.parametrize("words", [(), ("a.csv", "b.csv"), ("a.csv", "--colour")])
def test_wrong_words(run, words):
    assert run("explore", *words).exit_code == 2


def test_the_command_loads_nothing_heavy():
    loaded = modules_after("import lvef.cli.explore")
    assert not {"polars", "matplotlib", "cv2", "scipy", "openvino"} & loaded
