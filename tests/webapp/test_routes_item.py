"""One item over HTTP: its images, correction, files, scale, and the other models on it."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile

import cv2
import numpy as np
import pytest

pytest.importorskip("uvicorn", reason='the page needs pip install "lvef[app]"')

from lvef.webapp.routes_item import without_propagation
from tests.waiting import wait_until
from tests.webapp.fakes import PLAIN
from tests.webapp.pages import running


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A page for all tests of this module."""
    with running(tmp_path_factory.mktemp("quick")) as found:
        yield found


@pytest.fixture(scope="module")
def shared(quick):
    """A visitor with a clip and a study, which no test changes."""
    visitor = quick.visitor()
    visitor.clip, visitor.study = visitor.measured(), visitor.measured(PLAIN, PLAIN, kind="study")
    return visitor


@pytest.fixture
def visitor(quick):
    return quick.visitor()


def moved(visitor, item, part="", pixels=3.0):
    """A correction that moves the left wall at ED."""
    view = visitor.get(f"api/items/{item['id']}/view", params={"part": part}).json()
    points = view["points"][str(view["ed_frame"])]
    for point in points[2:6]:
        point[0] -= pixels
    return {"schema": "lvef-correction/1", "ed_points": points, "reader": "R", "note": ""}


def test_the_view_of_a_clip(shared):
    answer = shared.get(f"api/items/{shared.clip['id']}/view")
    view = answer.json()
    n = view["n_frames"]
    assert (view["width"], view["height"], view["aspect"], view["every"], view["is_still"]) == (
        112,
        112,
        1.0,
        1,
        False,
    )
    assert len(view["times"]) == len(view["contours"]) == len(view["volume"]) == n == 60
    assert view["unit"] == "ml" and view["correctable"] is True
    ed = view["ed_frame"]
    assert np.array(view["points"][str(ed)]).shape == (15, 2)
    assert len(view["contours"][ed]) % 2 == 0
    assert {"frame": ed, "phase": "ed", "counted": True} in view["marks"]
    assert sum(beat["shown"] for beat in view["beats"]) == 1
    # The second request gets what was kept.
    assert shared.get(f"api/items/{shared.clip['id']}/view").content == answer.content


def test_the_frames_of_a_clip(shared):
    data = shared.get(f"api/items/{shared.clip['id']}/frames").content
    (n,) = struct.unpack_from("<I", data, 4)
    sizes = struct.unpack_from(f"<{n}I", data, 8)
    assert data[:4] == b"LVEF" and n == 60 and len(data) == 8 + 4 * n + sum(sizes)
    start = 8 + 4 * n
    image = cv2.imdecode(np.frombuffer(data[start : start + sizes[0]], np.uint8), cv2.IMREAD_UNCHANGED)
    assert image.shape[:2] == (112, 112)


def test_a_study_has_the_images_of_both_views(shared):
    url = f"api/items/{shared.study['id']}"
    assert shared.study["parts"] == ["A4C", "A2C"] and set(shared.study["by_part"]) == {"A4C", "A2C"}
    for part in ("A4C", "A2C"):
        assert shared.get(f"{url}/view", params={"part": part}).json()["n_frames"] == 60
        assert shared.get(f"{url}/frames", params={"part": part}).status_code == 200
    assert shared.get(f"{url}/view").content == shared.get(f"{url}/view", params={"part": "A4C"}).content
    assert shared.error(shared.get(f"{url}/view", params={"part": "PLAX"}))[:2] == (404, "not_found")


def test_a_thumbnail(shared):
    answer = shared.get(f"api/items/{shared.clip['id']}/thumb")
    image = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert answer.headers["content-type"] == "image/jpeg" and image.shape == (160, 160, 3)
    # The contour is the only thing that has a colour.
    assert (image.max(axis=2).astype(int) - image.min(axis=2)).max() > 60


def test_a_preview_stores_nothing(shared):
    url, edit = f"api/items/{shared.clip['id']}", moved(shared, shared.clip)
    shown = shared.post(f"{url}/preview", json={"edit": edit}).json()
    before = shared.clip["result"]
    assert shown["ef_percent"] > before["ef_percent"] and shown["edv_text"].endswith("ml")
    assert shown["difference_text"] == f"{shown['ef_percent'] - before['ef_percent']:+.1f} points"
    same = shared.post(f"{url}/preview", json={"edit": None}).json()
    assert (
        same["ef_percent"] == pytest.approx(before["ef_percent"]) and same["difference_text"] == "+0.0 points"
    )
    assert shared.detail(shared.clip) == shared.clip


