"""The CSV files of a judgement: a row a clip, and a row a beat."""

from __future__ import annotations

from dataclasses import fields

from lvef.evaluation.report import table_csv
from lvef.evaluation.synthetic.records import CUT, EDGE, INVENTED, MATCHED, MERGED, MISSED, BeatRecord
from lvef.evaluation.synthetic.run import Judgement

CLIP_COLUMNS = (
    *(
        "clip",
        "patient",
        "status",
        "reason_code",
        "rhythm",
        "view",
        "frame_rate_hz",
        "heart_rate_bpm",
        "n_frames",
    ),
    *("reference", "ef_percent", "ef_plane_percent", "ef_space_percent", "ef_representative_percent"),
    *("dice_ed", "dice_es", "volume_error_percent", "volume_mae_percent", "untraced"),
)
"""Fields of a clip's record that stand in ``clips.csv``; after them come errors, counts of beats, and the parameters."""

COUNTS = (MATCHED, MISSED, INVENTED, MERGED, CUT, EDGE)
"""What is counted of a clip's beats."""

BEAT_COLUMNS = tuple(field.name for field in fields(BeatRecord))
"""Columns of ``beats.csv``."""


def clips_csv(judgement: Judgement) -> str:
    """Every clip, those that could not be judged last, with the sentence in the column ``problem``."""
    names = sorted({name for record in judgement.records for name in record.parameters or {}})
    errors = ("ef_error_plane_points", "ef_error_space_points")
    header = [*CLIP_COLUMNS, *errors, *(f"beats_{c}" for c in COUNTS), "problem", *names]
    rows: list[list[object]] = [
        [
            *(getattr(record, column) for column in CLIP_COLUMNS),
            record.ef_percent - record.ef_plane_percent,
            record.ef_percent - record.ef_space_percent,
            *(record.count(became) for became in COUNTS),
            "",
            *((record.parameters or {}).get(name) for name in names),
        ]
        for record in judgement.records
    ]
    empty = len(header) - len(CLIP_COLUMNS) - len(names) - 1
    for problem in judgement.problems:
        before: list[object] = [problem.clip, *[None] * (len(CLIP_COLUMNS) - 1), *[None] * empty]
        rows.append([*before, problem.sentence, *[None] * len(names)])
    return table_csv(header, rows)


def beats_csv(judgement: Judgement) -> str:
    """Every true and every found beat, matched where they are the same."""
    return table_csv(
        BEAT_COLUMNS,
        (
            [getattr(beat, column) for column in BEAT_COLUMNS]
            for record in judgement.records
            for beat in record.beats
        ),
    )
