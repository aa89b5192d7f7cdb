"""Time and EF of several revisions of the code, by turns, on the same clips.

Each revision gets a process of its own with the model loaded. Each repetition sends one clip to all of them, one after the
other, so that other work on the machine falls on all alike; only ratios within a repetition count. Beside the wall time
stands the processor time of all threads, which other work hardly changes.

With ``--what outputs`` the files of a measurement are written too; with ``--what process`` each repetition starts
``lvef measure`` anew; with ``--what ef`` nothing is timed and the EFs alone are compared.

Run: ``python benchmarks/revisions.py v1.2.0 HEAD . --clips FILE ... [--precision f32] [--repeats 15]``; ``.`` is the working
tree. Linux and macOS.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("src", "weights")
"""What of a revision is unpacked."""

SAME = ("status", "decision", "codes", "frames")
"""What a faster revision must not change, beside the EF."""

WORKER = """
import json, sys, time
from dataclasses import replace
from pathlib import Path
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
measurer = Measurer(replace(MeasureOptions(), precision=sys.argv[1]))
out = Path(sys.argv[2])
if sys.argv[3] == "outputs":
    from lvef.measure.batch import Job, run_batch
    from lvef.measure.results import Result
    from lvef.report.outputs import write_outputs
for line in sys.stdin:
    path = Path(line.strip())
    wall, cpu = time.perf_counter(), time.process_time()
    found, clip = measurer.measure(path)
    if sys.argv[3] == "outputs":
        job = Job((path,), lambda: Result(found, clip))
        run_batch([job], out, write=write_outputs, settings={}, resume=False)
    row = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "ef": found.ef_percent,
           "status": str(found.status), "frames": [found.ed_frame, found.es_frame], "decision": str(found.decision),
           "codes": sorted(n.code for n in found.notices)}
    print(json.dumps(row), flush=True)
"""


@dataclass
class Revision:
    """One state of the code, and where it is unpacked."""

    name: str
    folder: Path
    process: subprocess.Popen[str] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Of a process that imports this revision."""
        paths = [self.folder / "src", *self.folder.glob("weights/*/src")]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}

    def start(self, precision: str, what: str, out: Path) -> None:
        """Load the model in a process of its own."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, precision, str(out / self.folder.name), what],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def measure(self, clip: Path) -> dict[str, Any]:
        """Send one clip and wait for its result."""
        assert self.process is not None and self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{clip}\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def command(self, clip: Path, precision: str) -> dict[str, Any]:
        """A fresh `lvef measure --json`."""
        before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        words = ["measure", str(clip), "--json", "--precision", precision]
        done = subprocess.run(
            [sys.executable, "-m", "lvef.cli.main", *words],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - wall
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"wall": wall, "cpu": cpu, "status": str(done.returncode), "ef": None}


def unpack(name: str, folder: Path) -> Revision:
    """The files of a revision; those of the working tree where its name is ``.``."""
    if name == ".":
        return Revision("working tree", ROOT)
    archive = subprocess.run(
        ["git", "archive", name, *PARTS], cwd=ROOT, capture_output=True, check=True
    ).stdout
    target = folder / name.replace("/", "-")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(target, filter="data")
    return Revision(name, target)


def difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Points between two EFs; infinite where only one is given."""
    efs = one["ef"], other["ef"]
    if None in efs:
        return 0.0 if efs == (None, None) else math.inf
    return abs(float(efs[0]) - float(efs[1]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("revisions", nargs="+", help="the first is the one that others are compared with")
    parser.add_argument("--clips", nargs="+", type=Path, required=True)
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--what", choices=("alone", "outputs", "process", "ef"), default="alone")
    parser.add_argument("--out", type=Path, help="write everything there as JSON")
    args = parser.parse_args()

    repeats = 1 if args.what == "ef" else args.repeats
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        revisions = [unpack(name, Path(folder)) for name in args.revisions]
        if args.what != "process":
            for revision in revisions:
                revision.start(args.precision, args.what, Path(folder))
        for clip in (clip.resolve() for clip in args.clips):
            runs: list[list[dict[str, Any]]] = []
            for _ in range(repeats + (args.what != "ef")):
                turn = [
                    each.command(clip, args.precision) if args.what == "process" else each.measure(clip)
                    for each in revisions
                ]
                runs.append(turn)
            timed = runs[1:] or runs
            for i, revision in enumerate(revisions):
                ratios = {
                    kind: statistics.median(turn[0][kind] / turn[i][kind] for turn in timed)
                    for kind in ("wall", "cpu")
                }
                first, own = runs[-1][0], runs[-1][i]
                seconds = {
                    f"{kind}_s": statistics.median(turn[i][kind] for turn in timed)
                    for kind in ("wall", "cpu")
                }
                row = {"clip": clip.name, "revision": revision.name, **seconds, **ratios, "result": own}
                row["ef_difference"] = difference(first, own)
                row["other"] = {key: (first[key], own[key]) for key in SAME if first.get(key) != own.get(key)}
                rows.append(row)
                print(
                    f"{clip.name[:28]:28} {revision.name[:14]:14} wall {ratios['wall']:6.2f} x  processor "
                    f"{ratios['cpu']:6.2f} x  EF {own['ef'] or math.nan:6.2f} differs by {row['ef_difference']:.3f} "
                    f"{own['status']} {row['other'] or ''}",
                    flush=True,
                )
        for revision in revisions:
            if revision.process is not None:
                revision.process.communicate()
    print()
    for revision in revisions:
        own = [row for row in rows if row["revision"] == revision.name]
        wall, cpu = (statistics.geometric_mean(row[kind] for row in own) for kind in ("wall", "cpu"))
        print(
            f"{revision.name:28} {len(own)} clips: {wall:.2f} times as fast, processor {cpu:.2f} times; "
            f"largest difference of an EF {max(row['ef_difference'] for row in own):.3f} points; "
            f"{sum(bool(row['other']) for row in own)} with another status, decision, warning or ED or ES frame"
        )
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
