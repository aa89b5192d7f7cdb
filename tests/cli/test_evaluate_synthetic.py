"""``lvef evaluate synthetic`` from end to end, and every sentence it says instead."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.evaluation.synthetic import made_dataset


@pytest.fixture(scope="module")
def made():
    return made_dataset.make_clips(4)


@pytest.fixture(scope="module")
def written(tmp_path_factory, made):
    return made_dataset.write(tmp_path_factory.mktemp("synthetic") / "made", made)


@pytest.fixture
def knowing(monkeypatch, made, fake):
    """A measurer that knows the contours; clips that are named bad are refused."""
    from tests.cli.fakes import FakeMeasurer

    class Knowing(FakeMeasurer):
        def measure(self, path):
            self.asked.append((path.stem,))
            return made_dataset.TruthMeasurer(made).measure(path)

    monkeypatch.setattr("lvef.measure.pipeline.Measurer", Knowing)
    return fake


@pytest.mark.slow
def test_table_and_files(run, here, written, knowing):
    result = run("evaluate", "synthetic", written, "--out", "out")
    assert result.exit_code == 0, result.stderr
    assert "made: 4 clips, 4 with an EF" in result.stdout
    assert "0 missed" in result.stdout and "below 35/s" in result.stdout
    assert "Not a medical device" in result.stdout
    assert "index.html" in result.stderr
    assert (here / "out" / "index.html").is_file()
    assert (here / "out" / "clips.csv").read_text().count("\n") == 5
    again = run("evaluate", "synthetic", written, "--out", "out", "--json")
    assert "4 results from an earlier run" in again.stderr
    assert [len(m.asked) for m in knowing] == [4, 0]
    assert json.loads(again.stdout) == json.loads((here / "out" / "summary.json").read_text())


def test_json_is_the_summary_and_nothing_is_written_unasked(run, here, written, knowing):
    words = ("--weights", "other", "--precision", "f32", "--seed", "3")
    result = run("evaluate", "synthetic", written, "--json", *words)
    assert result.exit_code == 0, result.stderr
    values = json.loads(result.stdout)
    assert values["schema"] == "lvef-synthetic-evaluation/1"
    assert values["weights"]["name"] == "fake"
    assert (knowing[0].options.weights, knowing[0].options.precision) == ("other", "f32")
    assert not list(here.iterdir())


def test_a_bad_clip_is_a_sentence_and_exit_code_1(run, here, written, knowing):
    shutil.copytree(written, here / "made")
    (here / "made" / "Videos" / "made002.avi").unlink()
    (here / "made" / "Masks" / "made003.nii.gz").write_bytes(b"")
    result = run("evaluate", "synthetic", "made")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert len(lines) == 2 and all(line.startswith("lvef: made/") for line in lines)
    assert "made002.avi: is missing" in lines[0] and "made003.nii.gz" in lines[1]
    assert "made: 4 clips, 2 with an EF" in result.stdout
    assert "2 clips could not be evaluated" in result.stdout


def test_only_refusals(run, written, fake, monkeypatch):
    from tests.measure.made_up import refused

    monkeypatch.setattr("tests.cli.fakes.FakeMeasurer.measure", lambda self, path: (refused(str(path)), None))
    result = run("evaluate", "synthetic", written)
    assert result.exit_code == 3
    assert "no_fan" in result.stdout


def test_what_cannot_be_evaluated_at_all(run, here, written, knowing):
    (here / "bare").mkdir()
    (here / "file").write_text("")
    shutil.copytree(written, here / "made")
    (here / "made" / "Beats.csv").unlink()
    for words, sentence in (
        (("nowhere",), "nowhere: no such folder"),
        (("bare",), "bare: has no FileList.csv"),
        (("made",), "made: has no Beats.csv"),
        ((written, "--out", "file/out"), "cannot be made"),
    ):
        result = run("evaluate", "synthetic", *words)
        assert result.exit_code == 1
        assert sentence in result.stderr
        assert result.stderr.startswith("lvef: ") and result.stderr.count("\n") == 1
        assert result.stdout == ""


def test_one_model_at_a_time(run, written, knowing):
    result = run("evaluate", "synthetic", written, "--weights", "a", "--weights", "b")
    assert result.exit_code == 2
    assert "Give one --weights" in " ".join(result.stderr.split())
    assert result.stdout == "" and not knowing


def test_the_network_itself(run, here, written):
    # Drawn ellipses are no echo: whatever the network makes of them, every clip is told of.
    result = run("evaluate", "synthetic", written, "--json", "--precision", "f32")
    assert result.exit_code in (0, 3), result.stderr
    values = json.loads(result.stdout)
    assert values["clips"] == 4 and values["problems"] == []
    assert values["answered"] + len(values["refused"]) == 4
    assert values["weights"]["name"] == "camus-seg"
