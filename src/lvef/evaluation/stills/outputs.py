"""The files of an evaluation: which there are, and writing them into a folder; and the figures of a card."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lvef
from lvef.core.config import to_mapping
from lvef.core.serialization import to_json
from lvef.evaluation.output import last_name, make_folder, write_all
from lvef.evaluation.results import patients_digest
from lvef.evaluation.stills.evaluation import Evaluation
from lvef.evaluation.stills.models import Plan
from lvef.evaluation.stills.page import report_html
from lvef.evaluation.stills.pictures import (
    dice_pictures,
    ef_pictures,
    paired_pictures,
    robustness_pictures,
    worst_pictures,
)
from lvef.evaluation.stills.summary import to_summary
from lvef.evaluation.stills.tables import cases_csv, ef_csv, figures_csv, paired_csv, robustness_csv
from lvef.inference.card import CARD_NAME, Figure
from lvef.io.atomic import write_text_atomic
from lvef.measure.environment import describe_machine, package_versions

SUMMARY_NAME, PAGE_NAME = "summary.json", "index.html"
"""The figures, and the page."""

RUN_SCHEMA = "lvef-evaluation-run/1"
"""Version of the layout of ``run.json``."""


def write_evaluation(folder: Path, evaluation: Evaluation, plan: Plan) -> list[str]:
    """Write everything about an evaluation. Files of an earlier one that this one does not have are removed.

    Args:
        folder: Made when it is missing.
        evaluation: What was found.
        plan: What was asked for, for ``run.json``.

    Returns:
        Names of the files written.

    Raises:
        DataError: The folder cannot be made or a file cannot be written.
    """
    make_folder(folder)
    texts = {
        SUMMARY_NAME: to_json(to_summary(evaluation)),
        "figures.csv": figures_csv(evaluation),
        "cases.csv": cases_csv(evaluation),
        "ef.csv": ef_csv(evaluation),
    }
    if any(evaluation.costs.values()):
        texts["robustness.csv"] = robustness_csv(evaluation)
    if evaluation.paired:
        texts["paired.csv"] = paired_csv(evaluation)
    pictures = (
        ef_pictures(evaluation)
        | dice_pictures(evaluation)
        | robustness_pictures(evaluation)
        | paired_pictures(evaluation)
        | worst_pictures(evaluation)
    )
    texts[PAGE_NAME] = report_html(evaluation, pictures)
    return write_all(
        folder, RUN_SCHEMA, texts, pictures, lambda written: _run_record(evaluation, plan, written)
    )


def write_card_figures(folder: Path, figures: Sequence[Figure]) -> None:
    """Put figures into the card of a network folder, in place of those that are there.

    Raises:
        DataError: The card cannot be written.
    """
    path = folder / CARD_NAME
    card = json.loads(path.read_text(encoding="utf-8"))
    card["figures"] = [to_mapping(figure) for figure in figures]
    write_text_atomic(path, json.dumps(card, indent=2) + "\n")


def _run_record(evaluation: Evaluation, plan: Plan, written: Sequence[str]) -> dict[str, Any]:
    options = plan.options
    return {
        "schema": RUN_SCHEMA,
        "lvef_version": lvef.__version__,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(evaluation.seconds, 3),
        "settings": {
            "data": last_name(plan.data),
            "split": None if plan.patients or plan.runs else plan.split,
            "patients": last_name(plan.patients) if plan.patients else None,
            "weights": [] if plan.runs else [last_name(Path(name)) for name in plan.weights],
            "runs": [last_name(run) for run in plan.runs],
            "robustness": plan.robustness,
            "seed": plan.seed,
            "backend": options.backend,
            "precision": options.precision,
            "threads": options.threads,
        },
        "networks": {
            judged.label: [asdict(weights) for weights in judged.weights] for judged in evaluation.networks
        },
        "patients_sha256": {judged.label: patients_digest(judged.patients) for judged in evaluation.networks},
        "files": list(written),
        "machine": describe_machine(),
        "packages": package_versions(),
    }
