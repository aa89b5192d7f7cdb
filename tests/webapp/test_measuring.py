"""Uploads to answers: the same EF as the command's, the client's names, sentences for everything."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from lvef.measure.results import Result

pytest.importorskip("streamlit", reason='the page needs pip install "lvef[app]"')

from lvef.core.terms import Sex, Status
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.webapp import measuring
from lvef.webapp.measuring import (
    SampleFile,
    bug_message,
    catch_errors,
    measure_again,
    measure_pair,
    measure_study,
    measure_upload,
)
from tests.webapp.page_files import CINE, still_pair


def quiet(words, share):
    pass


@pytest.fixture(scope="module")
def expected():
    return Measurer().measure(CINE)[0]


def test_an_upload_gives_the_ef_of_the_command_under_the_clients_name(expected):
    told = []
    answer = measure_upload(
        SampleFile("x/EVA.dcm", CINE.read_bytes()),
        MeasureOptions(),
        lambda words, share: told.append((words, share)),
    )
    m = answer.measurement
    assert m.ef_percent == pytest.approx(expected.ef_percent, abs=1e-9)
    assert m.source == "EVA.dcm" and answer.clip.source == "EVA.dcm"
    assert measuring.get_upload_store().uploads() == []
    words = [w for w, _ in told]
    assert words[0] == "Reading the file" and "30 frames" in words[1]
    assert any("frame 16 of 30" in w or "frame 8 of 30" in w for w in words)
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(0.95)


def test_a_wrong_file_is_a_sentence_with_the_clients_name():
    m = measure_upload(SampleFile("notes.avi", b"words"), MeasureOptions(), quiet).measurement
    assert m.status is Status.FAILED
    assert m.reason.startswith("notes.avi has an unknown format") and measuring.UPLOADS_PREFIX not in m.reason


def test_a_wrong_suffix_is_still_warned_of():
    m = measure_upload(SampleFile("a.avi", CINE.read_bytes()), MeasureOptions(), quiet).measurement
    assert "wrong_suffix" in [n.code for n in m.notices]


def test_a_clip_in_memory_is_measured_again_with_other_settings(expected):
    first = measure_upload(SampleFile("a.dcm", CINE.read_bytes()), MeasureOptions(), quiet)
    same = measure_again(first, MeasureOptions(), quiet)
    assert same.measurement.ef_percent == pytest.approx(expected.ef_percent, abs=1e-9)
    slower = measure_again(first, MeasureOptions(frame_rate_hz=15), quiet).measurement
    assert slower.frame_rate_hz == pytest.approx(15) and slower.timing == "given by the user"
    other = measure_again(first, MeasureOptions(weights="small-video"), quiet).measurement
    assert other.ef_percent is not None and not any(other.tracings)
    none = measure_again(first, MeasureOptions(weights="no-such"), quiet).measurement
    assert none.status is Status.FAILED and "no-such" in none.reason


def test_stills_and_studies_are_called_by_both_names(expected, tmp_path):
    ed, es = (
        SampleFile(p.name, p.read_bytes()) for p in still_pair(tmp_path, expected.ed_frame, expected.es_frame)
    )
    pair = measure_pair(ed, es, MeasureOptions(), quiet).measurement
    assert pair.source == "ed.png + es.png" and pair.ef_percent is not None
    assert (
        "ed.png + es.png"
        in measure_pair(ed, es, MeasureOptions(weights="small-video"), quiet).measurement.reason
    )
    cine = SampleFile("a.dcm", CINE.read_bytes())
    study = measure_study(cine, SampleFile("b.dcm", b"no"), MeasureOptions(), quiet)
    assert study.measurement.source == "a.dcm + b.dcm" and study.measurement.ef_percent is None
    assert study.views["A4C"][0].source == "a.dcm"
    assert measuring.UPLOADS_PREFIX not in study.measurement.reason


def test_networks_are_loaded_once_and_counted_apart():
    assert measuring.get_measurer("camus-seg") is measuring.get_measurer("camus-seg")
    shared = measuring.get_measurer("camus-seg")
    own = shared.with_options(MeasureOptions(sex=Sex.MALE))
    assert own.predictor is shared.predictor
    assert shared.options.sex is None


def test_a_bug_is_a_sentence_without_the_words_of_the_error():
    def breaks() -> Result:
        raise KeyError("Musterfrau^Erika")

    m = catch_errors(breaks, "a.avi").measurement
    assert m.status is Status.FAILED and m.reason_code == "bug"
    assert "KeyError" in m.reason and "test_measuring.py" in m.reason and "Musterfrau" not in m.reason
    assert "KeyError" in bug_message(KeyError("x"))


def test_too_little_memory_is_a_sentence():
    def full() -> Result:
        raise MemoryError

    assert "memory" in catch_errors(full, "a.avi").measurement.reason


def test_the_frames_stay_as_they_were_read():
    answer = measure_upload(SampleFile("a.dcm", CINE.read_bytes()), MeasureOptions(), quiet)
    before = answer.clip.frames.copy()
    measure_again(answer, MeasureOptions(), quiet)
    assert np.array_equal(answer.clip.frames, before)


def test_the_upload_folder_goes_with_the_process(tmp_path):
    code = (
        "from lvef.webapp.measuring import get_upload_store; path = get_upload_store().new_path('x.avi'); "
        "path.touch(); print(path)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(tmp_path / measuring.UPLOADS_PREFIX))
    assert list(tmp_path.iterdir()) == []
