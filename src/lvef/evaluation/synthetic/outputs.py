"""The files of a judgement: which there are, and writing them into a folder."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lvef
from lvef.core.serialization import to_json
from lvef.evaluation.output import last_name, make_folder, write_all
from lvef.evaluation.synthetic.page import page_of
from lvef.evaluation.synthetic.pictures import make_pictures
from lvef.evaluation.synthetic.run import JOURNAL_NAME, SyntheticPlan
from lvef.evaluation.synthetic.summary import Summary, to_values
from lvef.evaluation.synthetic.tables import beats_csv, clips_csv
from lvef.measure.environment import describe_machine, package_versions

RUN_SCHEMA = "lvef-synthetic-evaluation-run/1"
"""Version of the layout of ``run.json``."""


def write_judgement(folder: Path, summary: Summary, plan: SyntheticPlan) -> list[str]:
    """Write everything about a judgement. Files of an earlier one that this one does not have are removed.

    Args:
        folder: Made when it is missing.
        summary: What was found.
        plan: What was asked for, for ``run.json``.

    Returns:
        Names of the files written.

    Raises:
        DataError: The folder cannot be made or a file cannot be written.
    """
    make_folder(folder)
    pictures = make_pictures(summary, plan.seed)
    texts = {
        "summary.json": to_json(to_values(summary)),
        "clips.csv": clips_csv(summary.judgement),
        "beats.csv": beats_csv(summary.judgement),
        "index.html": page_of(summary, pictures),
    }
    return write_all(
        folder,
        RUN_SCHEMA,
        texts,
        pictures,
        lambda written: _run_record(summary, plan, written),
        keep=(JOURNAL_NAME,),
    )


def _run_record(summary: Summary, plan: SyntheticPlan, written: Sequence[str]) -> dict[str, Any]:
    j = summary.judgement
    return {
        "schema": RUN_SCHEMA,
        "lvef_version": lvef.__version__,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(j.seconds, 3),
        "resumed": j.resumed,
        "settings": {
            "synthetic": last_name(plan.folder),
            "weights": last_name(Path(plan.options.weights)),
            "seed": plan.seed,
            "backend": plan.options.backend,
            "precision": plan.options.precision,
            "threads": plan.options.threads,
        },
        "network": None if j.weights is None else asdict(j.weights),
        "files": list(written),
        "machine": describe_machine(),
        "packages": package_versions(),
    }
