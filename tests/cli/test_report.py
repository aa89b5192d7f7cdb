"""``lvef report``: what is typed, what is written where, what is printed, what is returned."""

from __future__ import annotations

import json
import shutil

import pypdf
import pytest

from lvef.core.wording import DISCLAIMER
from lvef.measure.results import Outputs, Result
from lvef.measure.serializers import read_measurement
from lvef.report.outputs import write_outputs
from tests.measure.made_up import beating, failed, refused
from tests.report.cases import study

FRAMES = {"schema": "lvef-correction/1", "ed_frame": 2, "es_frame": 14, "note": "Earlier."}


@pytest.fixture
def clip(here):
    path = here / "clip.avi"
    path.write_bytes(b"x")
    return path


@pytest.fixture
def correction(here):
    path = here / "correction.json"
    path.write_text(json.dumps(FRAMES))
    return path


@pytest.fixture
def earlier(here):
    """An answer of ``lvef measure`` whose clip is gone."""
    write_outputs(
        here / "answer", Result(beating(50, source="gone/clip.avi")[0], None), Outputs(False, False)
    )
    return here / "answer"


def words(path):
    reader = pypdf.PdfReader(path)
    assert len(reader.pages) == 1
    return " ".join(reader.pages[0].extract_text().split())


def test_a_file_is_measured_and_gets_its_page(run, fake, clip, here):
    result = run("report", "clip.avi")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "EF  60 %  lvef-out/clip-report.pdf\n"
    assert result.stderr == ""
    text = words(here / "lvef-out" / "clip-report.pdf")
    assert "60 %" in text
    assert text.count(DISCLAIMER) == 1
    assert [path.name for path in (here / "lvef-out").iterdir()] == ["clip-report.pdf"]


@pytest.mark.parametrize(
    ("wanted", "suffixes"), [("pdf", ["pdf"]), ("html", ["html"]), ("both", ["html", "pdf"])]
)
def test_formats(run, fake, clip, here, wanted, suffixes):
    assert run("report", "clip.avi", "--out", "o", "--format", wanted).exit_code == 0
    assert sorted(path.name for path in (here / "o").iterdir()) == [f"clip-report.{s}" for s in suffixes]


def test_a_folder_gets_a_page_a_file(run, fake, here):
    (here / "study" / "inner").mkdir(parents=True)
    for name in ("a.avi", "inner/a.avi", "menu.avi"):
        (here / "study" / name).write_bytes(b"x")
    result = run("report", "study", "--json")
    assert result.exit_code == 0
    documents = json.loads(result.stdout)
    assert [d["status"] for d in documents] == ["ok", "refused", "ok"]
    files = [file for d in documents for file in d["files"]]
    assert len(set(files)) == 3
    assert all((here / file).is_file() for file in files)
    assert "No ultrasound fan" in result.stderr
    assert "No EF" in words(here / "lvef-out" / "menu-report.pdf")


@pytest.mark.parametrize(("name", "code"), [("gone.avi", 1), ("menu.avi", 3)])
def test_exit_codes_of_one_file(run, fake, here, name, code):
    if name == "menu.avi":
        (here / name).write_bytes(b"x")
    result = run("report", name, "--json")
    assert result.exit_code == code
    assert json.loads(result.stdout)["ef_percent"] is None
    assert result.stderr.startswith("lvef: ")
    assert result.stderr.count("\n") == 1


def test_a_pair_and_a_study(run, fake, here):
    assert run("report", "--ed", "ed.png", "--es", "es.png").exit_code == 0
    assert (here / "lvef-out" / "ed+es-report.pdf").is_file()
    result = run("report", "--a4c", "4.avi", "--a2c", "2.avi", "--json", "--format", "html")
    document = json.loads(result.stdout)
    assert document["files"] == ["lvef-out/4+2-report.html"]
    page = (here / "lvef-out" / "4+2-report.html").read_text(encoding="utf-8")
    assert "A2C ES" in page


