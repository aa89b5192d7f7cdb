"""Requests of one visitor that meet: nothing comes back, is lost or is left behind."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

pytest.importorskip("uvicorn", reason='the page needs pip install "lvef[app]"')

from lvef.service.database import DISK_FULL
from lvef.service.errors import ApiError
from tests.full_disk import FullDisk
from tests.waiting import wait_until
from tests.webapp.pages import SMALL, running
from tests.webapp.test_routes_item import moved


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A page for all tests of this module."""
    with running(tmp_path_factory.mktemp("quick")) as found:
        yield found


@pytest.fixture
def visitor(quick):
    return quick.visitor()


def same(quick, visitor):
    """Another tab of a visitor."""
    other = quick.visitor()
    other.client.cookies.set("lvef_session", visitor.client.cookies["lvef_session"])
    return other


def test_an_upload_that_ends_after_forget_leaves_nothing(quick, visitor):
    visitor.get("api/session")
    tab, before, go = same(quick, visitor), set(quick.page.uploads_folder.iterdir()), threading.Event()

    def slowly():
        yield b"clip"
        go.wait(60)
        yield b"clip"

    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(tab.post, "api/uploads", params={"name": "a.avi"}, content=slowly())
        wait_until(lambda: set(quick.page.uploads_folder.iterdir()) != before)
        visitor.delete("api/session")
        # A tab that still has the old cookie makes a session of the same id.
        same(quick, tab).get("api/items")
        go.set()
        assert tab.error(answer.result())[:2] == (404, "forgotten")
    assert set(quick.page.uploads_folder.iterdir()) == before


def test_options_that_come_after_forget_are_not_kept(quick, visitor, monkeypatch):
    visitor.get("api/session")
    cookie, models = visitor.client.cookies["lvef_session"], quick.page.models

    async def forgotten_meanwhile():
        await quick.page.items.forget(quick.page.store.session(cookie))
        return await models()

    monkeypatch.setattr(quick.page, "models", forgotten_meanwhile)
    assert visitor.error(visitor.put("api/options", json={"sex": "female"}))[:2] == (404, "forgotten")
    assert quick.page.store.session(cookie) is None


def test_stop_brings_nothing_back(quick, visitor, monkeypatch):
    item, record = visitor.add(b"sleep"), quick.page.items.record

    async def deleted_meanwhile(own):
        found = await record(own)
        if found is not None:
            monkeypatch.undo()
            await quick.page.items.delete([own])
        return found

    monkeypatch.setattr(quick.page.items, "record", deleted_meanwhile)
    visitor.post(f"api/items/{item['id']}/stop")
    assert visitor.get("api/items").json()["items"] == []
    assert visitor.get(f"api/items/{item['id']}").status_code == 404


def test_no_place_in_the_queue_costs_no_correction(quick, visitor, monkeypatch):
    item = visitor.measured()
    url, body = f"api/items/{item['id']}", {"edit": moved(visitor, item), "history": [1, 2]}
    kept = visitor.put(f"{url}/edit", json={"revision": item["revision"], **body}).json()

    def full(_):
        raise ApiError(503, "queue_full", "Many files wait.")

    monkeypatch.setattr(quick.jobs, "add", full)
    assert visitor.error(visitor.post(f"{url}/measure", json={}))[:2] == (503, "queue_full")
    assert visitor.detail(item) == kept and kept["history"] == [1, 2]


def test_files_of_a_correction_that_are_asked_for_at_once(quick, visitor):
    item, count = visitor.measured(), quick.jobs.store.count
    url, before = f"api/items/{item['id']}", count()
    body = {"revision": item["revision"], "edit": moved(visitor, item), "history": None}
    names = visitor.put(f"{url}/edit", json=body).json()["files"]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda name: visitor.get(f"{url}/files/{name}"), names))
    assert {answer.status_code for answer in answers} == {200}
    assert count() == before + 1


