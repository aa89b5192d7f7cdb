"""Effect of geometry alone: EF of expert masks by several methods, against each other and against the dataset's own EF.

Run it as ``python -m studies.masks --data CAMUS``. No model is used, so all patients are included.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lvef.core.errors import GeometryError, run_main
from lvef.core.records import Tracing, aspect_of
from lvef.core.terms import Phase, View
from lvef.datasets.camus import CamusStill, read_split, read_stills
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import area_length, area_of_tracing, axis_length, biplane_ef, volume_of_tracing
from lvef.geometry.tracing import trace_labels
from lvef.stats.agreement import agreement

BACKWARD = frozenset({"patient0185", "patient0217"})
"""Patients whose cfg has ES before ED, with an EF that does not fit their stills; left out against the cfg EF."""

COMPARED = (
    ("A4C disks", "cfg"),
    ("A2C disks", "cfg"),
    ("biplane disks, A4C axis", "cfg"),
    ("A4C area-length", "A4C disks"),
    ("A4C disks", "biplane disks, A4C axis"),
    ("A2C disks", "biplane disks, A4C axis"),
    ("A4C disks", "A2C disks"),
)
"""Method and reference of each row."""


def ef_of_patient(stills: Sequence[CamusStill]) -> dict[str, float]:
    """EF in percent by every method that the stills of one patient allow.

    Raises:
        GeometryError: A mask cannot be traced.
    """
    traced: dict[tuple[View, Phase], Tracing] = {}
    spacing = {still.view: still.spacing for still in stills}
    for still in stills:
        aspect = aspect_of(still.spacing)
        traced[still.view, still.phase] = trace_labels(still.mask, aspect=aspect)
    found: dict[str, float] = {}
    for view in (View.A4C, View.A2C):
        if (view, Phase.ED) in traced and (view, Phase.ES) in traced:
            ed, es, scale = traced[view, Phase.ED], traced[view, Phase.ES], spacing[view]
            found[f"{view} disks"] = ejection_fraction(
                volume_of_tracing(ed, scale), volume_of_tracing(es, scale)
            )
            volumes = [area_length(area_of_tracing(t, scale), axis_length(t, scale)) for t in (ed, es)]
            found[f"{view} area-length"] = ejection_fraction(*volumes)
    if len(traced) == 4:
        four = [traced[View.A4C, phase] for phase in Phase]
        two = [traced[View.A2C, phase] for phase in Phase]
        result = biplane_ef(*four, *two, a4c_spacing=spacing[View.A4C], a2c_spacing=spacing[View.A2C])
        found["biplane disks, A4C axis"] = result.ef_percent
    if stills[0].cfg_ef_percent is not None and stills[0].patient not in BACKWARD:
        found["cfg"] = stills[0].cfg_ef_percent
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds database_nifti")
    args = parser.parse_args(argv)
    patients: dict[str, list[CamusStill]] = {}
    for split in ("training", "validation"):
        for still in read_stills(args.data, read_split(args.data, split)):
            patients.setdefault(still.patient, []).append(still)
    rows, failed = [], 0
    for stills in patients.values():
        try:
            rows.append(ef_of_patient(stills))
        except GeometryError:
            failed += 1
    print(f"{len(patients)} patients, {failed} with a mask that could not be traced")  # noqa: T201
    print("| compared | n | r | bias | sd | MAE |\n|---|---|---|---|---|---|")  # noqa: T201
    for method, reference in COMPARED:
        pairs = np.array(
            [(row[method], row[reference]) for row in rows if method in row and reference in row]
        )
        a = agreement(pairs[:, 0], pairs[:, 1])
        print(  # noqa: T201
            f"| {method} - {reference} | {a.n} | {a.pearson_r:.3f} | {a.bias:+.2f} | {a.sd:.2f} | {a.mae:.2f} |"
        )


if __name__ == "__main__":
    run_main(main)
