"""``lvef measure``: what is typed, what is printed, what is written, what is returned."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import jsonschema
import pytest

from lvef.core.terms import Sex, View
from lvef.measure.serializers import measurement_schema


@pytest.fixture
def clip(here):
    path = here / "clip.avi"
    path.write_bytes(b"x")
    return path


@pytest.fixture
def folder(here):
    (here / "study" / "inner").mkdir(parents=True)
    for name in ("a.avi", "inner/b.mp4", "menu.avi"):
        (here / "study" / name).write_bytes(b"x")
    return here / "study"


def results(out):
    with (Path(out) / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_one_file_prints_its_answer_and_writes_beside(run, fake, clip, here):
    result = run("measure", "clip.avi", "--no-video", "--no-summary")
    assert result.exit_code == 0, result.stderr
    assert "60 %" in result.stdout
    assert re.search(r"EDV +120 ml", result.stdout) and re.search(r"ESV +48 ml", result.stdout)
    assert "Not a medical device" in result.stdout
    assert "Only one beat" in result.stdout
    assert "lvef-out" in result.stderr
    assert {path.name for path in (here / "lvef-out").iterdir()} == {
        "clip",
        "results.csv",
        "run.json",
        "finished.jsonl",
    }
    assert results("lvef-out")[0]["path"] == "clip.avi"


def test_all_outputs_by_default(run, fake, clip, here):
    assert run("measure", "clip.avi", "--out", "o").exit_code == 0
    names = {path.name for path in (here / "o" / "clip").iterdir()}
    assert names == {"measurement.json", "curve.csv", "beats.csv", "overlay.mp4", "summary.png"}


def test_json_is_an_object_for_one_file_and_writes_nothing(run, fake, clip, here):
    result = run("measure", "clip.avi", "--json")
    document = json.loads(result.stdout)
    jsonschema.validate(document, measurement_schema())
    assert document["source"] == "clip.avi"
    assert [path.name for path in here.iterdir()] == ["clip.avi"]
    assert result.stderr == ""


def test_json_is_an_array_for_several_and_for_a_folder(run, fake, clip, folder):
    documents = json.loads(run("measure", clip, "--json", folder).stdout)
    assert [document["status"] for document in documents] == ["ok", "ok", "refused", "ok"]
    (folder / "menu.avi").unlink()
    (folder / "a.avi").unlink()
    assert len(json.loads(run("measure", folder, "--json").stdout)) == 1


def test_json_with_out_writes_too_and_resumes_to_the_same(run, fake, clip, here):
    words = ("measure", "clip.avi", "--json", "--out", "o", "--no-video", "--no-summary")
    first, second = run(*words), run(*words)
    assert (here / "o" / "clip" / "measurement.json").is_file()
    assert fake[1].asked == []
    one, other = json.loads(first.stdout), json.loads(second.stdout)
    assert one["ef_percent"] == other["ef_percent"]
    assert one["beats"][0]["ed_volume"] == other["beats"][0]["ed_volume"]
    assert one["tracings"] == other["tracings"]


def test_a_folder_prints_a_line_a_file(run, fake, folder):
    result = run("measure", folder, "--no-video", "--no-summary")
    assert result.exit_code == 0
    rows = [line.split(maxsplit=6) for line in result.stdout.splitlines()]
    assert [row[0] for row in rows] == ["File", "a.avi", "menu.avi", "inner/b.mp4", "Research"]
    assert rows[1][1:6] == ["60", "%", "120", "48", "1"]
    assert rows[2][1:] == ["-", "-", "-", "-", "refused", rows[2][6]]
    assert rows[2][6].rstrip() == "no ultrasound sector"
    assert "no_fan" not in result.stdout
    assert "No ultrasound fan" in result.stderr
    assert [Path(row["path"]).name for row in results("lvef-out")] == ["a.avi", "menu.avi", "b.mp4"]


def test_verbose_says_what_came_of_each_file_and_quiet_only_what_went_wrong(run, fake, folder):
    words = ("measure", folder, "--no-video", "--no-summary", "-o", "o", "-j", "1")
    said = run(*words, "-v").stderr
    assert re.search(r"a\.avi: EF 60 % in \d+\.\d s, written to o/a\n", said)
    assert re.search(r"menu\.avi: refused in \d+\.\d s", said)
    assert "a.avi: EF 60 %" in run(*words, "--verbose").stderr
    assert "(by an earlier run)" in run(*words, "-v").stderr
    quiet = run(*words, "-q")
    assert quiet.stderr == "lvef: No ultrasound fan was found in the picture.\n"
    assert "a.avi" in quiet.stdout
    both = run(*words, "-v", "-q")
    assert both.exit_code == 2
    assert "--verbose and --quiet contradict each other" in both.stderr


def test_our_own_outputs_are_not_measured(run, fake, folder):
    run("measure", folder, "--out", folder / "out")
    run("measure", folder, "--out", folder / "out")
    assert fake[1].asked == []


def test_a_missing_file_fails_beside_the_others(run, fake, clip):
    result = run("measure", "gone.avi", "clip.avi", "--no-video", "--no-summary")
    assert result.exit_code == 1
    assert "gone.avi" in result.stderr
    assert "failed" in result.stdout
    assert [row["status"] for row in results("lvef-out")] == ["ok"]
    assert not Path("lvef-out/gone").exists()


def test_missing_files_alone_make_no_folder(run, fake, here):
    result = run("measure", "gone.avi", "lost.avi")
    assert result.exit_code == 1
    assert "Written" not in result.stderr
    assert not Path("lvef-out").exists()


@pytest.mark.parametrize(("name", "code"), [("gone.avi", 1), ("menu.avi", 3)])
def test_one_file_without_an_answer_is_one_sentence(run, fake, here, name, code):
    if name == "menu.avi":
        (here / name).write_bytes(b"x")
    result = run("measure", name, "--json")
    assert result.exit_code == code
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("lvef: ")
    assert json.loads(result.stdout)["ef_percent"] is None
    result = run("measure", name)
    assert result.exit_code == code
    assert result.stdout == ""


def test_an_empty_folder_is_reported(run, fake, here):
    (here / "empty.avi").mkdir()
    result = run("measure", "empty.avi")
    assert result.exit_code == 1
    assert "is a folder in which no echo file was found" in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "Give a file or folder"),
        (["--ed", "a.png"], "--ed and --es go together"),
        (["--a2c", "a.avi"], "--a4c and --a2c go together"),
        (["clip.avi", "--ed", "a", "--es", "b"], "Give either"),
        (["--ed", "a", "--es", "b", "--a4c", "c", "--a2c", "d"], "Give either"),
        (["clip.avi", "--ed-frame", "3"], "--ed-frame and --es-frame go together"),
        (["--a4c", "c", "--a2c", "d", "--ed-frame", "3", "--es-frame", "5"], "one clip"),
        (["clip.avi", "--height-cm", "170"], "--height-cm and --weight-kg go together"),
        (["clip.avi", "--height-cm", "1.7", "--weight-kg", "70"], "cm"),
        (["clip.avi", "--frame-rate", "0"], "frame-rate"),
        (["clip.avi", "--ed-frame", "-1", "--es-frame", "4"], "ed-frame"),
        (["clip.avi", "--view", "PLAX"], "PLAX"),
    ],
)
def test_words_that_do_not_go_together_are_2(run, fake, clip, words, told):
    result = run("measure", *words)
    assert result.exit_code == 2
    assert told in result.stderr
    assert fake == [], "nothing is loaded for a usage error"


def test_options_reach_the_measurer(run, fake, clip):
    run(
        "measure", "clip.avi", "--json", "--sex", "f", "--view", "a2c", "--frame-rate", "40", "--height-cm", "170",
        "--weight-kg", "70", "--ed-frame", "3", "--es-frame", "9", "--precision", "f32", "--backend", "onnxruntime",
        "--weights", "mine", "--threads", "2", "--max-frames", "77",
    )  # fmt: skip
    options = fake[0].options
    assert options.sex is Sex.FEMALE
    assert options.view is View.A2C
    assert (options.frame_rate_hz, options.height_cm, options.weight_kg) == (40.0, 170.0, 70.0)
    assert (options.ed_frame, options.es_frame, options.threads, options.max_frames) == (3, 9, 2, 77)
    assert (options.weights, options.backend, options.precision) == ("mine", "onnxruntime", "f32")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--mm-per-px 0", "0.0 is not in the range"),
        ("--mm-per-px nan", "cannot be the scale of an echo image"),
        ("--mm-per-px 0.3 --scale-line 0,0,0,90,50", "not both"),
        ("--scale-line 0,0,0,90", "is not 5 numbers with commas"),
        ("--scale-line 0,0,0,5,50", "at least 20 are needed"),
        ("--scale-line 0,0,0,90,-50", "must be above 0"),
        ("--a2c-mm-per-px 0.3", "belong to a biplane study"),
    ],
)
def test_scales_that_cannot_be_are_usage_errors(run, fake, clip, words, says):
    result = run("measure", "clip.avi", *words.split())
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.replace("│", " ").split())
    assert not fake


def test_a_scale_by_hand(run, fake, clip):
    run("measure", "clip.avi", "--json", "--scale-line", "1,2,3,104.5,50", "--prefer-manual-scale")
    assert fake[0].options.scale_line == (1.0, 2.0, 3.0, 104.5, 50.0)
    assert fake[0].options.prefer_manual_scale


def test_a_second_opinion_needs_no_name(run, fake, clip):
    run("measure", "clip.avi", "--json", "--second-opinion")
    run("measure", "--second-opinion=other", "clip.avi", "--json")
    assert [one.options.second_opinion for one in fake] == ["auto", "other"]
    result = run("measure", "--second-opinion", "clip.avi")
    assert result.exit_code == 2
    assert "write --second-opinion after the files" in " ".join(result.stderr.replace("│", " ").split())


def test_defaults_are_those_of_the_options(run, fake, clip):
    from lvef.measure.options import MeasureOptions

    run("measure", "clip.avi", "--json")
    assert fake[0].options == MeasureOptions()


def test_a_study_is_one_result(run, fake, folder, here):
    result = run("measure", "--study", "study", "--no-video", "--no-summary", "-o", "o")
    assert result.exit_code == 0, result.stderr
    assert {path.name for path in (here / "o").iterdir()} >= {"study"}
    assert {path.name for path in (here / "o" / "study").iterdir()} >= {"A4C", "A2C", "measurement.json"}
    assert results("o")[0]["path"] == "study"
    assert isinstance(json.loads(run("measure", "--study", "study", "--json").stdout), dict)
    assert "there is no such folder" in run("measure", "--study", "none").stderr
    assert run("measure", "--study", "study", "--view", "A4C").exit_code == 2
    assert run("measure", "study", "--study", "study").exit_code == 2


def test_a_pair(run, fake, here):
    for name in ("ed.png", "es.png"):
        (here / name).write_bytes(b"x")
    result = run("measure", "--ed", "ed.png", "--es", "es.png", "--out", "o")
    assert result.exit_code == 0, result.stderr
    assert fake[0].asked == [("ed.png", "es.png")]
    assert (here / "o" / "ed+es" / "measurement.json").is_file()
    assert results("o")[0]["path"] == "ed.png + es.png"


def test_a_biplane_study_shows_both_views(run, fake, here):
    for name in ("4.avi", "2.avi"):
        (here / name).write_bytes(b"x")
    result = run("measure", "--a4c", "4.avi", "--a2c", "2.avi", "--out", "o", "--no-video")
    assert result.exit_code == 0, result.stderr
    assert "A4C alone" in result.stdout
    assert "58 %" in result.stdout
    assert (here / "o" / "4+2" / "A2C" / "summary.png").is_file()
    assert isinstance(json.loads(run("measure", "--a4c", "4.avi", "--a2c", "2.avi", "--json").stdout), dict)


def test_another_option_measures_again(run, fake, clip):
    run("measure", "clip.avi", "--no-video", "--no-summary")
    run("measure", "clip.avi", "--no-video", "--no-summary")
    run("measure", "clip.avi", "--no-video", "--no-summary", "--sex", "F")
    run("measure", "clip.avi", "--no-video", "--no-summary", "--sex", "F", "--no-resume")
    assert [len(measurer.asked) for measurer in fake] == [1, 0, 1, 1]


def test_an_answer_of_an_earlier_run_is_printed_again(run, fake, clip):
    first = run("measure", "clip.avi", "--no-video", "--no-summary")
    second = run("measure", "clip.avi", "--no-video", "--no-summary")
    assert second.stdout == first.stdout
    assert "from an earlier run" in second.stderr


def test_markup_in_a_name_is_text(run, fake, here):
    (here / "[red]x.avi").write_bytes(b"x")
    (here / "[b].avi").write_bytes(b"x")
    assert "[red]x.avi" in run("measure", "[red]x.avi", "--no-video", "--no-summary").stdout
    assert "[b].avi" in run("measure", "[red]x.avi", "[b].avi", "--no-video", "--no-summary").stdout


def test_a_long_table_is_cut(run, fake, here):
    (here / "many").mkdir()
    for i in range(70):
        (here / "many" / f"{i:03}.avi").write_bytes(b"x")
    result = run("measure", "many", "--no-video", "--no-summary")
    assert "and 10 more" in result.stdout
    assert len(results("lvef-out")) == 70


@pytest.mark.training
def test_an_ef_network_answers_and_says_what_it_is(run, here, phantom_file):
    pytest.importorskip("onnx", reason="the network of this test is made with onnx")
    from tests.inference.tiny_networks import ef_of_clips

    network = ef_of_clips(here / "network", gain=200.0)
    told = run("measure", phantom_file, "--weights", network, "--no-video", "--no-summary")
    assert told.exit_code == 0
    for words in ("clip read as a whole", "tiny 1 reads the EF from clips", "Spread over windows"):
        assert words in told.stdout
    by_beat = run("measure", phantom_file, "--weights", network, "--per-beat", "--json")
    document = json.loads(by_beat.stdout)
    jsonschema.validate(document, measurement_schema())
    assert document["provenance"]["network_kind"] == "ef-clip"
    assert len(document["beats"]) == document["counts"]["clips"] > 1
    assert document["tracings"] == {}
    assert document["edv_ml"] is None


@pytest.mark.training
def test_a_network_that_does_not_fit_its_card_is_one_sentence(run, here, clip):
    pytest.importorskip("onnx", reason="the network of this test is made with onnx")
    from tests.inference.tiny_networks import ef_of_clips

    network = ef_of_clips(here / "network", kind="magic")
    result = run("measure", clip, "--weights", network)
    assert result.exit_code == 1
    assert "kind 'magic' found" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
