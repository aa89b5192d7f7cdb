import gc
import json
import socket
import sqlite3
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from lvef.service.database import DISK_FULL
from lvef.service.store import STORE_NAME, JobRecord
from tests.bombs import BOMBS
from tests.full_disk import FullDisk
from tests.waiting import wait_until


def until(gate):
    """A file whose measurement ends when the gate is there."""
    return f"until {gate}".encode()


def test_an_answer_in_time(quick):
    answer = quick.send(b"ok", names=["../../MEIER.avi"])
    assert answer.status_code == 200
    (job,) = answer.json()["jobs"]
    assert (job["state"], job["source"], job["progress"], job["position"]) == ("done", "MEIER.avi", 1.0, None)
    assert job["result"]["schema"] == "lvef-measurement/2"
    assert job["result"]["source"] == "MEIER.avi"
    assert quick.client.get(job["links"]["self"]).json()["state"] == "done"
    assert quick.client.get(job["links"]["result"]).json() == job["result"]
    assert quick.jobs.upload_store.uploads() == []


def test_an_answer_later(quick, tmp_path):
    answer = quick.send(until(tmp_path / "go"), b"ok", wait=0)
    assert answer.status_code == 202
    first, second = answer.json()["jobs"]
    assert answer.headers["location"] == f"/v1/jobs/{first['id']}"
    assert first["state"] in ("queued", "running")
    wait_until(lambda: quick.state(first["id"]) == "running")
    running = quick.client.get(f"/v1/jobs/{first['id']}").json()
    assert 0 <= running["progress"] < 1
    assert running["started"] is not None
    assert quick.client.get(f"/v1/jobs/{second['id']}").json()["position"] == 1
    assert len(quick.jobs.upload_store.uploads()) == 2
    (tmp_path / "go").touch()
    wait_until(lambda: quick.state(second["id"]) == "done")
    assert quick.state(first["id"]) == "done"
    assert quick.jobs.upload_store.uploads() == []


def test_a_wait_that_is_too_short(quick, tmp_path):
    answer = quick.send(until(tmp_path / "go"), wait=0.1)
    assert answer.status_code == 202
    (job,) = answer.json()["jobs"]
    (tmp_path / "go").touch()
    wait_until(lambda: quick.state(job["id"]) == "done")


def test_several_files_each_have_their_answer(quick):
    answer = quick.send(b"ok", b"bad", names=["a.avi", "b.txt"])
    assert answer.status_code == 200
    good, bad = answer.json()["jobs"]
    assert (good["state"], bad["state"]) == ("done", "failed")
    assert bad["error"] == {"code": "unreadable", "message": "b.txt is of a kind that is not known here."}
    assert bad["result"]["status"] == "failed"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b"bad", 422, "unreadable"), (b"crash", 500, "worker_died"), (b"bug", 500, "bug")],
)
def test_one_file_that_fails(quick, content, status, code):
    answer = quick.send(content, names=["MEIER.avi"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["jobs"][0]["state"] == "failed"
    assert quick.send(b"ok").status_code == 200, "the service goes on"
    assert quick.jobs.upload_store.uploads() == []


def test_a_file_that_takes_too_long(start):
    with start(max_seconds=1) as running:
        answer = running.send(b"sleep")
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "too_slow")
        job = answer.json()["jobs"][0]["id"]
        assert running.client.get(f"/v1/jobs/{job}").json()["error"]["code"] == "too_slow"


def test_the_queue_is_full(start):
    with start(max_queue=1) as running:
        job = running.send(b"sleep", wait=0).json()["jobs"][0]["id"]
        wait_until(lambda: running.state(job) == "running")
        assert running.send(b"ok", b"ok", wait=0).status_code == 503
        assert running.send(b"ok", wait=0).status_code == 202
        answer = running.send(b"ok", wait=0)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "queue_full")
        assert int(answer.headers["retry-after"]) >= 1
        assert len(running.jobs.upload_store.uploads()) == 2
        text = running.client.get("/metrics").text
        assert 'lvef_refused_total{limit="queue"} 2.0' in text
        assert "lvef_queue_length 1.0" in text