def test_an_earlier_answer_gets_its_page_beside_it_and_nothing_is_measured(run, fake, earlier):
    result = run("report", "answer", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["files"] == ["answer/report.pdf"]
    assert document["ef_percent"] == pytest.approx(60)
    assert "the clip of gone/clip.avi was not found" in result.stderr
    assert fake == [], "no network is loaded"
    text = words(earlier / "report.pdf")
    assert "60 %" in text
    assert "it has no images" in text
    assert "gone/" not in text
    assert run("report", "answer/measurement.json", "--out", "pages").stdout.endswith(
        "pages/answer-report.pdf\n"
    )


def test_the_clip_may_be_reported(run, fake, here, phantom_file):
    shutil.copy(phantom_file, here / "moved.avi")
    write_outputs(here / "a", Result(beating(150, source="gone.avi")[0], None), Outputs(False, False))
    result = run("report", "a", "--clip", "moved.avi", "--format", "html")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "data:image/jpeg" in (here / "a" / "report.html").read_text()
    write_outputs(here / "a", Result(beating(50, source="gone.avi")[0], None), Outputs(False, False))
    result = run("report", "a", "--clip", "moved.avi")
    assert result.exit_code == 1
    assert "give the clip that was measured" in result.stderr


def test_an_output_folder_gets_all_its_pages(run, fake, clip, here):
    (here / "menu.avi").write_bytes(b"x")
    assert run("measure", "clip.avi", "menu.avi", "--no-video", "--no-summary").exit_code == 0
    fake.clear()
    result = run("report", "lvef-out", "--json")
    assert result.exit_code == 0, result.stderr
    assert [d["files"] for d in json.loads(result.stdout)] == [
        ["lvef-out/clip/report.pdf"], ["lvef-out/menu/report.pdf"],
    ]  # fmt: skip
    assert fake == []
    # The pages do not make the answers stale.
    assert (
        "2 of them from an earlier run"
        in run("measure", "clip.avi", "menu.avi", "--no-video", "--no-summary").stderr
    )


def test_a_bad_answer_does_not_stop_the_others(run, fake, earlier, here):
    (here / "bad").mkdir()
    (here / "bad" / "measurement.json").write_text("{")
    result = run("report", "bad", "answer")
    assert result.exit_code == 1
    assert "is not valid JSON" in result.stderr
    assert (earlier / "report.pdf").is_file()
    alone = run("report", "bad")
    assert alone.exit_code == 1
    assert alone.stderr.count("\n") == 1


@pytest.mark.parametrize(("answer", "code"), [(refused(), 3), (failed(), 1)])
def test_exit_codes_of_earlier_answers(run, fake, here, answer, code):
    write_outputs(here / "a", Result(answer, None), Outputs(False, False))
    assert run("report", "a").exit_code == code
    assert "No EF" in words(here / "a" / "report.pdf")


def test_a_correction_gives_a_new_answer_beside(run, fake, clip, correction, here):
    result = run("report", "clip.avi", "--correction", "correction.json", "--reader", "A. Reader", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["corrected"] is True
    assert document["machine_ef_percent"] == pytest.approx(60)
    assert document["ef_percent"] != pytest.approx(60, abs=0.5)
    folder = here / "lvef-out" / "clip-corrected"
    assert {path.name for path in folder.iterdir()} == {
        "report.pdf",
        "measurement.json",
        "curve.csv",
        "beats.csv",
    }
    found = read_measurement(folder / "measurement.json")
    assert found.correction.reader == "A. Reader"
    assert found.ef_percent == pytest.approx(document["ef_percent"])
    text = words(folder / "report.pdf")
    for word in ("corrected by A. Reader", "Model", "Note: Earlier."):
        assert word in text
    again = run("report", folder, "--json")
    assert json.loads(again.stdout)["corrected"] is True
    assert json.loads(again.stdout)["files"] == [str(folder / "report.pdf")]


def test_an_earlier_answer_is_corrected_where_its_contours_are_known(run, fake, earlier, correction, here):
    result = run("report", "answer", "--correction", "correction.json")
    assert result.exit_code == 1
    assert "give the clip itself" in result.stderr
    before = (earlier / "measurement.json").read_bytes()
    ring = [[40, 70], [40, 62], [40, 55], [40, 47], [40, 40], [41, 32], [45, 25], [56, 18],
            [67, 25], [71, 32], [72, 40], [72, 47], [72, 55], [72, 62], [72, 70]]  # fmt: skip
    correction.write_text(json.dumps({"schema": "lvef-correction/1", "ed_points": ring}))
    result = run("report", "answer", "--correction", "correction.json", "--sex", "F")
    assert result.exit_code == 0, result.stderr
    assert (earlier / "measurement.json").read_bytes() == before
    assert read_measurement(here / "answer-corrected" / "measurement.json").correction.changed == (
        "ed_contour",
    )


def test_a_study_is_corrected_by_view(run, fake, here):
    write_outputs(here / "s", study(), Outputs(False, False))
    ring = [[40, 70], [40, 62], [40, 55], [40, 47], [40, 40], [41, 32], [45, 25], [56, 18],
            [67, 25], [71, 32], [72, 40], [72, 47], [72, 55], [72, 62], [72, 70]]  # fmt: skip
    values = {"schema": "lvef-correction/1", "views": {"A4C": {"ed_points": ring, "reader": "R"}}}
    (here / "c.json").write_text(json.dumps(values))
    result = run("report", "s", "--correction", "c.json")
    assert result.exit_code == 0, result.stderr
    assert (here / "s-corrected" / "A4C" / "measurement.json").is_file()
    assert "contour at ED (A4C)" in words(here / "s-corrected" / "report.pdf")


def test_a_correction_that_changes_nothing_says_so(run, fake, clip, correction, here):
    correction.write_text(json.dumps({"schema": "lvef-correction/1"}))
    result = run("report", "clip.avi", "--correction", "correction.json")
    assert result.exit_code == 0
    assert "changes nothing" in result.stderr
    assert (here / "lvef-out" / "clip-report.pdf").is_file()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not valid JSON"),
        ('{"schema": "x/1"}', "lvef-correction/1 was expected"),
        (None, "cannot be read"),
    ],
)
def test_a_correction_that_is_none_is_one_sentence(run, fake, clip, here, text, told):
    if text is not None:
        (here / "c.json").write_text(text)
    result = run("report", "clip.avi", "--correction", "c.json")
    assert result.exit_code == 1
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_page_that_cannot_be_written_is_one_sentence(run, fake, clip, here):
    (here / "o").write_text("a file")
    result = run("report", "clip.avi", "--out", "o/inner")
    assert result.exit_code == 1
    assert "choose another with --out" in result.stderr


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ([], "Give a file or folder"),
        (["--ed", "a.png"], "--ed and --es go together"),
        (["clip.avi", "--reader", "R"], "goes with --correction"),
        (["clip.avi", "answer", "--correction", "c.json"], "give one"),
        (["clip.avi", "--clip", "b.avi"], "that result's folder"),
        (["answer", "--weights", "mine"], "--weights is for measuring"),
        (["answer", "--sex", "F"], "--sex is for measuring"),
        (["clip.avi", "--format", "doc"], "doc"),
        (["clip.avi", "--ed-frame", "3"], "--ed-frame and --es-frame go together"),
    ],
)
def test_words_that_do_not_go_together_are_2(run, fake, clip, earlier, typed, told):
    result = run("report", *typed)
    assert result.exit_code == 2
    assert told in result.stderr
    assert fake == [], "nothing is loaded for a usage error"


def test_options_reach_the_measurer(run, fake, clip):
    run("report", "clip.avi", "--sex", "f", "--view", "a2c", "--weights", "mine")
    options = fake[0].options
    assert (str(options.sex), str(options.view), options.weights) == ("F", "A2C", "mine")