def test_a_correction_and_its_files(visitor):
    item = visitor.measured()
    url, edit = f"api/items/{item['id']}", moved(visitor, item)
    body = {"revision": item["revision"], "edit": edit, "history": {"past": [1], "future": []}}
    before = visitor.get(f"{url}/thumb").content
    detail = visitor.put(f"{url}/edit", json=body).json()
    assert detail["corrected"] is True and detail["revision"] == item["revision"] + 1
    assert detail["result"]["ef_percent"] > detail["machine"]["ef_percent"] == item["result"]["ef_percent"]
    assert detail["result"]["correction"]["reader"] == "R" and detail["result"]["correction"]["changed"] == [
        "ed_contour"
    ]
    assert (detail["edit"], detail["history"]) == (edit, body["history"]) and detail["machine"][
        "correction"
    ] is None
    assert visitor.detail(item) == detail
    assert visitor.get(f"{url}/thumb").content != before
    assert visitor.get("api/items").json()["items"][0]["ef_text"] == detail["ef_text"]
    # The view keeps the model's contours.
    assert visitor.get(f"{url}/view").json()["ed_frame"] == item["result"]["ed_frame"]
    document = json.loads(visitor.get(f"{url}/files/measurement.json").content)
    assert (
        document["ef_percent"] == pytest.approx(detail["ef_percent"])
        and document["correction"]["reader"] == "R"
    )
    assert json.loads(visitor.get(f"{url}/files/correction.json").content)["ed_points"] == edit["ed_points"]
    reset = visitor.put(
        f"{url}/edit", json={"revision": detail["revision"], "edit": None, "history": None}
    ).json()
    assert reset["corrected"] is False and reset["machine"] is None and reset["result"] == item["result"]
    assert "correction.json" in detail["files"] and "correction.json" not in reset["files"]
    document = json.loads(visitor.get(f"{url}/files/measurement.json").content)
    assert document["correction"] is None


def test_the_result_of_an_old_correction_is_deleted(quick, visitor):
    item = visitor.measured()
    url, count = f"api/items/{item['id']}", quick.jobs.store.count
    before = count()
    for number in range(3):
        edit = moved(visitor, item, pixels=2.0 + number)
        item = visitor.put(
            f"{url}/edit", json={"revision": item["revision"], "edit": edit, "history": None}
        ).json()
        for _ in range(2):
            assert visitor.get(f"{url}/files/report.pdf").content == b"drawn report.pdf"
    assert count() == before + 1
    visitor.delete(url)
    assert count() == before - 1


def test_two_tabs(visitor):
    item = visitor.measured()
    url, edit = f"api/items/{item['id']}/edit", moved(visitor, item)
    first = visitor.put(url, json={"revision": item["revision"], "edit": edit, "history": None}).json()
    late = visitor.put(url, json={"revision": item["revision"], "edit": None, "history": None})
    assert visitor.error(late)[:2] == (409, "edit_conflict") and late.json()["detail"] == first
    assert visitor.put(url, json={"edit": None}).status_code == 409
    assert visitor.detail(item) == first


def test_a_tab_that_is_faster_wins(quick, visitor, monkeypatch):
    """Both tabs saw the same state; one correction is stored while the other one is still being computed."""
    item = visitor.measured()
    original, store = quick.page.measured.with_edit, quick.page.store

    async def with_edit(own, edit, patient):
        result = await original(own, edit, patient)
        other = store.item(own.session, own.id)
        other.revision += 1
        store.save(other)
        return result

    monkeypatch.setattr(quick.page.measured, "with_edit", with_edit)
    body = {"revision": item["revision"], "edit": moved(visitor, item), "history": None}
    late = visitor.put(f"api/items/{item['id']}/edit", json=body)
    assert visitor.error(late)[:2] == (409, "edit_conflict") and late.json()["detail"]["edit"] is None


