import json
from dataclasses import replace

import numpy as np
import pytest

from lvef.geometry.control_points import control_points_of_tracing
from lvef.measure.correction import Edit, edit_to_dict
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.measure.results import Outputs, Result
from lvef.report.outputs import write_outputs
from lvef.service.serializers import deserialize_measurement
from lvef.stores.synthetic_files import write_video


@pytest.fixture(scope="module")
def result(answered):
    return f"/v1/results/{answered['jobs'][0]['id']}"


@pytest.fixture(scope="module")
def written(phantom_file, tmp_path_factory):
    """What the command line writes for the same file."""
    measurer = Measurer(MeasureOptions(precision="f32", threads=1))
    folder = tmp_path_factory.mktemp("written")
    write_outputs(folder, Result(*measurer.measure(phantom_file)), Outputs())
    return folder


@pytest.mark.parametrize("name", ["curve.csv", "beats.csv", "summary.png", "overlay.mp4"])
def test_files_are_those_of_the_command_line(real, result, written, name):
    answer = real.client.get(f"{result}/{name}")
    assert answer.status_code == 200
    kinds = {"csv": "text/csv; charset=utf-8", "png": "image/png", "mp4": "video/mp4"}
    assert answer.headers["content-type"] == kinds[name[-3:]]
    expected = (written / name).read_bytes()
    if name.endswith("csv"):
        assert answer.content == expected
    elif name.endswith("png"):
        import cv2

        ours, theirs = (cv2.imdecode(np.frombuffer(d, np.uint8), -1) for d in (answer.content, expected))
        # The path of the file stands in the heading of one and the client's name in the other.
        assert ours.shape == theirs.shape
        assert (ours != theirs).any(axis=2).mean() < 0.02
    else:
        assert abs(len(answer.content) - len(expected)) < 0.05 * len(expected)
    assert real.client.get(f"{result}/{name}").content == answer.content, "kept"


def test_the_report(real, result):
    pdf = real.client.get(f"{result}/report.pdf")
    assert (pdf.status_code, pdf.headers["content-type"]) == (200, "application/pdf")
    assert pdf.content.startswith(b"%PDF-")
    page = real.client.get(f"{result}/report.html")
    assert page.status_code == 200
    assert "script" not in page.headers["content-security-policy"]
    assert "sandbox" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert "phantom.avi" in page.text


def test_what_belongs_to_it(real, result):
    told = real.client.get(f"{result}/files").json()
    assert told["parent"] is None
    assert told["expires"] > told["created"]
    names = {link.removeprefix(f"{result}/") for link in told["files"]} - {result}
    assert names == {"curve.csv", "beats.csv", "overlay.mp4", "summary.png", "report.pdf", "report.html"}


def test_a_file_that_a_clip_does_not_have(real, result):
    for name in ("A4C/curve.csv", "A4C/overlay.mp4", "A2C/measurement.json"):
        answer = real.client.get(f"{result}/{name}")
        assert answer.status_code == 404, name
        assert answer.json()["error"]["message"]
    assert real.client.get(f"{result}/state.npz").status_code == 404


def correct(real, result, edit):
    return real.client.post(f"{result}/correction", json=edit_to_dict(edit))


def test_two_readers_do_not_overwrite_each_other(real, result):
    first = real.client.get(result)
    machine = deserialize_measurement(real.jobs.store.files(result.rpartition("/")[2], (".json", ".npz")))
    points = control_points_of_tracing(machine.tracings[machine.es_frame])
    smaller = points.mean(axis=0) + 0.9 * (points - points.mean(axis=0))
    one = correct(real, result, Edit(ed_frame=41, es_frame=58, reader="A"))
    other = correct(real, result, Edit(es_points=smaller, reader="B", note="apex cut"))
    assert (one.status_code, other.status_code) == (201, 201), one.text + other.text
    assert one.json()["id"] != other.json()["id"]
    for answer in (one, other):
        link = answer.headers["location"]
        again = real.client.get(link)
        assert again.json() == answer.json()["result"]
        assert again.headers["x-parent-result"] == answer.json()["parent"] == result.rpartition("/")[2]
        told = real.client.get(f"{link}/files").json()
        assert told["parent"] == answer.json()["parent"]
    assert one.json()["result"]["correction"]["reader"] == "A"
    assert one.json()["result"]["ed_frame"] == 41
    assert other.json()["result"]["correction"]["machine_ef_percent"] == first.json()["ef_percent"]
    assert other.json()["result"]["ef_percent"] > first.json()["ef_percent"]
    assert real.client.get(result).content == first.content
    assert set(real.client.get(f"{result}/files").json()["corrections"]) >= {
        one.json()["id"],
        other.json()["id"],
    }


