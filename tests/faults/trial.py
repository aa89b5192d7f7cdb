"""One trial: a command is disturbed and given again; what must hold is checked after each."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.ray_nodes import Nodes
from tests.faults.commands import Command, contents, temporaries
from tests.faults.injection import EXIT_CODES, Fault, draw, inject, place, words_for
from tests.faults.processes import Child, end_all, left_after, ray_folder, start

LIMIT_S = 900.0
"""After this time a command hangs."""


@dataclass(frozen=True)
class Baseline:
    """An undisturbed run: what it wrote, what of it is the same each time, its time, its bytes."""

    contents: dict[str, Any]
    stable: set[str]
    seconds: float
    size: int


@dataclass
class Trial:
    """What happened."""

    command: str
    seed: int
    fault: Fault
    hit: bool = False
    code: int | None = None
    said: str = ""
    violations: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """As a line of the log."""
        return {
            "command": self.command,
            "seed": self.seed,
            "fault": self.fault.as_dict(),
            "hit": self.hit,
            "code": self.code,
            "said": self.said,
            "violations": self.violations,
        }


def baseline(command: Command, inputs: Path, folder: Path, nodes: Nodes | None = None) -> Baseline:
    """Run a command twice, undisturbed."""
    runs = []
    for number in range(2):
        here = folder / f"{command.name}-baseline{number}" / "place"
        here.mkdir(parents=True)
        began = time.monotonic()
        child = start(command.args(inputs, here), here.parent, "run", nodes=nodes)
        assert child.process.wait() == 0, child.said()
        seconds = time.monotonic() - began
        size = sum(p.stat().st_size for p in here.rglob("*") if p.is_file())
        runs.append((contents(here / "out"), seconds, size))
        assert not temporaries(here)
        shutil.rmtree(here.parent)
        shutil.rmtree(ray_folder(here.parent), ignore_errors=True)
    one, other = runs[0][0], runs[1][0]
    assert one.keys() == other.keys()
    stable = {name for name in one if one[name] == other[name]}
    return Baseline(one, stable, min(run[1] for run in runs), runs[0][2])


def run_trial(
    command: Command,
    seed: int,
    inputs: Path,
    undisturbed: Baseline,
    folder: Path,
    nodes: Nodes | None = None,
    kind: str | None = None,
) -> Trial:
    """Disturb a command by the fault of a seed, of this kind if one is given, then let it complete."""
    fault = draw(random.Random(f"{command.name} {seed}"), (kind,) if kind else command.kinds)
    if command.entries and fault.entries:
        fault = replace(fault, entries=1 + fault.entries % command.entries)
    trial = Trial(command.name, seed, fault)
    here = folder / f"{command.name}-{seed}"
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir(parents=True)
    here.chmod(0o777)
    with place(here, fault, undisturbed.size) as where:
        args = command.args(inputs, where.folder)
        words = words_for(fault, undisturbed.seconds, inputs)
        child = start(args, here, "disturbed", fault=words, obey=fault.kind == "read-only", nodes=nodes)
        trial.hit = not words and inject(fault, child, where, undisturbed.seconds)
        trial.code = _wait(child, trial)
        trial.hit = trial.hit or (here / "seen").exists() or (where.mounted and trial.code == 1)
        _check_end(child, trial, EXIT_CODES[fault.kind] if trial.hit else {0})
        where.free()
        out = where.folder / "out"
        try:
            contents(out)
        except ValueError as error:
            trial.violations.append(f"after the fault, {error}")
        again = start(args, here, "again", nodes=nodes)
        code = _wait(again, trial)
        if code:
            trial.violations.append(f"the same command ends with {code}: {again.said()[-300:]}")
        _check_end(again, trial, {0})
        _check_result(command, where.folder, undisturbed, trial)
    shutil.rmtree(ray_folder(here), ignore_errors=True)
    if not trial.violations:
        shutil.rmtree(here, ignore_errors=True)
    return trial


def _wait(child: Child, trial: Trial) -> int:
    try:
        return child.process.wait(LIMIT_S)
    except subprocess.TimeoutExpired:
        trial.violations.append(f"does not end within {LIMIT_S:.0f} s")
        end_all(child.pid)
        return child.process.wait()


def _check_end(child: Child, trial: Trial, codes: set[int]) -> None:
    code = child.process.returncode
    # Before the program begins, a signal ends the interpreter, which says nothing.
    early = {-signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT} if not child.said() else set()
    # In native code, Python cannot obey a stop signal; the watchdog ends the command, and says so.
    if codes & {129, 130, 143} and "It was stuck and was ended from outside" in child.said():
        early |= {-signal.SIGKILL}
    if code not in codes | (early if codes != {0} else set()):
        trial.violations.append(f"exit code {code}")
    if left := left_after(child.pid):
        trial.violations.append(f"processes stay: {sorted(left.values())}")
        end_all(child.pid)
    if child.nodes is not None and (left := _workers_left(child.nodes)):
        trial.violations.append(f"{len(left)} workers stay in the cluster")
    # Allocators of libraries complain in words of their own.
    said = "\n".join(line for line in child.said().splitlines() if not line.startswith("<jemalloc>"))
    if "Traceback" in said:
        trial.violations.append(f"traceback: {said[-3000:]}")
    if "a bug in lvef" in said or "error it should not have" in said:
        trial.violations.append(f"called a bug: {said[-300:]}")
    if code > 0:
        trial.said = said.strip().splitlines()[-1] if said.strip() else ""
        # Where memory is short, OpenBLAS ends the process itself.
        if not trial.said.startswith(("lvef: ", "OpenBLAS")):
            trial.violations.append(f"no sentence: {said[-300:]!r}")


def _workers_left(nodes: Nodes, seconds: float = 10.0) -> list[int]:
    """Workers that a cluster still has when so many seconds are over."""
    until = time.monotonic() + seconds
    while (found := nodes.workers()) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def _check_result(command: Command, where: Path, undisturbed: Baseline, trial: Trial) -> None:
    out = where / "out"
    try:
        found = contents(out)
        items = command.listed(where)
    except (ValueError, OSError) as error:
        trial.violations.append(f"in the end, {error}")
        return
    if len(items) != len(set(items)):
        trial.violations.append(f"doubled: {items}")
    if missing := undisturbed.contents.keys() - found.keys():
        trial.violations.append(f"missing: {sorted(missing)}")
    if more := found.keys() - undisturbed.contents.keys():
        trial.violations.append(f"too many: {sorted(more)}")
    if other := [n for n in undisturbed.stable & found.keys() if found[n] != undisturbed.contents[n]]:
        values = [(name, _difference(undisturbed.contents[name], found[name])) for name in sorted(other)]
        trial.violations.append(f"other than undisturbed: {values}")
    if left := temporaries(where):
        trial.violations.append(f"temporary files stay: {left}")


def _difference(one: Any, other: Any) -> str:
    """What differs, shortly."""
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return "; ".join(_difference(a, b) for a, b in zip(one, other, strict=True) if a != b)[:600]
    if isinstance(one, dict) and isinstance(other, dict):
        return "; ".join(
            f"{key}: {_difference(one.get(key), other.get(key))}" for key in one if one[key] != other.get(key)
        )[:600]
    return f"{one!r} -> {other!r}"[:300]