@pytest.mark.parametrize(
    "edit",
    [
        {"ed_points": [[0, 0]] * 15},
        {"ed_points": [[0, 0]] * 14},
        {"ed_points": "x"},
        {"ed_frame": 10_000},
        {"ed_frame": -1},
        {"ed_frame": 3, "es_frame": 3},
        {"colour": 1},
        {"views": {"A4C": {}}},
        {"schema": "lvef-correction/9"},
        [],
        "x",
    ],
)
def test_corrections_that_are_none(shared, edit):
    url, body = (
        f"api/items/{shared.clip['id']}",
        {"revision": shared.clip["revision"], "edit": edit, "history": None},
    )
    for answer in (shared.put(f"{url}/edit", json=body), shared.post(f"{url}/preview", json={"edit": edit})):
        status, _, message = shared.error(answer)
        assert status == 422
        # Nothing of how a correction is written down.
        assert not re.search(r"[{}\[\]_]|layout|schema|NoneType|-1", message)
    assert shared.detail(shared.clip) == shared.clip


def test_frames_in_messages_count_from_1(shared):
    answer = shared.post(f"api/items/{shared.clip['id']}/preview", json={"edit": {"ed_frame": 999}})
    assert "frame 1000" in shared.error(answer)[2] and "frames 1 to 60" in shared.error(answer)[2]


def test_a_history_that_is_too_long(shared):
    body = {"revision": shared.clip["revision"], "edit": None, "history": "x" * 300_000}
    assert shared.error(shared.put(f"api/items/{shared.clip['id']}/edit", json=body))[:2] == (
        413,
        "too_large",
    )


def test_a_correction_of_a_study(visitor):
    item = visitor.measured(PLAIN, PLAIN, kind="study")
    url = f"api/items/{item['id']}"
    edit = {"schema": "lvef-correction/1", "views": {"A2C": moved(visitor, item, "A2C")}}
    detail = visitor.put(f"{url}/edit", json={"revision": 1, "edit": edit, "history": None}).json()
    assert detail["corrected"] and detail["result"]["ef_percent"] != detail["machine"]["ef_percent"]
    assert detail["by_part"]["A2C"]["correction"]["changed"] == ["ed_contour"]
    assert detail["by_part"]["A4C"]["correction"] is None and set(detail["machine_by_part"]) == {"A2C"}
    assert set(json.loads(visitor.get(f"{url}/files/correction.json").content)["views"]) == {"A2C"}
    document = json.loads(visitor.get(f"{url}/files/A2C/measurement.json").content)
    assert document["correction"]["changed"] == ["ed_contour"]


def test_three_clicks(shared):
    url = f"api/items/{shared.clip['id']}/resegment"
    body = {"part": "", "frame": 3, "apex": [10, 10], "annulus": [[5, 50], [20, 50]]}
    assert len(shared.post(url, json=body).json()["points"]) == 15
    assert shared.error(shared.post(url, json={**body, "frame": 99_999}))[:2] == (422, "not_possible")
    for wrong in (
        {"frame": "3"},
        {"apex": [1]},
        {"annulus": [[1, 2]]},
        {"apex": ["a", "b"]},
        {"frame": None},
    ):
        assert shared.error(shared.post(url, json={**body, **wrong}))[:2] == (422, "bad_request")
    assert shared.error(shared.post(url, json={**body, "part": "A4C"}))[0] == 404


def test_files_and_their_names(visitor):
    item = visitor.measured(names=["Müller (1).dcm"])
    url = f"api/items/{item['id']}/files"
    for name in item["files"]:
        answer = visitor.get(f"{url}/{name}")
        assert answer.status_code == 200 and answer.content, name
        assert answer.headers["content-disposition"].startswith(f'attachment; filename="M_ller__1-{name}"')
        assert f"filename*=UTF-8''M%C3%BCller%20%281%29-{name}" in answer.headers["content-disposition"]
    assert visitor.get(f"{url}/report.pdf").headers["content-type"] == "application/pdf"
    with zipfile.ZipFile(io.BytesIO(visitor.get(f"{url}/all.zip").content)) as archive:
        assert set(archive.namelist()) == set(item["files"]) - {"all.zip"}
        assert archive.read("overlay.mp4") == b"drawn overlay.mp4"
    for name in ("state.npz", "view.page", "../page.sqlite", "none.csv", "A4C/measurement.json"):
        assert visitor.error(visitor.get(f"{url}/{name.replace('/', '%2F')}"))[:2] == (404, "no_such_file")