def test_forgetting_a_job_that_waits_runs_or_is_done(start):
    with start() as running:
        done = running.send(b"ok").json()["jobs"][0]["id"]
        runs = running.send(b"sleep", wait=0).json()["jobs"][0]["id"]
        waits = running.send(b"ok", wait=0).json()["jobs"][0]["id"]
        wait_until(lambda: running.state(runs) == "running")
        for job in (waits, runs, done):
            assert running.client.delete(f"/v1/jobs/{job}").status_code == 204
            assert running.client.get(f"/v1/jobs/{job}").status_code == 404
            assert running.client.get(f"/v1/results/{job}").status_code == 404
            assert running.client.delete(f"/v1/jobs/{job}").status_code == 404
        assert running.jobs.upload_store.uploads() == []
        assert running.send(b"ok").status_code == 200


def test_a_client_that_hangs_up_while_it_waits(start):
    with start() as running:
        with pytest.raises(Exception, match="timed out"):
            running.client.post(
                "/v1/measure", files={"files": ("a.avi", b"sleep")}, data={"wait": "60"}, timeout=1.0
            )
        wait_until(lambda: not running.jobs._live)
        assert running.jobs.upload_store.uploads() == []
        assert running.jobs.store.count() == 0


def test_a_client_that_hangs_up_in_the_middle_of_its_upload(quick):
    host, port = quick.url.removeprefix("http://").split(":")
    head = (
        "POST /v1/measure HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
        "Content-Length: 100000\r\n\r\n"
        '--xyz\r\nContent-Disposition: form-data; name="files"; filename="a.avi"\r\n\r\nhalf of it'
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode())
        wait_until(lambda: len(quick.jobs.upload_store.uploads()) == 1)
    wait_until(lambda: not quick.jobs.upload_store.uploads())
    wait_until(lambda: quick.jobs._reserved == 0)


