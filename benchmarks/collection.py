"""A collection of 10,000 clips from its folder to its exploration: seconds and peak memory of each verb, as a user runs it.

The folder is fabricated in EchoNet-Dynamic's layout (the tests' generator): a list of n clips, their tracings (42 lines
each) and n names of one small AVI. Every verb is a fresh process.

Run from the repository's root: ``python benchmarks/collection.py [--clips 10000] [--out FILE]``. Linux and macOS.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lvef.io.atomic import write_text_atomic

ROOT = Path(__file__).resolve().parents[1]
"""The repository, whose tests hold the generator."""

PEAK_UNIT_MB = 1 / 2**20 if sys.platform == "darwin" else 1 / 2**10
"""`ru_maxrss` counts bytes on macOS and KiB on Linux."""


def timed(words: list[str], folder: Path) -> dict[str, float]:
    """Run ``lvef`` with these words in a folder: seconds and peak memory in MB.

    Raises:
        SystemExit: It failed; its own words are shown.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "lvef.cli.main", *words],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status):
        sys.exit(said)
    return {"seconds": round(seconds, 2), "peak_mb": round(usage.ru_maxrss * PEAK_UNIT_MB)}


def main() -> None:
    """Fabricate, run, print, and write the figures where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--out", type=Path, help="write the figures there as JSON")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from tests.datasets.echonet_folder import write

    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "EchoNet-Dynamic", args.clips)
        for words in (
            ["data", "import", "echonet-dynamic", "EchoNet-Dynamic", "--out", "clips.parquet"],
            ["data", "check", "clips.parquet"],
            ["explore", "clips.parquet", "--out", "exploration"],
        ):
            found[" ".join(words[:-2] if words[0] == "explore" else words[:2])] = timed(words, folder)
    print(f"{args.clips:,} clips\n| verb | seconds | peak memory, MB |\n|---|---|---|")
    for verb, row in found.items():
        print(f"| lvef {verb} | {row['seconds']:.1f} | {row['peak_mb']:.0f} |")
    print(f"| together | {sum(row['seconds'] for row in found.values()):.1f} | |")
    if args.out:
        write_text_atomic(args.out, json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