def test_files_of_what_has_none(visitor):
    bad = visitor.measured(b"crash")
    assert bad["files"] == []
    for name in ("report.pdf", "all.zip"):
        assert visitor.get(f"api/items/{bad['id']}/files/{name}").status_code in (404, 409)
    refused = visitor.measured(b"refuse")
    assert "overlay.mp4" not in refused["files"] and "report.pdf" in refused["files"]


def test_stills_that_look_swapped(visitor):
    item = visitor.measured(b"swapped", PLAIN, kind="stills", names=["a.png", "b.png"])
    assert item["swap"] is True and item["state"] == "refused"
    again = visitor.post(f"api/items/{item['id']}/measure", json={"swap": True}).json()
    assert again["name"] == "b.png + a.png"
    assert visitor.finished(item)["swap"] is False
    view = visitor.get(f"api/items/{item['id']}/view").json()
    assert view["is_still"] is True and view["beats"] == []
    clip = visitor.measured()
    assert visitor.error(visitor.post(f"api/items/{clip['id']}/measure", json={"swap": True}))[:2] == (
        422,
        "bad_request",
    )


def test_a_scale_by_hand(visitor):
    item = visitor.measured(b"unscaled")
    (scale,) = item["scale"]["parts"]
    assert item["scale"]["needed"] and scale["line"] is None and len(scale["start_line"]) == 4
    body = {"scale": {"line": [50, 10, 50, 100], "length_mm": 120}}
    visitor.post(f"api/items/{item['id']}/measure", json=body)
    (scale,) = visitor.finished(item)["scale"]["parts"]
    assert (scale["line"], scale["length_mm"]) == ([50, 10, 50, 100], 120)
    # It stays when the clip is measured again for another reason, and goes when it is taken back.
    visitor.post(f"api/items/{item['id']}/measure", json={"options": {"view": "A4C"}})
    assert (
        visitor.finished(item)["scale"]["parts"][0]["line"]
        and visitor.detail(item)["options"]["view"] == "A4C"
    )
    visitor.post(f"api/items/{item['id']}/measure", json={"scale": None})
    assert visitor.finished(item)["scale"]["parts"][0]["line"] is None
    assert visitor.measured()["scale"] == {"needed": False, "parts": []}


def test_each_view_of_a_study_has_a_scale(visitor):
    item = visitor.measured(b"unscaled", b"unscaled", kind="study")
    url, lines = f"api/items/{item['id']}/measure", {"A4C": [50, 10, 50, 100], "A2C": [40, 20, 40, 90]}

    def given(**lengths):
        return [{"part": part, "line": lines[part], "length_mm": mm} for part, mm in lengths.items()]

    def lengths():
        return {one["part"]: one["length_mm"] for one in visitor.finished(item)["scale"]["parts"]}

    assert lengths() == {"A4C": None, "A2C": None}
    visitor.post(url, json={"scale": given(A4C=120)[0]})
    assert lengths() == {"A4C": 120, "A2C": None}
    visitor.post(url, json={"scale": given(A2C=90)})
    assert lengths() == {"A4C": 120, "A2C": 90}
    visitor.post(url, json={"scale": given(A4C=130, A2C=95)})
    assert lengths() == {"A4C": 130, "A2C": 95}
    # A line stays with its clip.
    visitor.post(url, json={"swap": True})
    assert lengths() == {"A4C": 95, "A2C": 130}
    assert visitor.detail(item)["scale"]["parts"][0]["line"] == lines["A2C"]
    visitor.post(url, json={"scale": None})
    assert lengths() == {"A4C": None, "A2C": None}
    assert (
        visitor.error(visitor.post(url, json={"scale": {"line": [1, 2, 1, 90], "length_mm": 50}}))[0] == 422
    )