def test_too_large(quick):
    answer = quick.send(b"x" * (2**20 + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert "1 MB" in answer.json()["error"]["message"]


def test_too_large_is_reported_before_it_is_sent(quick):
    host, port = quick.url.removeprefix("http://").split(":")
    head = (
        "POST /v1/measure HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
        "Content-Length: 100000000\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


def test_too_large_without_a_length(quick):
    def pieces():
        yield b'--xyz\r\nContent-Disposition: form-data; name="files"; filename="a.avi"\r\n\r\n'
        for _ in range(40):
            yield b"x" * 2**16
        yield b"\r\n--xyz--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
    answer = quick.client.post("/v1/measure", content=pieces(), headers=headers)
    assert "content-length" not in answer.request.headers
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert quick.jobs.upload_store.uploads() == []


def test_chunked_within_the_limit(quick):
    def pieces():
        yield b'--xyz\r\nContent-Disposition: form-data; name="wait"\r\n\r\n9\r\n'
        yield b'--xyz\r\nContent-Disposition: form-data; name="files"; filename="a.avi"\r\n\r\nok\r\n--xyz--\r\n'

    headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
    assert quick.client.post("/v1/measure", content=pieces(), headers=headers).status_code == 200


def test_too_many_files(start):
    with start(max_files=2) as running:
        answer = running.send(b"ok", b"ok", b"ok")
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_many_files")
        assert running.jobs.upload_store.uploads() == []


def test_a_form_that_cannot_be_leaves_nothing(quick):
    answer = quick.send(b"ok", view="PLAX")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_request")
    assert quick.jobs.upload_store.uploads() == []


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "..\\..\\x.avi",
        "/dev/null",
        "a\0b.avi",
        "x" * 3000 + ".avi",
        "\u202e.avi",
        "%2e%2e%2fx",
        "-rf",
    ],
)
def test_names_that_are_no_names(quick, name):
    before = set(quick.jobs.upload_store.folder.parents[1].rglob("*"))
    answer = quick.send(b"ok", names=[name])
    assert answer.status_code == 200
    source = answer.json()["jobs"][0]["source"]
    assert source == answer.json()["jobs"][0]["result"]["source"]
    assert not set(source) & set("/\\\0\u202e")
    assert len(source) <= 120
    assert set(quick.jobs.upload_store.folder.parents[1].rglob("*")) <= before | {
        quick.jobs.settings.folder / f"{STORE_NAME}{end}" for end in ("", "-wal", "-shm")
    }


@pytest.mark.parametrize(
    "route", ["/v1/jobs/x", "/v1/results/x", "/v1/results/x/curve.csv", "/v1/results/x/files"]
)
def test_what_is_not_there(quick, route):
    answer = quick.client.get(route)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_pages_that_are_not_there(quick):
    assert quick.client.get("/v2/x").json()["error"]["message"].startswith("There is no such page")
    answer = quick.client.put("/v1/measure")
    assert answer.status_code == 405
    assert answer.json()["error"]["code"] == "http"


def test_results_go_after_their_time(start):
    with start(keep_hours=1) as running:
        job = running.send(b"ok").json()["jobs"][0]["id"]
        assert running.client.get(f"/v1/results/{job}").status_code == 200
        finished = running.jobs.store.job(job).finished
        running.jobs.store.delete_expired(finished + 3500)
        assert running.client.get(f"/v1/results/{job}").status_code == 200
        running.jobs.store.delete_expired(finished + 3700)
        assert running.client.get(f"/v1/results/{job}").status_code == 404
        assert running.client.get(f"/v1/jobs/{job}").status_code == 404


def test_expired_results_are_deleted_regularly(start, monkeypatch):
    monkeypatch.setattr("lvef.service.jobs.PURGE_INTERVAL_S", 0.05)
    with start(keep_hours=1) as running:
        running.send(b"ok")
        assert running.jobs.store.count() == 1
        later = SimpleNamespace(time=lambda: 1e12)
        monkeypatch.setattr("lvef.service.store.time", later)
        wait_until(lambda: running.jobs.store.count() == 0)


def test_nothing_is_kept(start, tmp_path):
    with start(keep_hours=0) as running:
        job = running.send(b"ok").json()["jobs"][0]["id"]
        assert running.client.get(f"/v1/results/{job}").status_code == 404, "it was in the answer"
        job = running.send(until(tmp_path / "go"), wait=0).json()["jobs"][0]["id"]
        (tmp_path / "go").touch()
        wait_until(lambda: running.state(job) == "done")
        assert running.client.get(f"/v1/results/{job}/curve.csv").status_code == 200
        assert running.client.get(f"/v1/results/{job}").json()["ef_percent"] == 55.0
        assert running.client.get(f"/v1/results/{job}").status_code == 404
        assert not (running.jobs.settings.folder / STORE_NAME).exists()


def test_a_restart_keeps_what_is_done(start):
    with start() as running:
        job = running.send(b"ok").json()["jobs"][0]["id"]
        waits = running.send(b"sleep", wait=0).json()["jobs"][0]["id"]
        folder = running.jobs.upload_store.folder
    assert not folder.exists()
    with start() as running:
        assert running.state(job) == "done"
        assert running.client.get(f"/v1/results/{job}").status_code == 200
        told = running.client.get(f"/v1/jobs/{waits}").json()
        assert (told["state"], told["error"]["code"]) == ("failed", "service_stopped")


def test_a_client_that_waits_is_reported_of_a_stop(start):
    answers = []
    with start() as running:
        waiter = threading.Thread(target=lambda: answers.append(running.send(b"sleep", wait=300)))
        waiter.start()
        wait_until(lambda: running.jobs._live)
        running.jobs._loop.call_soon_threadsafe(running.jobs.begin_stop)
        waiter.join(300)
        assert running.client.get("/healthz").json()["status"] == "stopping"
        assert running.send(b"ok").status_code == 503
    assert (answers[0].status_code, answers[0].json()["error"]["code"]) == (503, "service_stopped")


def test_a_result_that_cannot_be_kept(start, monkeypatch):
    with start() as running:
        monkeypatch.setattr(running.jobs.store, "save_result", full)
        answer = running.send(b"ok")
        assert (answer.status_code, answer.json()["error"]["code"]) == (507, "no_space")
        monkeypatch.undo()
        assert running.send(b"ok").status_code == 200
        assert running.jobs.upload_store.uploads() == []
        assert 'lvef_jobs{state="done"} 1.0' in running.client.get("/metrics").text


def test_a_full_disk_is_one_sentence_and_deleting_works(start):
    with start() as running:
        (job,) = running.send(b"ok").json()["jobs"]
        running.jobs.store._base = FullDisk(running.jobs.store._base)
        answer = running.client.post(f"{job['links']['result']}/correction", json={"es_frame": 1})
        assert (answer.status_code, answer.json()["error"]) == (
            507,
            {"code": "no_space", "message": DISK_FULL},
        )
        # What is drawn is sent, although it cannot be kept.
        assert running.client.get(f"{job['links']['result']}/report.pdf").status_code == 200
        assert running.client.delete(job["links"]["self"]).status_code == 204
        assert running.jobs.store.count() == 0


def full(*args):
    raise sqlite3.OperationalError("database or disk is full")


def test_jobs_of_another_service_that_was_killed(start, monkeypatch):
    monkeypatch.setattr("lvef.service.jobs.PURGE_INTERVAL_S", 0.05)
    with start() as running:
        running.jobs.store.save_job(JobRecord("j", "dead", "running", "a.avi", 1.0))
        wait_until(lambda: running.state("j") == "failed")
        assert running.client.get("/v1/jobs/j").json()["error"]["code"] == "service_stopped"


def test_the_answer_is_that_of_the_command_line(real, phantom_file, answered, monkeypatch):
    import functools

    from click.testing import CliRunner

    from lvef.cli.main import main

    monkeypatch.chdir(phantom_file.parent)
    invoke = functools.partial(CliRunner().invoke, help_option_names=["-h", "--help"])
    done = invoke(main, ["measure", phantom_file.name, "--json", "--precision", "f32", "--threads", "1"])
    assert done.exit_code == 0, done.output
    (job,) = answered["jobs"]
    expected, found = json.loads(done.stdout), dict(job["result"])
    assert expected["provenance"].pop("seconds") > 0
    assert found["provenance"].pop("seconds") > 0
    assert found == expected
    assert real.client.get(job["links"]["result"]).text.endswith("}\n")


def test_settings_reach_the_measurement(real, phantom_file):
    answer = real.send(
        phantom_file.read_bytes(),
        names=["a.avi"],
        view="A2C",
        sex="F",
        ed_frame="0",
        es_frame="15",
        frame_rate_hz="25",
    )
    result = answer.json()["jobs"][0]["result"]
    assert (result["view"], result["ed_frame"], result["es_frame"]) == ("A2C", 0, 15)
    assert result["frame_rate_hz"] == pytest.approx(25)
    assert "ase_2015_women" not in result["categories"] or "ase_2015_men" not in result["categories"]


def test_a_file_of_no_kind(real):
    answer = real.send(b"hello" * 100, names=["letter.avi"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unreadable")
    assert answer.json()["error"]["message"].startswith("letter.avi has an unknown format")


def test_too_many_frames(tmp_path, phantom_file):
    from dataclasses import replace

    from lvef.service.worker import Worker
    from tests.service.conftest import SMALL, run

    with run(replace(SMALL, data=tmp_path, max_upload_mb=64, max_frames=20), Worker) as running:
        answer = running.send(phantom_file.read_bytes(), names=["long.avi"])
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith("long.avi has")
    assert "at most 20 are read" in answer.json()["error"]["message"]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BOMBS))
def test_a_file_that_unpacks_to_more_than_a_machine_holds(real, name):
    answer = real.send(BOMBS[name](), names=[name])
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 200:
        # A still, or a refusal: read up to what its header claims, and not measured.
        assert answer.json()["jobs"][0]["result"]["ef_percent"] is None
    else:
        assert answer.json()["error"]["message"].startswith(name)
    assert real.jobs.pool.restarts == 0
    assert not real.jobs.upload_store.uploads()


def test_two_gigabytes_are_refused_at_their_announcement(quick):
    import http.client
    from urllib.parse import urlsplit

    connection = http.client.HTTPConnection(urlsplit(quick.url).netloc)
    connection.putrequest("POST", "/v1/measure")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", str(2**31))
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["error"]["code"] == "too_large"
    connection.close()
    assert not quick.jobs.upload_store.uploads()


def test_ten_uploads_at_once(quick):
    def send(n):
        # The odd ones cannot be measured: no answer goes to another's client.
        return quick.send(b"bad" if n % 2 else b"ok", names=[f"{n}.avi"])

    with ThreadPoolExecutor(10) as clients:
        answers = list(clients.map(send, range(10)))
    assert [answer.status_code for answer in answers] == [200, 422] * 5
    for number, answer in enumerate(answers):
        assert [job["result"]["source"] for job in answer.json()["jobs"]] == [f"{number}.avi"]
    assert not quick.jobs.upload_store.uploads()


def test_a_finished_job_is_gone_at_once(quick, monkeypatch):
    """Not only when Python looks for rings of objects, which is seldom: a reply holds a megabyte of files."""
    replies = []
    add = quick.jobs._add

    def adding(order):
        job = add(order)
        replies.append(weakref.ref(job.queued_task.reply))
        return job

    monkeypatch.setattr(quick.jobs, "_add", adding)
    gc.disable()
    try:
        for _ in range(3):
            assert quick.send(b"ok").status_code == 200
        # The thread of the worker lets go of the last when it takes the next.
        wait_until(lambda: all(reply() is None for reply in replies[:-1]))
    finally:
        gc.enable()
    assert len(replies) == 3
