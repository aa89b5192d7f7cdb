"""Fuzz every reader: ``python -m tests.fuzz --inputs 3000``, or one input again: ``--only avi --number 17``.

Each format runs in a process of its own, with a limit of memory. What ends or stops it (a crash, a hang) is a fault of the
input that it was at; the next process goes on behind it. The folder ``--out`` holds for each format how far it got, so that
the same command goes on; faulty inputs are kept there. Exit code 1: faults were found.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

HANG_S = 20.0
MOST_ADDRESSES = 5 * 2**30
CHUNK = 500
SHOWN = 12


def main() -> int:
    """Run what the command line asks for."""
    words = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    words.add_argument("--inputs", type=int, default=4000, help="inputs of each format")
    words.add_argument("--seed", type=int, default=21)
    words.add_argument("--only", nargs="*", default=None, help="formats")
    words.add_argument("--number", type=int, help="read this one input again, in this process")
    words.add_argument("--out", type=Path, default=Path("out/fuzz"))
    words.add_argument("--worker", nargs=2, type=int, help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.worker:
        return _work(given.only[0], given.seed, *given.worker, given.out)
    from tests.fuzz.targets import TARGETS

    names = given.only or list(TARGETS)
    if given.number is not None:
        return _again(names[0], given.seed, given.number)
    given.out.mkdir(parents=True, exist_ok=True)
    print(
        f"seed {given.seed}, {given.inputs} inputs of each of {len(names)} formats, into {given.out}",
        flush=True,
    )
    for name in [name for name in names if TARGETS[name].is_possible]:
        _fuzz(name, given.seed, round(given.inputs * TARGETS[name].share), given.out)
        (given.out / "table.md").write_text(table(given.out))
    print(table(given.out))
    return int(any(state["faults"] for state in _states(given.out).values()))


def _fuzz(name: str, seed: int, inputs: int, out: Path) -> None:
    """Bring one format up to so many inputs."""
    path = out / f"{name}.json"
    state = json.loads(path.read_text()) if path.exists() else {}
    state = {"seed": seed, "next": 0, "sites": [], "faults": [], "seconds": 0.0} | state
    began = time.monotonic()
    while state["next"] < inputs:
        last = min(state["next"] + CHUNK, inputs)
        report, ended = _run_worker(name, seed, state["next"], last, out)
        state["sites"] = sorted(set(state["sites"]) | {line["site"] for line in report if "site" in line})
        state["faults"] += [line["fault"] for line in report if "fault" in line]
        at = report[-1]["at"] if report and "at" in report[-1] else last
        if ended:
            state["faults"].append({"number": at, "kind": ended[0], "fault": ended[1]})
            last = at + 1
        state["next"] = last
        path.write_text(json.dumps(state, indent=1))
    state["seconds"] = round(state["seconds"] + time.monotonic() - began, 1)
    path.write_text(json.dumps(state, indent=1))
    kinds = dict(Counter(fault["kind"] for fault in state["faults"]))
    print(
        f"{name}: {state['next']} inputs, {len(state['sites'])} outcomes, faults {kinds or 0}, {state['seconds']} s",
        flush=True,
    )


def _run_worker(
    name: str, seed: int, first: int, last: int, out: Path
) -> tuple[list[dict[str, Any]], tuple[str, str] | None]:
    """Read inputs in a fresh process: its report, and how it was ended before its end."""
    report, errors = out / f"{name}.report", out / f"{name}.stderr"
    report.unlink(missing_ok=True)
    words = [sys.executable, "-m", "tests.fuzz", "--worker", str(first), str(last), "--only", name]
    words += ["--seed", str(seed), "--out", str(out)]
    with errors.open("wb") as stream:
        process = subprocess.Popen(words, stdout=stream, stderr=stream)
        size, since, used = -1, time.monotonic() + 60, 0.0  # loading takes its time
        while process.poll() is None:
            time.sleep(0.1)
            now = report.stat().st_size if report.exists() else -1
            if now != size:
                size, since, used = now, time.monotonic(), _processor_s(process.pid)
            elif time.monotonic() - since > HANG_S and (
                # On a busy machine an input that is not stuck may wait as long.
                _processor_s(process.pid) - used > HANG_S / 2 or time.monotonic() - since > 6 * HANG_S
            ):
                process.kill()
                process.wait()
                return _lines(report), ("hang", f"more than {HANG_S:g} s")
    lines = _lines(report)
    if process.returncode:
        tail = errors.read_text(errors="replace")[-600:]
        return lines, ("crash", f"exit code {process.returncode}: {tail}")
    return [line for line in lines if "at" not in line], None


def _processor_s(process: int) -> float:
    try:
        found = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return (int(found[11]) + int(found[12])) / os.sysconf("SC_CLK_TCK")


def _lines(report: Path) -> list[dict[str, Any]]:
    """What a worker reported; the last line is the number of the input that it was at."""
    lines = report.read_text().splitlines() if report.exists() else []
    numbers = [int(line) for line in lines if line.isdigit()]
    return [json.loads(line) for line in lines if line.endswith("}")] + [
        {"at": number} for number in numbers[-1:]
    ]


def _work(name: str, seed: int, first: int, last: int, out: Path) -> int:
    """The worker: reads inputs and writes what it finds, the number of each input first."""
    import faulthandler
    import resource

    os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="lvef-fuzz-")
    faulthandler.enable()
    from tests.fuzz.case import Box, make_input
    from tests.fuzz.targets import seeds_of

    box = Box(Path(os.environ["TMPDIR"]) / "box")
    for files in seeds_of(name):
        box.run(name, files)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (held + MOST_ADDRESSES, held + MOST_ADDRESSES))
    sites: set[str] = set()
    with (out / f"{name}.report").open("w", buffering=1) as report:
        for number in range(first, last):
            report.write(f"{number}\n")
            files = make_input(name, seed, number)
            outcome = box.run(name, files)
            if outcome.site not in sites:
                sites.add(outcome.site)
                report.write(json.dumps({"site": outcome.site}) + "\n")
            if outcome.fault:
                fault = {"number": number, "kind": outcome.kind, "fault": outcome.fault}
                report.write(json.dumps({"fault": fault}) + "\n")
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
    sys.stdout.flush()
    os._exit(0)


def _again(name: str, seed: int, number: int) -> int:
    """One input again; its files stay in a folder that is named."""
    from tests.fuzz.case import Box, make_input

    folder = Path(tempfile.mkdtemp(prefix="lvef-fuzz-"))
    outcome = Box(folder).run(name, make_input(name, seed, number))
    print(f"{folder / 'inside'}\n{outcome.site}\n{outcome.kind} {outcome.fault}")
    return int(bool(outcome.fault))


def _states(out: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(out.glob("*.json"))}


def table(out: Path) -> str:
    """What was run so far, as a Markdown table, with the distinct faults below."""
    lines = ["| format | inputs | distinct outcomes | faults |", "|---|---|---|---|"]
    states = _states(out)
    for name, state in states.items():
        kinds = Counter(fault["kind"] for fault in state["faults"])
        said = ", ".join(f"{n} {kind}" for kind, n in kinds.items()) or "0"
        lines.append(f"| {name} | {state['next']:,} | {len(state['sites'])} | {said} |")
    lines.append(
        f"| all | {sum(s['next'] for s in states.values()):,} | {sum(len(s['sites']) for s in states.values())} | "
        f"{sum(len(s['faults']) for s in states.values())} |"
    )
    for name, state in states.items():
        places: dict[str, list[dict[str, Any]]] = {}
        for fault in state["faults"]:
            places.setdefault(fault["fault"].partition(": ")[0][:160], []).append(fault)
        for _, found in list(places.items())[:SHOWN]:
            lines.append(
                f"\n- {name} {found[0]['number']} ({len(found)}): {found[0]['kind']}, {found[0]['fault'][:400]}"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
