"""Coverage-guided fuzzing of every reader: ``python -m tests.fuzz.guided --seconds 60``, or of some: ``--only dicom avi``.

The mutators are those of `tests.fuzz.mutate`. atheris, which lvef does not install, keeps the inputs that reach a new branch
of lvef, pydicom or Pillow, and changes them further. Each format runs in a process of its own, and goes on after a fault.
The folder ``--out`` holds corpus, log and faulty inputs of each format: the same command with more seconds goes on. A faulty
input again: ``--only dicom --again out/guided/dicom/fault-1``. Exit code 1: faults were found.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tests.fuzz.seeds import Files

HANG_S = 60
MOST_MIB = 3000
MOST_BYTES = 2**18
MOST_CRASHES = 5
"""A process that was ended is started again so many times."""

INSTRUMENTED = ["lvef", "pydicom", "PIL"]

_STATUS = re.compile(r"^#(\d+)\s+(\w+)\s+cov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)


def main() -> int:
    """Run what the command line asks for."""
    words = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=__doc__.splitlines()[0])
    words.add_argument("--seconds", type=float, default=60.0, help="for each format")
    words.add_argument("--only", nargs="*", default=None, help="formats")
    words.add_argument("--out", type=Path, default=Path("out/guided"))
    words.add_argument("--again", type=Path, help="read this one input again, in this process")
    words.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = words.parse_args()
    if find_spec("atheris") is None:
        words.error("atheris is not installed: pip install atheris")
    if given.worker:
        return _work(given.only[0], given.seconds, given.out)
    from tests.fuzz.targets import TARGETS

    names = given.only or list(TARGETS)
    if given.again:
        return _again(names[0], given.again)
    for name in [name for name in names if TARGETS[name].is_possible]:
        state = _fuzz(name, given.seconds, given.out)
        print(f"{name}: {json.dumps(state | {'faults': len(state['faults'])})}", flush=True)
        (given.out / "table.md").write_text(table(given.out))
    print(table(given.out))
    return int(any(state["faults"] for state in _states(given.out).values()))


def _fuzz(name: str, seconds: float, out: Path) -> dict[str, Any]:
    """Bring one format up to so many seconds."""
    folder, path = out / name, out / f"{name}.json"
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    state = {"seconds": 0.0, "inputs": 0, "start": [], "end": [], "corpus": 0, "faults": []}
    state |= json.loads(path.read_text()) if path.exists() else {}
    words = [sys.executable, "-m", "tests.fuzz.guided", "--worker", "--only", name, "--out", str(out)]
    crashes = 0
    while state["seconds"] < seconds - 1 and crashes <= MOST_CRASHES:
        began = time.monotonic()
        left = ["--seconds", str(seconds - state["seconds"])]
        with (folder / "log").open("wb") as log, tempfile.TemporaryDirectory(prefix="lvef-fuzz-") as place:
            environment = os.environ | {"TMPDIR": place}
            ended = subprocess.run([*words, *left], stdout=log, stderr=log, env=environment, check=False)
        said = (folder / "log").read_text(errors="replace")
        found = [(int(n), what, *map(int, rest)) for n, what, *rest in _STATUS.findall(said)]
        for _, what, *covered, _ in found:
            if what == "INITED" and not state["start"]:
                state["start"] = covered
        if found:
            state["inputs"] += found[-1][0]
            state["end"], state["corpus"] = list(found[-1][2:4]), found[-1][4]
        report = folder / "faults.jsonl"
        state["faults"] = (
            [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
        )
        if ended.returncode:
            crashes += 1
            with report.open("a") as stream:
                fault = f"exit code {ended.returncode}: {said[-600:]}"
                stream.write(json.dumps({"kind": "crash or hang", "fault": fault}) + "\n")
            state["faults"].append({"kind": "crash or hang", "fault": fault})
        state["seconds"] = round(state["seconds"] + time.monotonic() - began, 1)
        path.write_text(json.dumps(state, indent=1))
    return state


def _work(name: str, seconds: float, out: Path) -> int:
    """The worker: hands one format to libFuzzer, which does not return."""
    import atheris

    folder = out / name
    report = folder / "faults.jsonl"
    # What is imported on the first inputs is to be followed as well.
    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzz.case import Box
        from tests.fuzz.mutate import mutated
        from tests.fuzz.targets import seeds_of

        seeds = seeds_of(name)
        box = Box(Path(tempfile.gettempdir()) / "box")
        for number, files in enumerate(seeds):
            box.run(name, files)
            (folder / "corpus" / f"seed-{number}").write_bytes(pack(number, files, seeds))
        known = report.read_text().splitlines() if report.exists() else []
        places = {_place(json.loads(line)["fault"]) for line in known}

        def read(data: bytes) -> None:
            outcome = box.run(name, unpack(data, seeds)[1])
            if outcome.fault and _place(outcome.fault) not in places:
                places.add(_place(outcome.fault))
                file = f"fault-{len(places)}"
                (folder / file).write_bytes(data)
                with report.open("a") as stream:
                    fault = {"kind": outcome.kind, "fault": outcome.fault, "input": file}
                    stream.write(json.dumps(fault) + "\n")

        def mutate(data: bytes, max_size: int, seed: int) -> bytes:
            number, files = unpack(bytes(data), seeds)
            changed = pack(number, mutated(files, np.random.default_rng(seed)), seeds)
            return changed if len(changed) <= max_size else bytes(data)

        words = [f"-max_total_time={seconds:.0f}", f"-timeout={HANG_S}", f"-rss_limit_mb={MOST_MIB}"]
        words += [f"-max_len={MOST_BYTES}", f"-artifact_prefix={folder}/", str(folder / "corpus")]
        atheris.Setup([sys.argv[0], *words], read, custom_mutator=mutate)
        atheris.Fuzz()
    return 0


def pack(number: int, files: Files, seeds: list[Files]) -> bytes:
    """An input as bytes: the number of its seed, names and sizes of the files that differ from it, and these files."""
    changed = {name: data for name, data in files.items() if seeds[number][name] != data}
    head = json.dumps([number, {name: len(data) for name, data in changed.items()}])
    return b"\n".join([head.encode(), b"".join(changed.values())])


def unpack(data: bytes, seeds: list[Files]) -> tuple[int, Files]:
    """Number of the seed and files of an input. Bytes that are none become the first file of the first seed."""
    head, _, rest = data.partition(b"\n")
    try:
        number, sizes = json.loads(head)
        files = dict(seeds[number])
        for name, size in sizes.items():
            files[name], rest = rest[:size], rest[size:]
    except (ValueError, TypeError, AttributeError, IndexError, RecursionError):
        return 0, {**seeds[0], next(iter(seeds[0])): data}
    return number, files


def _place(fault: str) -> str:
    """Line of the program, or begin of a message: tells faults apart."""
    return re.sub(r"\d+ MiB", "MiB", fault.partition(": ")[0][:160])


def _again(name: str, path: Path) -> int:
    """One input again; its files stay in a folder that is named."""
    from tests.fuzz.case import Box
    from tests.fuzz.targets import seeds_of

    folder = Path(tempfile.mkdtemp(prefix="lvef-fuzz-"))
    outcome = Box(folder).run(name, unpack(path.read_bytes(), seeds_of(name))[1])
    print(f"{folder / 'inside'}\n{outcome.site}\n{outcome.kind} {outcome.fault}")
    return int(bool(outcome.fault))


def _states(out: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(out.glob("*.json"))}


def table(out: Path) -> str:
    """What was run so far, as a Markdown table, with the distinct faults below."""
    lines = ["| format | inputs | branches | features | corpus | faults |", "|---|---|---|---|---|---|"]
    states = _states(out)
    for name, state in states.items():
        branches, features = (f"{a:,} → {b:,}" for a, b in zip(state["start"], state["end"], strict=True))
        lines.append(
            f"| {name} | {state['inputs']:,} | {branches} | {features} | {state['corpus']:,} | {len(state['faults'])} |"
        )
    inputs, faults = sum(s["inputs"] for s in states.values()), sum(len(s["faults"]) for s in states.values())
    lines.append(f"| all | {inputs:,} | | | | {faults} |")
    for name, state in states.items():
        for fault in state["faults"]:
            lines.append(f"\n- {name} {fault.get('input', '')}: {fault['kind']}, {fault['fault'][:400]}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