def test_a_correction_has_its_own_files(real, result):
    answer = correct(real, result, Edit(ed_frame=41, es_frame=58))
    link = answer.headers["location"]
    assert real.client.get(f"{link}/curve.csv").text != ""
    assert real.client.get(f"{link}/summary.png").content != real.client.get(f"{result}/summary.png").content
    assert real.client.get(f"{link}/overlay.mp4").status_code == 200
    again = correct(real, link, Edit(ed_frame=0, es_frame=15))
    assert (again.status_code, "corrected before" in again.json()["error"]["message"]) == (422, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (b'{"reader": "\\ud800"}', 400),
        (b"[]", 422),
        (b"3", 422),
        (b'{"schema": "x"}', 422),
        (b'{"colour": 1}', 422),
        (b'{"ed_frame": 99999}', 422),
        (b'{"ed_frame": 1e400}', 422),
        (b'{"ed_points": [[1, 2]]}', 422),
        (b'{"views": {"A4C": {}}}', 422),
        (b'{"ed_frame": 15, "es_frame": 0}', 422),
        (b" " * (2**20 + 1), 413),
    ],
)
def test_corrections_that_are_none(real, result, body, status):
    answer = real.client.post(
        f"{result}/correction", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status, answer.text
    assert "message" in answer.json()["error"]


def test_forgetting_takes_everything_along(real, phantom_file):
    job = real.send(phantom_file.read_bytes(), names=["a.avi"]).json()["jobs"][0]["id"]
    corrected = correct(real, f"/v1/results/{job}", Edit(ed_frame=41, es_frame=58)).json()["id"]
    assert real.client.delete(f"/v1/jobs/{job}").status_code == 204
    for name in (job, corrected):
        assert real.client.get(f"/v1/results/{name}").status_code == 404
        assert real.client.get(f"/v1/results/{name}/overlay.mp4").status_code == 404
    assert real.jobs.store.clips(job) == {}


@pytest.fixture(scope="module")
def stills(phantom_file, tmp_path_factory):
    """ED and ES of the phantom as PNG."""
    import cv2

    from lvef.io.open import open_clip

    clip = open_clip(phantom_file)
    return {p: cv2.imencode(".png", clip.frames[f])[1].tobytes() for p, f in (("ed", 0), ("es", 15))}


def test_a_pair_of_stills(real, stills):
    files = {phase: (f"{phase}.png", data) for phase, data in stills.items()}
    answer = real.client.post("/v1/measure", files=files, data={"wait": "60"})
    assert answer.status_code == 200, answer.text
    (job,) = answer.json()["jobs"]
    assert job["source"] == job["result"]["source"] == "ed.png + es.png"
    assert job["result"]["status"] == "partial_cycle"
    link = job["links"]["result"]
    assert real.client.get(f"{link}/summary.png").status_code == 200
    film = real.client.get(f"{link}/overlay.mp4")
    assert (film.status_code, film.json()["error"]["code"]) == (404, "no_pictures")


@pytest.mark.slow
def test_a_biplane_study(real, phantom_file, phantom_clip, tmp_path):
    clip = phantom_clip.clip
    backwards = replace(phantom_clip, clip=replace(clip, frames=clip.frames[::-1]))
    write_video(tmp_path / "two.avi", backwards)
    data, other = phantom_file.read_bytes(), (tmp_path / "two.avi").read_bytes()
    files = {"a4c": ("four.avi", data), "a2c": ("two.avi", other)}
    answer = real.client.post("/v1/measure", files=files, data={"wait": "60"})
    assert answer.status_code == 200, answer.text
    (job,) = answer.json()["jobs"]
    assert job["result"]["method"].startswith("biplane")
    link = job["links"]["result"]
    view = real.client.get(f"{link}/A2C/measurement.json").json()
    assert (view["view"], view["source"]) == ("A2C", "two.avi")
    assert real.client.get(f"{link}/A4C/curve.csv").text.startswith("frame,time_s")
    assert real.client.get(f"{link}/A2C/overlay.mp4").status_code == 200
    assert real.client.get(f"{link}/curve.csv").status_code == 404
    four = real.client.get(f"{link}/A4C/measurement.json").json()
    beat = next(beat for beat in four["beats"] if not beat["shown"])
    edit = {"views": {"A4C": {"ed_frame": beat["ed_frame"], "es_frame": beat["es_frame"], "reader": "A"}}}
    corrected = real.client.post(f"{link}/correction", json=edit)
    assert corrected.status_code == 201, corrected.text
    assert corrected.json()["result"]["correction"]["changed"] == ["A4C beat"]
    new = corrected.headers["location"]
    assert real.client.get(f"{new}/A4C/measurement.json").json()["ed_frame"] == beat["ed_frame"]
    assert real.client.get(f"{new}/A4C/summary.png").status_code == 200


def test_the_store_holds_no_upload_and_no_path(real, result, phantom_file):
    name = result.rpartition("/")[2]
    everything = b"".join(real.jobs.store.files(name, ("",)).values())
    assert phantom_file.read_bytes()[:200] not in everything
    assert str(real.jobs.upload_store.folder).encode() not in everything
    assert json.loads(real.jobs.store.result(name).options)["precision"] == "f32"
