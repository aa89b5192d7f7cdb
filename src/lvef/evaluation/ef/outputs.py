"""The files of an evaluation of EFs: which there are, and writing them into a folder."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lvef
from lvef.core.serialization import to_json
from lvef.evaluation.ef.page import page_of
from lvef.evaluation.ef.run import JOURNAL_NAME, EfPlan
from lvef.evaluation.ef.summary import EfSummary
from lvef.evaluation.ef.tables import (
    calibration_csv,
    cases_csv,
    confusion_csv,
    figures_csv,
    paired_csv,
    to_values,
)
from lvef.evaluation.output import last_name, make_folder, write_all
from lvef.evaluation.report import Plot
from lvef.evaluation.results import patients_digest
from lvef.measure.environment import describe_machine, package_versions

RUN_SCHEMA = "lvef-ef-evaluation-run/1"
"""Version of the layout of ``run.json``."""


def write_evaluation(
    folder: Path, summary: EfSummary, plan: EfPlan, pictures: Mapping[str, Plot]
) -> list[str]:
    """Write everything about an evaluation. Files of an earlier one that this one does not have are removed.

    Args:
        folder: Made when it is missing.
        summary: What was found.
        plan: What was asked for, for ``run.json``.
        pictures: By file name.

    Returns:
        Names of the files written.

    Raises:
        DataError: The folder cannot be made or a file cannot be written.
    """
    make_folder(folder)
    texts = {
        "summary.json": to_json(to_values(summary)),
        "figures.csv": figures_csv(summary),
        "cases.csv": cases_csv(summary),
        "confusion.csv": confusion_csv(summary),
        "calibration.csv": calibration_csv(summary),
        "index.html": page_of(summary, pictures),
    }
    if summary.paired:
        texts["paired.csv"] = paired_csv(summary)
    return write_all(
        folder,
        RUN_SCHEMA,
        texts,
        pictures,
        lambda written: _run_record(summary, plan, written),
        keep=(JOURNAL_NAME,),
    )


def _run_record(summary: EfSummary, plan: EfPlan, written: Sequence[str]) -> dict[str, Any]:
    e = summary.evaluation
    return {
        "schema": RUN_SCHEMA,
        "lvef_version": lvef.__version__,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(e.seconds, 3),
        "resumed": e.resumed,
        "settings": {
            "manifest": last_name(plan.manifest),
            "split": plan.split,
            "weights": [last_name(Path(name)) for name in plan.weights],
            "predictions": [last_name(path) for path in plan.predictions],
            "train_cards": [last_name(path) for path in plan.train_cards],
            "runs": [last_name(path) for path in plan.runs],
            "overlays": plan.overlays,
            "seed": plan.seed,
            "backend": plan.options.backend,
            "precision": plan.options.precision,
            "threads": plan.options.threads,
        },
        "networks": {
            entrant.label: None if entrant.weights is None else asdict(entrant.weights)
            for entrant in e.entrants
        },
        "patients_sha256": patients_digest(sorted({case.patient for case in e.cases})),
        "files": list(written),
        "machine": describe_machine(),
        "packages": package_versions(),
    }