@pytest.mark.parametrize(
    "scale",
    [
        {"line": [1, 2, 3], "length_mm": 10},
        {"line": [1, 2, 3, "4"], "length_mm": 10},
        {"line": [50, 10, 50, 100]},
        {"line": [50, 10, 50, 100], "length_mm": 0},
        {"line": [50, 10, 50, 11], "length_mm": 10},
        {"line": [50, 10, 50, 100], "length_mm": 10, "part": "A2C"},
        "x",
    ],
)
def test_scales_that_cannot_be(shared, scale):
    answer = shared.post(f"api/items/{shared.clip['id']}/measure", json={"scale": scale})
    assert shared.error(answer)[:2] == (422, "bad_request")
    assert shared.detail(shared.clip) == shared.clip


def test_measuring_again_drops_the_correction_and_the_old_result(quick, visitor):
    item = visitor.measured()
    before = quick.jobs.store.count()
    body = {"revision": item["revision"], "edit": moved(visitor, item), "history": None}
    visitor.put(f"api/items/{item['id']}/edit", json=body)
    answer = visitor.post(f"api/items/{item['id']}/measure", json={"options": {"weights": "small-video"}})
    assert answer.status_code == 200
    again = visitor.finished(item)
    assert again["edit"] is None and again["options"]["weights"] == "small-video" and not again["corrected"]
    assert again["ef_percent"] == pytest.approx(item["ef_percent"] + 5)
    assert quick.jobs.store.count() == before
    # The visitor's own options stay as they were.
    assert visitor.get("api/session").json()["options"]["weights"] == ""


def test_the_other_models(visitor):
    item = visitor.measured()
    url = f"api/items/{item['id']}/compare"
    assert visitor.get(url).json()["state"] == "none"
    started = visitor.post(url).json()
    assert started["state"] in ("running", "done") and len(started["models"]) > 1
    assert visitor.post(url).json()["models"][0]["name"] == "camus-seg"
    wait_until(lambda: visitor.get(url).json()["state"] == "done")
    found = visitor.get(url).json()
    own, *others = found["models"]
    assert (
        own["is_own"]
        and own["difference_text"] == ""
        and (found["ed_frame"], found["es_frame"])
        == (
            item["result"]["ed_frame"],
            item["result"]["es_frame"],
        )
    )
    assert {one["difference_text"] for one in others} == {"+5.0 points"}
    assert set(own["contours"]) == {str(found["ed_frame"]), str(found["es_frame"])}
    assert found["range_points"] == pytest.approx(5)
    assert visitor.detail(item)["compared"] is True


def test_a_model_without_contours(visitor):
    item = visitor.measured(b"no contour")
    assert item["state"] == "done"
    view = visitor.get(f"api/items/{item['id']}/view").json()
    assert view["correctable"] is False and view["points"] == {} and set(view["contours"]) == {None}
    edit = {"ed_frame": 0, "es_frame": 5}
    assert visitor.error(visitor.post(f"api/items/{item['id']}/preview", json={"edit": edit}))[0] == 422


def test_an_item_whose_result_was_removed_to_make_room(quick, visitor):
    item = visitor.measured()
    quick.jobs.store.delete([quick.page.store.items(visitor.client.cookies["lvef_session"])[0].job])
    quick.page.measured.clear()
    quick.page.items._finished.clear()
    gone = visitor.detail(item)
    assert (gone["state"], gone["reason_code"], gone["result"]) == ("failed", "result_gone", None)
    visitor.post(f"api/items/{item['id']}/measure", json={})
    assert visitor.finished(item)["ef_percent"] == item["ef_percent"]


def test_nothing_says_where_files_lie(quick, shared):
    folder = str(quick.page.uploads_folder.parent)
    for path in (
        "api/session",
        "api/items",
        f"api/items/{shared.study['id']}",
        f"api/items/{shared.clip['id']}/view",
    ):
        assert folder not in shared.get(path).text
    for path in ("measurement.json", "A4C/measurement.json"):
        assert folder not in shared.get(f"api/items/{shared.study['id']}/files/{path}").text


def test_a_preview_carries_nothing_over_the_cycle():
    edit = {"ed_frame": 1, "propagate": True}
    assert without_propagation(edit) == {"ed_frame": 1}
    assert edit["propagate"]
    study = {"views": {"A4C": edit, "A2C": {"es_frame": 2}}}
    assert without_propagation(study) == {"views": {"A4C": {"ed_frame": 1}, "A2C": {"es_frame": 2}}}
    assert without_propagation(None) is None
