"""Trials of the service: files are sent, it is disturbed, goes on or is started again; nothing that was done is lost."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import httpx

from lvef.service.store import STORE_NAME
from tests.faults.injection import Fault, Place, draw, inject, lift, place
from tests.faults.processes import Child, end_all, left_after, start
from tests.faults.trial import Trial

KINDS = (
    "kill",
    "kill-worker",
    "terminate",
    "terminate-all",
    "interrupt",
    "disk-full",
    "read-only",
    "clock",
    "memory",
)
"""Faults that a service can meet."""

ENDED_BY = {
    "kill": {-signal.SIGKILL},
    "terminate": {0, -signal.SIGTERM},
    "terminate-all": {0, -signal.SIGTERM},
    "interrupt": {0, -signal.SIGINT},
}
"""Faults that end it, and its exit codes; before it listens, a signal ends the interpreter."""

FILES = 16
SECONDS = 1.5
"""Files that are sent, and about how long that takes."""

CODES = {"service_stopped", "worker_died", "no_space", "too_large", "not_possible", "bug"}
"""Why a job may have failed."""


def run_trial(seed: int, folder: Path) -> Trial:
    """Disturb a service by the fault of a seed."""
    fault = draw(random.Random(f"service {seed}"), KINDS)
    fault = Fault(fault.kind, fault.share, 0, fault.amount)
    trial = Trial("service", seed, fault)
    here = folder / f"service-{seed}"
    here.mkdir(parents=True)
    here.chmod(0o777)
    with place(here, fault, 1_500_000) as where:
        data = where.folder / "data"
        words = (
            f"clock {3 + fault.share:.2f} {(fault.amount - 0.5) * 6 * 3600:.0f}"
            if fault.kind == "clock"
            else ""
        )
        sent = Sent()
        service = _start(data, here, "disturbed", words, obey=fault.kind == "read-only")
        url = _address(service)
        if url:
            sender = threading.Thread(target=sent.send_all, args=(url,))
            sender.start()
            trial.hit = inject(fault, service, where, SECONDS) or bool(words)
            sender.join()
        _check_end(service, url, fault, where, sent, trial)
        _check_again(data, here, sent, trial)
    if not trial.violations:
        shutil.rmtree(here, ignore_errors=True)
    return trial


class Sent:
    """What was sent: the number in each file by the id of its job, and jobs that were seen finished."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.done: set[str] = set()
        self.wrong: list[str] = []

    def send_all(self, url: str) -> None:
        """Send all files, each third one waiting for its result; what fails is left."""
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            for number in range(20, 20 + FILES):
                self.send(client, number, wait=30 * (number % 3 == 0))
                time.sleep(0.05)

    def send(self, client: httpx.Client, number: int, wait: int) -> int:
        """Send a file; gives the status, 0 where there was no answer."""
        name = f"{number}.avi"
        try:
            answer = client.post(
                "/v1/measure", files={"files": (name, str(number).encode())}, data={"wait": str(wait)}
            )
            values = answer.json()
        except httpx.HTTPError:
            return 0
        except json.JSONDecodeError:
            self.wrong.append(f"status {answer.status_code} without JSON")
            return answer.status_code
        for job in values.get("jobs", []):
            self.numbers[job["id"]] = number
            if job["state"] == "done":
                self.done.add(job["id"])
                self._compare(job["result"], number)
        if answer.status_code >= 400 and not values["error"]["message"]:
            self.wrong.append(f"status {answer.status_code} without a sentence")
        return answer.status_code

    def check(self, client: httpx.Client, name: str) -> str:
        """State of a job; what it measured is compared."""
        answer = client.get(f"/v1/jobs/{name}")
        if answer.status_code == 404:
            return "unknown"
        job = answer.json()
        if job["state"] == "done":
            self._compare(client.get(f"/v1/results/{name}").json(), self.numbers[name])
        if job["state"] == "failed" and job["error"]["code"] not in CODES:
            self.wrong.append(f"failed by {job['error']}")
        return str(job["state"])

    def _compare(self, result: dict, number: int) -> None:
        if result.get("ef_percent") != number or result.get("source") != f"{number}.avi":
            self.wrong.append(f"{number} is answered by {result}")