def test_a_comparison_that_starts_during_a_correction_is_kept(quick, visitor, monkeypatch):
    item, original, store = visitor.measured(), quick.page.measured.with_edit, quick.page.store

    async def with_edit(own, edit, patient):
        result = await original(own, edit, patient)
        other = store.item(own.session, own.id)
        other.compared = {"other": "job"}
        store.save(other)
        return result

    monkeypatch.setattr(quick.page.measured, "with_edit", with_edit)
    body = {"revision": item["revision"], "edit": moved(visitor, item), "history": None}
    assert visitor.put(f"api/items/{item['id']}/edit", json=body).json()["compared"] is True


def test_nothing_is_derived_of_a_result_that_was_deleted(quick, visitor):
    item, count = visitor.measured(), quick.jobs.store.count
    (own,) = quick.page.store.items(visitor.client.cookies["lvef_session"])
    parent = quick.jobs.store.result(own.job)
    visitor.delete(f"api/items/{item['id']}")
    before = count()
    with pytest.raises(ApiError):
        asyncio.run(quick.jobs.add_derived(parent, {"a.json": b"{}"}))
    assert count() == before
    with pytest.raises(ApiError):
        asyncio.run(quick.jobs.file(parent, "report.pdf"))


def test_a_bug_is_one_sentence(quick, visitor, monkeypatch, capfd):
    monkeypatch.setattr(quick.page.downloads, "table", None)
    assert visitor.error(visitor.get("api/results.csv"))[:2] == (500, "bug")
    assert "Traceback" not in capfd.readouterr().err


def test_a_full_disk_is_one_sentence(quick, visitor, monkeypatch):
    visitor.get("api/session")

    def full(_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(quick.page.store, "save", full)
    assert visitor.error(visitor.put("api/options", json={"sex": "F"}))[:2] == (507, "no_space")


def test_forget_on_a_full_disk(quick, visitor, monkeypatch):
    before = set(quick.page.uploads_folder.iterdir())
    item = visitor.measured()
    cookie = visitor.client.cookies["lvef_session"]
    quick.page.visitors._touched.clear()
    monkeypatch.setattr(quick.page.store, "_base", FullDisk(quick.page.store._base))
    monkeypatch.setattr(quick.jobs.store, "_base", FullDisk(quick.jobs.store._base))
    # What is there can be looked at; what would be lost says so.
    assert visitor.detail(item)["ef_text"] == item["ef_text"]
    assert visitor.get(f"api/items/{item['id']}/frames").status_code == 200
    body = {"revision": item["revision"], "edit": moved(visitor, item), "history": None}
    answer = visitor.put(f"api/items/{item['id']}/edit", json=body)
    assert visitor.error(answer) == (507, "no_space", DISK_FULL)
    fresh = visitor.delete("api/session")
    assert fresh.status_code == 200 and fresh.json()["items"] == []
    assert quick.page.store.session(cookie) is None and quick.page.store.items(cookie) == []
    assert set(quick.page.uploads_folder.iterdir()) == before


def test_what_expired_is_deleted_on_a_full_disk(tmp_path, monkeypatch):
    with running(tmp_path, replace(SMALL, keep_hours=2.0)) as own:
        visitor = own.visitor()
        old, new = visitor.measured(), visitor.measured(b"clip 2")
        (first, second) = own.page.store.items(visitor.client.cookies["lvef_session"])
        monkeypatch.setattr(own.page.store, "_base", FullDisk(own.page.store._base))

        def purge(hours):
            at = first.touched + 3600 * hours
            asyncio.run_coroutine_threadsafe(own.page.purge(at), own.jobs._loop).result(300)

        assert second.touched > first.touched
        purge(1.9)
        assert [one["id"] for one in visitor.get("api/items").json()["items"]] == [old["id"], new["id"]]
        purge(2.0 + (second.touched - first.touched) / 7200)
        assert [one["id"] for one in visitor.get("api/items").json()["items"]] == [new["id"]]
        assert visitor.get(f"api/items/{old['id']}").status_code == 404
        assert len(list(own.page.uploads_folder.iterdir())) == 1 and own.jobs.store.count() == 1
        # The other goes with the session, which was not used since.
        purge(3.5)
        assert visitor.get("api/items").json()["items"] == []
        assert list(own.page.uploads_folder.iterdir()) == [] and own.jobs.store.count() == 0
