"""What every reader of a collection must tell and do."""

from __future__ import annotations

import json
import pkgutil
from pathlib import Path

import polars as pl
import pytest

import lvef.datasets.readers
from lvef.core.errors import ConfigError, DataError
from lvef.datasets.findings import EXAMPLES
from lvef.datasets.manifest import COLUMNS, validate_table, write_manifest
from lvef.datasets.registry import READERS, DatasetReader, find_reader
from tests.datasets.fabricated import FABRICATED, fabricate


@pytest.fixture(scope="module", params=sorted(READERS))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def collection(name):
    return find_reader(name)


@pytest.fixture(scope="module")
def root(name, tmp_path_factory):
    return fabricate(name, tmp_path_factory.mktemp("collection") / name)


@pytest.fixture(scope="module")
def imported(collection, root):
    return collection.read(root, None)


class TestWhatItTells:
    def test_every_field_is_filled(self, name, collection):
        assert isinstance(collection, DatasetReader)
        assert collection.name == name
        for field in ("title", "holds", "where", "terms", "licence", "citation", "size", "layout"):
            assert getattr(collection, field).strip(), field
        assert collection.known_defects

    def test_sentences_end_and_lines_are_short(self, collection):
        for sentence in (collection.holds, collection.terms, *collection.known_defects):
            assert sentence.endswith("."), sentence
        assert len(collection.licence) < 80, "a few words, for each row"
        assert max(map(len, collection.layout.splitlines())) <= 120


class TestWhatItReads:
    def test_manifest_keeps_the_schema(self, collection, imported):
        table = imported.manifest
        assert len(table) > 0
        assert table.columns == [c.name for c in COLUMNS]
        assert validate_table(table, "contract").equals(table)
        assert table["collection"].unique().to_list() == [collection.name]

    def test_every_path_leads_to_a_file(self, imported):
        for column in ("path", "mask_path", "tracing_path"):
            for root, path in imported.manifest.select("root", column).drop_nulls().unique().rows():
                assert "\\" not in path
                assert not path.startswith("/")
                assert Path(root).is_absolute(), "a manifest can be used from any folder"
                assert (Path(root) / path).exists(), path

    def test_no_patient_is_in_two_splits(self, imported):
        told = imported.manifest.filter(pl.col("split").is_not_null())
        splits = told.group_by("patient").agg(pl.col("split").unique())
        assert not splits.filter(pl.col("split").list.len() > 1)["patient"].to_list()

    def test_ef_is_there_where_it_is_promised_and_says_how_it_was_had(self, collection, imported):
        table = imported.manifest
        with_ef = table.filter(pl.col("ef_percent").is_not_null())
        assert (len(with_ef) > 0) == collection.has_ef
        if len(table) and collection.name not in {"folder", "dicom"}:
            assert with_ef["ef_method"].null_count() == 0

    def test_labels_are_json_objects(self, imported):
        for text in imported.manifest["labels"].drop_nulls():
            assert isinstance(json.loads(text), dict)

    def test_ed_and_es_frames_lie_in_the_clip(self, imported):
        frames = imported.manifest.select("n_frames", "ed_frame", "es_frame").drop_nulls()
        assert (frames["ed_frame"] < frames["n_frames"]).all()
        assert (frames["es_frame"] < frames["n_frames"]).all()
        assert (frames["ed_frame"] != frames["es_frame"]).all()

    def test_findings_are_sentences_with_counts(self, imported):
        for finding in imported.findings:
            assert finding.code == finding.code.lower()
            assert finding.text.endswith("."), finding.text
            assert finding.text[0].isupper() or finding.text[0].isdigit() or "." in finding.text.split()[0]
            assert not finding.remedy or finding.remedy.endswith("."), finding.remedy
            assert 1 <= len(finding.examples) <= min(EXAMPLES, finding.count)

    def test_reading_again_gives_the_same(self, collection, root, imported, tmp_path):
        again = collection.read(root, None)
        assert again.manifest.equals(imported.manifest)
        assert again.findings == imported.findings
        for suffix in ("parquet", "csv"):
            write_manifest(again.manifest, tmp_path / f"m.{suffix}")

    def test_progress_ends_at_all(self, collection, root):
        calls: list[tuple[int, int]] = []
        collection.read(root, lambda done, total: calls.append((done, total)))
        assert calls
        assert calls[-1][0] == calls[-1][1]
        assert all(0 <= done <= total for done, total in calls)


class TestWhatItRefuses:
    def test_a_wrong_root_says_what_was_expected(self, collection, tmp_path):
        (tmp_path / "empty").mkdir()
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "notes.txt").write_text("nothing of the kind\n")
        for root in (tmp_path / "nowhere", tmp_path / "empty", tmp_path / "other"):
            with pytest.raises(DataError) as caught:
                collection.read(root, None)
            assert str(root) in str(caught.value)
            assert str(caught.value).endswith(".")
            assert len(str(caught.value)) > len(str(root)) + 40, "it says what was expected"


def test_every_reader_is_registered_and_fabricated():
    modules = {m.name for m in pkgutil.iter_modules(lvef.datasets.readers.__path__)}
    assert modules == set(READERS.values())
    assert set(FABRICATED) == set(READERS)


def test_names_are_found_as_people_write_them():
    assert find_reader("EchoNet_Dynamic") is find_reader("echonet-dynamic")
    with pytest.raises(ConfigError, match="'echonet'; did you mean echonet-dynamic"):
        find_reader("echonet")