def _start(data: Path, here: Path, name: str, fault: str = "", *, obey: bool = False) -> Child:
    script = Path(__file__).with_name("service_command.py")
    return start([str(data)], here, name, fault=fault, obey=obey, script=script)


def _address(service: Child, seconds: float = 120.0) -> str:
    """The address of a service; empty where it ended before."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and service.process.poll() is None:
        if (text := service.out.read_text()).endswith("\n"):
            return text.strip()
        time.sleep(0.05)
    return ""


def _check_end(service: Child, url: str, fault: Fault, where: Place, sent: Sent, trial: Trial) -> None:
    """A signal has ended the service; any other fault has not, and it measures again once all is well."""
    trial.hit = trial.hit or where.mounted
    codes = ENDED_BY.get(fault.kind) if trial.hit else None
    if codes is None:
        where.free()
        lift(service.pid)
        if not url or service.process.poll() is not None:
            # A disk may be full before it starts.
            if not (fault.kind == "disk-full" and service.process.returncode == 1):
                trial.violations.append(f"the service ended with {service.process.returncode}")
        elif not _measures(url, sent):
            trial.violations.append("it does not measure any more")
        service.process.send_signal(signal.SIGTERM)
        codes = {0, 1} if fault.kind == "disk-full" else {0}
    with suppress(Exception):
        service.process.wait(60)
    trial.code = service.process.poll()
    if trial.code not in codes:
        trial.violations.append(f"exit code {trial.code}")
    if left := left_after(service.pid):
        trial.violations.append(f"processes stay: {sorted(left.values())}")
        end_all(service.pid)
    if "Traceback" in service.said() and trial.code != 1:
        trial.violations.append(f"traceback: {service.said()[-2000:]}")


def _measures(url: str, sent: Sent) -> bool:
    until = time.monotonic() + 90
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        while time.monotonic() < until:
            if sent.send(client, 77, wait=30) == 200:
                return True
            time.sleep(0.5)
    return False


def _check_again(data: Path, here: Path, sent: Sent, trial: Trial) -> None:
    """Started again, the service knows all jobs, has the results of those that were done, and measures."""
    service = _start(data, here, "again")
    url = _address(service)
    if not url:
        trial.violations.append(f"it does not start again: {service.said()[-500:]}")
        return
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        states = {name: sent.check(client, name) for name in sent.numbers}
    full = trial.fault.kind in ("disk-full", "read-only")
    for name, state in states.items():
        if state not in ("done", "failed", "unknown"):
            trial.violations.append(f"a job is {state} after the restart")
        if name in sent.done and state != "done" and not full:
            trial.violations.append(f"a result that was seen is {state}")
    trial.said = ", ".join(f"{list(states.values()).count(s)} {s}" for s in sorted(set(states.values())))
    if not _measures(url, sent):
        trial.violations.append("it does not measure after the restart")
    trial.violations += sent.wrong
    service.process.send_signal(signal.SIGTERM)
    if service.process.wait(60) != 0:
        trial.violations.append(f"exit code {service.process.returncode} after the restart")
    if left := list((data / "spool").iterdir()):
        trial.violations.append(f"uploads stay: {left}")
    with closing(sqlite3.connect(data / STORE_NAME)) as base:
        if base.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            trial.violations.append("the database is damaged")
        doubled = base.execute(
            "SELECT result FROM jobs WHERE state = 'done' GROUP BY result HAVING count(*) > 1"
        )
        lost = base.execute(
            "SELECT id FROM jobs WHERE state = 'done' AND result NOT IN (SELECT id FROM results)"
        )
        if rows := doubled.fetchall() + lost.fetchall():
            trial.violations.append(f"results doubled or without a row: {rows}")
