"""``lvef data info`` and ``lvef data import`` from end to end, and every sentence they say instead."""

from __future__ import annotations

import json

import pytest

from lvef.cli.data import SUFFIXES
from lvef.datasets import manifest
from lvef.datasets.manifest import read_manifest
from lvef.datasets.registry import READERS, find_reader
from tests.datasets import camus_folder, echonet_folder
from tests.datasets.fabricated import FABRICATED, fabricate


@pytest.fixture
def echonet(here):
    return echonet_folder.write(here / "EchoNet-Dynamic", 8)


def test_all_collections_are_listed(run):
    result = run("data", "info")
    assert result.exit_code == 0, result.stderr
    for name in READERS:
        assert name in result.stdout
    values = json.loads(run("data", "info", "--json").stdout)["collections"]
    assert [c["name"] for c in values] == list(READERS)


@pytest.mark.parametrize("name", READERS)
def test_one_collection_in_full(run, name):
    collection = find_reader(name)
    result = run("data", "info", name)
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stdout.split())
    for text in (collection.where, collection.terms, collection.size, *collection.known_defects):
        assert " ".join(text.split()) in said
    for line in collection.layout.splitlines():
        assert line.rstrip() in result.stdout
    assert f"lvef data import {name} ROOT" in said
    if not collection.has_ef:
        assert "every command that needs an EF says so" in said
    values = json.loads(run("data", "info", name, "--json").stdout)
    assert values["citation"] == collection.citation
    assert values["has_ef"] is collection.has_ef
    assert values["layout"] == collection.layout.splitlines()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_import_writes_a_manifest_and_tells_what_is_in_it(run, here, echonet, suffix):
    out = here / f"echonet{suffix}"
    result = run("data", "import", "echonet-dynamic", echonet, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert len(read_manifest(out)) == 8
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["A4C", "clip", "train", "6", "6", "6"] in lines
    assert ["A4C", "clip", "val", "1", "1", "1"] in lines
    assert "EF: 8 of 8 rows (clinical report of the hospital)." in result.stdout
    assert "note 1 x partial_list: FileList.csv names 8 clips; the release has 10,030." in result.stdout
    assert "Remedy: Nothing, where a part is meant." in result.stdout
    assert f"Written to {out}: 8 rows of 8 patients." in result.stderr


def test_findings_tell_count_examples_and_mend(run, here, echonet):
    for path in sorted((echonet / "Videos").iterdir())[:7]:
        path.unlink()
    result = run("data", "import", "echonet-dynamic", echonet, "--out", here / "m.parquet")
    assert result.exit_code == 0, "the manifest was written, and the finding says what is wrong with it"
    assert "error 7 x missing_file" in result.stdout
    assert "and 2 more" in result.stdout
    assert "Remedy: Unpack the archive again" in result.stdout


def test_json_tells_the_same(run, here, echonet):
    result = run("data", "import", "EchoNet_Dynamic", echonet, "--out", here / "m.parquet", "--json")
    values = json.loads(result.stdout)
    assert values["manifest"] == str(here / "m.parquet")
    assert (values["collection"], values["has_ef"]) == ("echonet-dynamic", True)
    assert (values["rows"], values["patients"], values["with_ef"]) == (8, 8, 8)
    assert sum(group["rows"] for group in values["counts"]) == 8
    assert {"view": "A4C", "split": "test", "kind": "clip", "rows": 1, "patients": 1, "with_ef": 1} in values[
        "counts"
    ]
    [finding] = values["findings"]
    assert finding == {
        "code": "partial_list",
        "severity": "note",
        "count": 1,
        "text": "FileList.csv names 8 clips; the release has 10,030.",
        "remedy": "Nothing, where a part is meant.",
        "examples": ["FileList.csv"],
    }


def test_patients_and_views_are_counted_apart(run, here):
    root = camus_folder.write_nifti(here / "camus", 3)
    result = run("data", "import", "camus", root, "--out", here / "m.csv", "--json")
    counts = json.loads(result.stdout)["counts"]
    assert len(counts) == 2 * 2 * 3
    assert all(group["patients"] == 1 for group in counts)
    assert {group["rows"] for group in counts} == {1, 2}


@pytest.mark.parametrize("name", sorted(FABRICATED))
def test_every_collection_is_imported(run, here, name):
    root = fabricate(name, here / name)
    result = run("data", "import", name, root, "--out", here / "m.parquet")
    assert result.exit_code == 0, result.stderr
    assert len(read_manifest(here / "m.parquet")) > 0
    if not find_reader(name).has_ef:
        assert f"EF: {name} carries none; commands that need an EF will refuse." in result.stdout


def test_a_collection_that_lost_its_efs_is_reported_apart_from_one_without(run, here, echonet):
    path = echonet / "FileList.csv"
    path.write_text("\n".join(line.split(",")[0] for line in path.read_text().splitlines()))
    result = run("data", "import", "echonet-dynamic", echonet, "--out", here / "m.parquet")
    assert result.exit_code == 0, result.stderr
    assert "EF: no row has one, although the dataset carries EFs" in result.stdout
    assert "missing_columns" in result.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("info", "echonet"),
            "no dataset is called 'echonet'; did you mean echonet-dynamic? Known are echonet-dynamic",
        ),
        (("import", "echonet", "root", "--out", "m.csv"), "no dataset is called 'echonet'"),
        (("import", "camus", "root", "--out", "m.xlsx"), "a manifest ends in .parquet or .csv"),
        (("import", "camus", "root"), "--out"),
        (("import", "camus"), "ROOT"),
        (("impart", "camus", "root"), "impart"),
    ],
)
def test_wrong_words(run, here, words, sentence):
    result = run("data", *words)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert not list(here.iterdir())


def test_what_cannot_be_read_or_written_is_one_sentence(run, here, echonet):
    (here / "empty").mkdir()
    cases = [
        (("camus", "nowhere", "--out", "m.csv"), "nowhere: no such folder"),
        (("camus", echonet, "--out", "m.csv"), "holds no CAMUS patients"),
        (("echonet-dynamic", "empty", "--out", "m.csv"), "has no FileList.csv"),
        (("echonet-dynamic", echonet, "--out", "none/m.csv"), "its folder does not exist"),
    ]
    for words, sentence in cases:
        result = run("data", "import", *words)
        assert result.exit_code == 1, words
        assert sentence in result.stderr
        assert result.stderr.startswith("lvef: ")
        assert result.stderr.count("\n") == 1
        assert result.stdout == ""
    assert not list(here.glob("*.csv"))


def test_the_suffixes_are_those_of_manifests():
    assert manifest.SUFFIXES == SUFFIXES
