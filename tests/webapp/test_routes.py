"""The session, uploads, samples and the list of items over HTTP."""

from __future__ import annotations

import csv
import io
import json
import re
import socket
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

pytest.importorskip("uvicorn", reason='the page needs pip install "lvef[app]"')

from lvef.measure.serializers import RESULT_COLUMNS
from lvef.report.style import CONTOUR_ON_BLACK, DARK, ED_ON_BLACK, ES_ON_BLACK, LIGHT
from lvef.webapp import items, routes
from tests.waiting import wait_until
from tests.webapp.fakes import PLAIN
from tests.webapp.pages import SMALL, running

UNKNOWN = "0" * 32


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A page for all tests of this module."""
    with running(tmp_path_factory.mktemp("quick")) as found:
        yield found


@pytest.fixture
def visitor(quick):
    return quick.visitor()


def test_the_page_comes_with_its_policy_and_a_cookie(quick):
    visitor = quick.visitor()
    answer = visitor.get("")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';") and "unsafe-eval" not in policy
    assert answer.headers["cache-control"] == "no-cache"
    cookie = answer.headers["set-cookie"]
    assert (
        cookie.startswith("lvef_session=")
        and "HttpOnly" in cookie
        and "SameSite=strict" in cookie
        and "Path=/" in cookie
    )
    assert "set-cookie" not in visitor.get("").headers
    # A link of another site leads here: the browser holds its own cookie back, and must keep it.
    other = quick.visitor(**{"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"})
    assert "set-cookie" not in other.get("").headers


def test_a_session_has_everything_that_the_page_needs_at_first(visitor):
    values = visitor.get("api/session").json()
    assert values["items"] == [] and values["limits"]["max_upload_bytes"] == 2**20
    assert ".dcm" in values["limits"]["suffixes"] and ".png" in values["limits"]["still_suffixes"]
    assert [model["name"] for model in values["models"] if model["is_default"]] == ["camus-seg"]
    assert {"cine", "phantom", "stills", "study"} <= {sample["name"] for sample in values["samples"]}
    assert values["options"]["sex"] is None and values["options"]["second_opinion"] is False
    assert "notice" not in values


def test_each_visitor_sees_their_own_items(quick):
    one, other = quick.visitor(), quick.visitor()
    item = one.measured()
    assert [found["id"] for found in one.get("api/items").json()["items"]] == [item["id"]]
    assert other.get("api/items").json()["items"] == []
    upload = one.upload()
    for path in ("", "/view", "/frames", "/thumb", "/files/report.pdf", "/compare"):
        assert other.error(other.get(f"api/items/{item['id']}{path}"))[:2] == (404, "not_found")
    assert other.error(other.post(f"api/items/{item['id']}/measure", json={}))[0] == 404
    assert other.error(other.delete(f"api/items/{item['id']}"))[0] == 404
    assert other.error(other.post("api/items", json={"kind": "clip", "uploads": [upload]}))[:2] == (
        404,
        "no_such_upload",
    )
    assert one.detail(item)["state"] == "done"


def test_a_reload_finds_everything_as_it_was(quick):
    visitor = quick.visitor()
    item = visitor.measured()
    again = quick.visitor()
    again.client.cookies.set("lvef_session", visitor.client.cookies["lvef_session"])
    assert again.detail(item) == item
    assert again.get("api/session").json()["items"][0]["id"] == item["id"]


def test_an_item_from_upload_to_ef(visitor):
    item = visitor.measured(names=["My clip (1).avi"])
    assert (item["name"], item["kind"], item["state"], item["progress"]) == (
        "My clip (1).avi",
        "clip",
        "done",
        1.0,
    )
    assert (
        item["ef_text"].endswith("%")
        and item["interval_text"] == "48 to 66 %"
        and item["decision"] == "caution"
    )
    assert item["class_key"] == "preserved" and item["parts"] == [""]
    assert item["created"] < item["expires"]
    listed = visitor.get("api/items").json()
    assert listed["items"] == [{key: item[key] for key in listed["items"][0]}]
    assert visitor.get("api/items").json()["revision"] == listed["revision"]


def test_many_uploads_at_once(visitor):
    visitor.get("api/session")
    with ThreadPoolExecutor(8) as threads:
        names = list(threads.map(lambda n: visitor.upload(PLAIN, f"{n}.avi"), range(16)))
        answers = list(
            threads.map(lambda u: visitor.post("api/items", json={"kind": "clip", "uploads": [u]}), names)
        )
    assert {answer.status_code for answer in answers} == {201}
    wait_until(lambda: all(item["state"] == "done" for item in visitor.get("api/items").json()["items"]))
    assert len(visitor.get("api/items").json()["items"]) == 16


@pytest.mark.parametrize(
    ("data", "code", "status"),
    [(b"", "empty_file", 422), (b"x" * (2**20 + 1), "too_large", 413)],
)
def test_uploads_that_are_refused_leave_nothing(quick, visitor, data, code, status):
    before = set(quick.page.uploads_folder.iterdir())
    assert visitor.error(visitor.post("api/uploads", params={"name": "a.avi"}, content=data))[:2] == (
        status,
        code,
    )

    def chunks():
        yield data

    answer = visitor.post("api/uploads", params={"name": "a.avi"}, content=chunks())
    assert visitor.error(answer)[:2] == (status, code)
    assert set(quick.page.uploads_folder.iterdir()) == before


def test_an_upload_that_breaks_off_leaves_nothing(quick):
    before = set(quick.page.uploads_folder.iterdir())
    address = urlsplit(quick.url)
    with socket.create_connection((address.hostname, address.port)) as wire:
        wire.sendall(
            b"POST /api/uploads?name=a.avi HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n"
            + b"x" * 5000
        )
        wait_until(lambda: set(quick.page.uploads_folder.iterdir()) != before)
    wait_until(lambda: set(quick.page.uploads_folder.iterdir()) == before)


def test_a_file_of_two_gigabytes_is_refused_before_it_is_sent(quick):
    address = urlsplit(quick.url)
    with socket.create_connection((address.hostname, address.port)) as wire:
        wire.sendall(
            b"POST /api/uploads?name=a.avi HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2147483648\r\n\r\n"
        )
        wire.shutdown(socket.SHUT_WR)
        assert wire.recv(100).startswith(b"HTTP/1.1 413") or quick.page.store.bytes_of() < 2**30


def test_no_room(quick, visitor, monkeypatch):
    monkeypatch.setattr(routes, "MAX_SESSION_BYTES", 10)
    assert visitor.error(visitor.post("api/uploads", content=b"x" * 11))[:2] == (507, "session_full")
    monkeypatch.setattr(routes, "MAX_SESSION_BYTES", 2**40)
    monkeypatch.setattr(routes, "MAX_ALL_BYTES", 1)
    assert visitor.error(visitor.post("api/uploads", content=b"xx"))[:2] == (507, "no_space")
    monkeypatch.setattr(routes, "MAX_ALL_BYTES", 2**40)
    monkeypatch.setattr(routes, "ROOM_BYTES", 2**60)
    assert visitor.error(visitor.post("api/uploads", content=b"xx"))[:2] == (507, "no_space")


def test_a_full_list(visitor, monkeypatch):
    visitor.measured()
    monkeypatch.setattr(items, "MAX_ITEMS", 1)
    answer = visitor.post("api/items", json={"kind": "clip", "uploads": [visitor.upload()]})
    assert visitor.error(answer)[:2] == (409, "too_many_items")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "bad_request"),
        ({"kind": "film", "uploads": [UNKNOWN]}, 422, "bad_request"),
        ({"kind": "clip"}, 422, "bad_request"),
        ({"kind": "clip", "uploads": "a"}, 422, "bad_request"),
        ({"kind": "clip", "uploads": []}, 422, "bad_request"),
        ({"kind": "stills", "uploads": [UNKNOWN]}, 422, "bad_request"),
        ({"kind": "clip", "uploads": [UNKNOWN]}, 404, "no_such_upload"),
        ({"kind": "clip", "uploads": [1]}, 422, "bad_request"),
        ({"kind": "study", "items": [UNKNOWN, UNKNOWN]}, 422, "bad_request"),
        ({"kind": "study", "items": [UNKNOWN, "1" * 32]}, 404, "not_found"),
        ([], 400, "bad_json"),
    ],
)
def test_items_that_cannot_be_made(visitor, body, status, code):
    assert visitor.error(visitor.post("api/items", json=body))[:2] == (status, code)


def test_bodies_that_are_no_json(visitor):
    for content in (
        b"{",
        b"\xff",
        b"[1]",
        b'{"height_cm": 1%s}' % (b"0" * 400),
        b'{"a": NaN}',
        b'"\\ud800"',
        b"[" * 100_000,
    ):
        assert visitor.error(visitor.put("api/options", content=content))[:2] == (400, "bad_json")
    assert visitor.error(visitor.put("api/options", content=b" " * (2**20 + 1)))[:2] == (413, "too_large")


def test_a_sentence_leaves_the_letters_of_a_file_name(visitor):
    answer = visitor.post("api/uploads", params={"name": "heart of.a.patient x.avi"}, content=b"")
    assert visitor.error(answer)[2].startswith("heart of.a.patient x.avi is empty")


def test_names_are_shown_without_folders_and_control_letters(visitor):
    item = visitor.measured(names=["../../etc/pass\x07wd\u202e.avi"])
    assert item["name"] == "passwd.avi"
    assert visitor.measured(names=[""])["name"] == "upload"


def test_a_failed_and_a_refused_file_and_one_that_ends_its_process(visitor):
    bad, refused, crash = visitor.measured(b"bad"), visitor.measured(b"refuse"), visitor.measured(b"crash")
    assert (bad["state"], bad["reason_code"], bad["ef_percent"]) == ("failed", "unreadable", None)
    assert (refused["state"], refused["decision"], refused["reason_code"]) == ("refused", "refused", "no_fan")
    assert (crash["state"], crash["reason_code"], crash["result"]) == ("failed", "worker_died", None)
    # The frames of a refused clip are there, those of a file that could not be read are not.
    assert visitor.get(f"api/items/{refused['id']}/frames").status_code == 200
    assert visitor.error(visitor.get(f"api/items/{bad['id']}/frames"))[:2] == (404, "no_images")
    assert visitor.error(visitor.get(f"api/items/{crash['id']}/view"))[:2] == (404, "no_images")


def test_the_queue_and_stop_and_try_again(visitor, tmp_path):
    gate = tmp_path / "gate"
    first = visitor.add(b"until " + str(gate).encode())
    wait_until(lambda: visitor.detail(first)["state"] == "running")
    second = visitor.add()
    shown = visitor.detail(second)
    assert (shown["state"], shown["doing"], shown["position"], shown["result"]) == (
        "queued",
        "queued",
        1,
        None,
    )
    assert visitor.error(visitor.post(f"api/items/{second['id']}/preview", json={"edit": {}}))[:2] == (
        409,
        "not_measured",
    )
    for item in (second, first):
        stopped = visitor.post(f"api/items/{item['id']}/stop").json()
        assert (stopped["state"], stopped["reason"], stopped["ef_percent"]) == ("stopped", "", None)
    gate.touch()
    again = visitor.post(f"api/items/{first['id']}/measure", json={}).json()
    assert again["state"] in ("queued", "running") and again["revision"] > first["revision"]
    assert visitor.finished(first)["state"] == "done"
    # A finished one is not stopped any more.
    assert visitor.post(f"api/items/{first['id']}/stop").json()["state"] == "done"


def test_options_change_categories_at_once(visitor):
    item = visitor.measured()
    assert item["result"]["category"]["table"] == "heart_failure"
    answer = visitor.put("api/options", json={"sex": "F", "height_cm": 170, "weight_kg": 70})
    assert answer.json()["options"]["sex"] == "F"
    shown = visitor.detail(item)
    assert shown["result"]["category"]["table"] == "ase_2015" and shown["revision"] == item["revision"]
    assert any(line["key"] == "indexed" for line in shown["result"]["values"])
    assert not any("ASE" in line["label"] or "Source" in line["label"] for line in shown["result"]["values"])
    report = json.loads(visitor.get(f"api/items/{item['id']}/files/measurement.json").content)
    assert "ase_2015" in report["categories"] and report["indexed"]
    assert (
        visitor.put("api/options", json={"sex": None, "height_cm": None, "weight_kg": None}).status_code
        == 200
    )
    assert visitor.detail(item) == item


@pytest.mark.parametrize(
    "wrong",
    [
        {"sex": "x"},
        {"height_cm": 170},
        {"height_cm": 17, "weight_kg": 70},
        {"height_cm": "170", "weight_kg": 70},
        {"view": "PLAX"},
        {"frame_rate_hz": 0},
        {"frame_rate_hz": True},
        {"weights": "/etc/passwd"},
        {"weights": 3},
        {"second_opinion": "auto"},
        {"colour": "red"},
    ],
)
def test_options_that_cannot_be(visitor, wrong):
    assert visitor.error(visitor.put("api/options", json=wrong))[:2] == (422, "bad_request")
    assert visitor.get("api/session").json()["options"]["sex"] is None


def test_forget_everything(quick, visitor):
    item = visitor.measured()
    assert visitor.get(f"api/items/{item['id']}/thumb").status_code == 200
    running_one = visitor.add(b"sleep")
    files = set(quick.page.uploads_folder.iterdir())
    cookie = visitor.client.cookies["lvef_session"]
    fresh = visitor.delete("api/session").json()
    assert fresh["items"] == [] and visitor.client.cookies["lvef_session"] != cookie
    assert len(files) - len(set(quick.page.uploads_folder.iterdir())) == 2
    for one in (item, running_one):
        assert visitor.get(f"api/items/{one['id']}").status_code == 404
    old = quick.visitor()
    old.client.cookies.set("lvef_session", cookie)
    assert old.get("api/items").json()["notice"]["code"] == "session_expired"
    assert quick.page.store.items(cookie) == []
    # Nor is anything of it in memory.
    assert not quick.page.descriptions._summaries._kept and not quick.page.descriptions._thumbs._kept
    assert not quick.page.measured._machine._kept and not quick.page.measured._shown._kept


def test_an_expired_session_says_so_once_and_goes_on(quick):
    visitor = quick.visitor()
    visitor.client.cookies.set("lvef_session", "a1" * 16)
    item = visitor.measured()
    assert visitor.get("api/session").json()["notice"]["code"] == "session_expired"
    assert "notice" not in visitor.get("api/session").json()
    assert quick.page.store.item("a1" * 16, item["id"]) is not None


def test_a_cookie_that_is_none_is_replaced(quick):
    visitor = quick.visitor()
    visitor.client.cookies.set("lvef_session", "../../x")
    assert visitor.get("api/items").json()["items"] == []
    assert (
        "../../x" not in visitor.client.cookies.get_dict()
        if hasattr(visitor.client.cookies, "get_dict")
        else True
    )


def test_samples(quick, visitor):
    answer = visitor.post("api/samples/phantom")
    assert answer.status_code == 201 and answer.json()["sample"] == "phantom"
    assert answer.json()["known_ef_percent"] == pytest.approx(54.95, abs=0.01)
    assert visitor.finished(answer.json())["result"]["known_ef_percent"] == answer.json()["known_ef_percent"]
    stills = visitor.post("api/samples/stills").json()
    assert (stills["kind"], stills["name"]) == ("stills", "phantom-ed.png + phantom-es.png")
    assert visitor.error(visitor.post("api/samples/none"))[:2] == (404, "no_such_sample")


def test_a_study_of_two_items_keeps_their_files(quick, visitor):
    one, other = visitor.measured(names=["a.avi"]), visitor.measured(names=["b.avi"])
    answer = visitor.post("api/items", json={"kind": "study", "items": [one["id"], other["id"]]})
    study = visitor.finished(answer.json())
    assert study["name"] == "a.avi + b.avi" and study["parts"] == ["A4C", "A2C"]
    assert set(study["by_part"]) == {"A4C", "A2C"}
    before = len(list(quick.page.uploads_folder.iterdir()))
    visitor.delete(f"api/items/{one['id']}")
    assert len(list(quick.page.uploads_folder.iterdir())) == before
    assert (
        visitor.finished(visitor.post(f"api/items/{study['id']}/measure", json={"swap": True}).json())["name"]
        == "b.avi + a.avi"
    )
    visitor.delete(f"api/items/{study['id']}")
    assert len(list(quick.page.uploads_folder.iterdir())) == before - 1
    stills = visitor.measured(PLAIN, PLAIN, kind="stills")
    answer = visitor.post("api/items", json={"kind": "study", "items": [stills["id"], other["id"]]})
    assert visitor.error(answer)[:2] == (422, "bad_request")


def test_all_results_as_a_table_and_an_archive(visitor):
    visitor.measured(names=["a.avi"])
    visitor.measured(b"refuse", names=["b.avi"])
    visitor.measured(b"bad", names=["c.avi"])
    answer = visitor.get("api/results.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="lvef-results.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert list(rows[0]) == list(RESULT_COLUMNS)
    assert [(row["path"], row["status"]) for row in rows] == [
        ("a.avi", "ok"),
        ("b.avi", "refused"),
        ("c.avi", "failed"),
    ]
    answer = visitor.get("api/results.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert archive.read("results.csv").decode() == visitor.get("api/results.csv").text
    assert {
        f"{rows[0]['folder']}/{name}"
        for name in ("measurement.json", "curve.csv", "overlay.mp4", "report.pdf")
    } <= set(names)


def test_requests_that_are_not_of_this_page(quick):
    assert quick.visitor(host="evil.example").get("api/session").status_code == 421
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        visitor = quick.visitor(**headers)
        assert visitor.error(visitor.post("api/samples/phantom"))[:2] == (403, "foreign_origin")
    own = quick.visitor(origin=quick.url.rstrip("/"))
    assert own.get("api/session").status_code == 200


def test_pages_that_are_not_there(visitor):
    assert visitor.error(visitor.get("api/none"))[:2] == (404, "http")
    assert visitor.error(visitor.post("api/session"))[:2] == (405, "http")
    for name in ("none.js", "../app.py", "..%2fapp.py", "%2e%2e/app.py", "texts", ""):
        assert visitor.get(f"static/{name}").status_code == 404


def test_contours_and_phases_have_the_colours_of_the_report(visitor):
    answer = visitor.get("static/drawing.css")
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    light, dark = (dict(re.findall(r"--([\w-]+):(#\w+)", line)) for line in answer.text.splitlines())
    expected = {"image-ed": ED_ON_BLACK, "image-es": ES_ON_BLACK, "image-contour": CONTOUR_ON_BLACK}
    assert light == {"ed": LIGHT["ed"], "es": LIGHT["es"]} | expected
    assert dark == {"ed": DARK["ed"], "es": DARK["es"]}
    # Every colour that the page's own style names is defined there or by itself.
    assert visitor.get("").text.index("static/drawing.css") < visitor.get("").text.index("static/app.css")
    style = visitor.get("static/app.css").text + visitor.get("static/viewer.css").text
    defined = {*light, *re.findall(r"--([\w-]+):", style)}
    assert set(re.findall(r"var\(--([\w-]+)\)", style)) <= defined


def test_static_files_have_their_types_and_are_not_sent_twice(visitor):
    answer = visitor.get("static/icon.svg")
    assert (
        answer.headers["content-type"] == "image/svg+xml"
        and answer.headers["x-content-type-options"] == "nosniff"
    )
    again = visitor.get("static/icon.svg", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert visitor.get("static/app.js").headers["content-type"].startswith("text/javascript")


def test_about_and_health(visitor):
    values = visitor.get("api/about").json()
    assert values["models"][0]["external"] and values["limits"] and "24 hours" in values["privacy"]
    assert visitor.get("healthz").json() == {"status": "ready", "workers": 1}


def test_under_a_path_prefix(tmp_path):
    with running(tmp_path, replace(SMALL, base_path="echo"), ready=False) as found:
        visitor = found.visitor()
        answer = visitor.get(found.url.rstrip("/"))
        assert answer.status_code == 307 and answer.headers["location"] == "/echo/"
        answer = visitor.get("")
        assert answer.status_code == 200 and "Path=/echo" in answer.headers["set-cookie"]
        assert visitor.get("static/icon.svg").status_code == 200
        assert visitor.get("api/session").status_code == 200
        # Some proxies strip the prefix.
        assert visitor.get(found.url.replace("/echo/", "/api/session")).status_code == 200
