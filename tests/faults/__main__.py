"""Many trials of every command, a line a trial: ``python -m tests.faults measure prepare --trials 100 --log FILE``.

Trials that the log has are not repeated. Ends with 1 where something did not hold.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.ray_nodes import Nodes
from tests.faults import service
from tests.faults.commands import CLUSTER, COMMANDS, make_inputs
from tests.faults.injection import KINDS
from tests.faults.trial import baseline, run_trial

SERVICE = "service"
"""Name of the trials of `tests.faults.service`."""


def main() -> int:
    """Run the trials that the log lacks, then print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "commands", nargs="*", metavar="COMMAND", help=f"of {', '.join(COMMANDS)} and {SERVICE}; all"
    )
    parser.add_argument("--trials", type=int, default=100, help="of each command")
    parser.add_argument("--seed", type=int, default=0, help="of the first trial")
    parser.add_argument("--fault", choices=KINDS, help="this one alone; not of the service")
    parser.add_argument("--log", type=Path, default=Path("out/faults.jsonl"))
    parser.add_argument("--table", action="store_true", help="print the table of the log alone")
    given = parser.parse_args()
    wanted = given.commands or [*COMMANDS, SERVICE]
    given.log.parent.mkdir(parents=True, exist_ok=True)
    done = {(t["command"], t["seed"]) for t in read_log(given.log)}
    with tempfile.TemporaryDirectory(prefix="lvef-faults-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        for name in [] if given.table else wanted:
            seeds = [s for s in range(given.seed, given.seed + given.trials) if (name, s) not in done]
            if seeds:
                with ExitStack() as stack:
                    run_all(name, seeds, Path(folder), given.log, stack, given.fault)
    trials = read_log(given.log)
    print(table(trials))
    return int(any(trial["violations"] for trial in trials))


def run_all(
    name: str, seeds: list[int], folder: Path, log: Path, stack: ExitStack, fault: str | None
) -> None:
    """Run trials of one command, each followed by its line in the log; the stack ends the cluster that they share."""
    if name == SERVICE:
        trial_of = partial(service.run_trial, folder=folder)
    else:
        command, inputs = COMMANDS[name], make_inputs(folder / "inputs")
        nodes = stack.enter_context(Nodes(processors=2)) if command.joins else None
        if nodes is not None:
            (inputs / CLUSTER).write_text(nodes.address)
        undisturbed = baseline(command, inputs, folder, nodes)
        trial_of = partial(
            run_trial, command, inputs=inputs, undisturbed=undisturbed, folder=folder, nodes=nodes, kind=fault
        )
    for seed in seeds:
        began = time.monotonic()
        trial = trial_of(seed=seed)
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(trial.as_dict()) + "\n")
        state = "; ".join(trial.violations) or "holds"
        print(
            f"{name} {seed} {trial.fault.kind}{'' if trial.hit else ' (missed)'} {trial.code}: {state} "
            f"({time.monotonic() - began:.0f} s)",
            file=sys.stderr,
            flush=True,
        )


def read_log(log: Path) -> list[dict]:
    """The trials of a log."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def table(trials: list[dict]) -> str:
    """Trials by command and fault: how many, how many met a running command, how many did not hold."""
    cells = Counter((t["command"], t["fault"]["kind"]) for t in trials)
    hits = Counter((t["command"], t["fault"]["kind"]) for t in trials if t["hit"])
    bad = Counter((t["command"], t["fault"]["kind"]) for t in trials if t["violations"])
    lines = ["command,fault,trials,met,violations"]
    lines += [f"{c},{k},{n},{hits[c, k]},{bad[c, k]}" for (c, k), n in sorted(cells.items())]
    for command in sorted({c for c, _ in cells}):
        total = [sum(v for (c, _), v in counter.items() if c == command) for counter in (cells, hits, bad)]
        lines.append(f"{command},all,{total[0]},{total[1]},{total[2]}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
