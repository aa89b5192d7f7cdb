"""What the cfg files of CAMUS tell of a patient, in both dialects: ``EF`` of the NIfTI release, ``LVef`` of the older."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lvef.core.terms import Sex
from lvef.datasets.camus import VIEW_CODES, VIEW_KEYS, read_cfg
from lvef.datasets.camus_folders import AGAIN, Patient
from lvef.datasets.findings import Findings, Severity
from lvef.datasets.schema import BY_NAME

EF_METHODS = {
    "LVef": "cfg LVef: biplane Simpson, each phase with its own length",
    "EF": "cfg EF: biplane disks, one disk height for both phases, about 8 points below Simpson",
}
"""Key of the cfg that holds the EF -> what it is; the first that is there counts."""

REVERSED = ("patient0185", "patient0217")
"""Patients of the NIfTI release whose cfg tells ES before ED. Source: the files."""

_PERSON = {"Age": "age_years", "LVedv": "edv_ml", "LVesv": "esv_ml"}


class Labels:
    """Reads the cfg files of patients and notes what is odd in them.

    Args:
        findings: Takes the notes.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def of_patient(self, patient: Patient, folder: Path) -> dict[str, Any]:
        """What the cfg files tell of all pictures of a patient, by the columns of a manifest.

        Args:
            patient: Whose folder it is.
            folder: Where it lies.
        """
        infos = {code: read_cfg(folder / f"Info_{code}.cfg") for code in VIEW_CODES.values()}
        told = [code for code, info in infos.items() if info]
        one = {
            k: v for info in infos.values() for k, v in info.items() if k not in (*VIEW_KEYS, "ImageQuality")
        }
        self._compare(patient, infos, told)
        key = next((k for k in EF_METHODS if k in one), None)
        ef = None if key is None else self.number(patient, one, key, "ef_percent")
        sex = one.get("Sex", "").upper()[:1]
        if sex not in {"", *Sex}:
            self._odd(patient, "Sex", one["Sex"])
        person = {column: self.number(patient, one, k, column) for k, column in _PERSON.items()}
        measured = ef is not None or person["edv_ml"] is not None
        if not patient.labelled:
            self._findings.add(
                "testing_without_labels",
                Severity.NOTE,
                "The testing patients of the older release come without EF and masks.",
                "",
                patient.name,
            )
        elif ef is None:
            self._add(
                "no_ef", "Patients have no EF.", "Nothing; they are skipped by what needs it.", patient.name
            )
        return {
            **person,
            "patient": patient.name,
            "ef_percent": ef,
            "ef_method": EF_METHODS[key] if key is not None and measured else None,
            "sex": sex if sex in set(Sex) else None,
            "split": patient.split,
            "split_name": patient.split_name,
            "told_by": f"{patient.folder}/Info_{told[0]}.cfg" if told else None,
        }

    def _compare(self, patient: Patient, infos: Mapping[str, dict[str, str]], told: list[str]) -> None:
        """Whether both cfg files are there and agree, and ED comes before ES."""
        self._add(
            "missing_cfg",
            "Info files are missing; frames and frame rate of their view are not known; the rest, quality too, is taken "
            "from the other view's.",
            AGAIN,
            [f"{patient.name}: Info_{code}.cfg" for code in infos if code not in told],
        )
        both = [infos[code] for code in told]
        if len(both) == 2:
            keys = [k for k in (*EF_METHODS, *_PERSON, "Sex") if both[0].get(k, "") != both[1].get(k, "")]
            self._add(
                "cfg_disagree",
                "The two Info files of patients disagree; that of A2C counts.",
                "Compare with the owners' table.",
                [f"{patient.name}: {k} {both[0].get(k)} and {both[1].get(k)}" for k in keys],
            )
        backwards = any(_value(info.get("ED", "")) > _value(info.get("ES", "")) for info in both)
        if backwards or (patient.suffix != ".mhd" and patient.name in REVERSED):
            self._add(
                "es_before_ed",
                "The cfg tells ES before ED: the half sequence runs backwards and the EF looks wrong; stills are right.",
                "Leave these patients out of what needs an EF.",
                patient.name,
            )

    def number(self, patient: Patient, info: Mapping[str, str], key: str, column: str) -> float | None:
        """A value that the schema allows, or None with a finding.

        Args:
            patient: Whose cfg it is.
            info: Keys and values of the cfg.
            key: Key of the value.
            column: Column of the manifest whose limits hold.
        """
        text = info.get(key)
        if text is None:
            return None
        value, rule = _value(text), BY_NAME[column]
        low = -math.inf if rule.low is None else rule.low
        high = math.inf if rule.high is None else rule.high
        if math.isfinite(value) and low <= value <= high and (rule.kind == "number" or value == int(value)):
            return value
        self._odd(patient, key, text)
        return None

    def _odd(self, patient: Patient, key: str, text: str) -> None:
        self._add(
            "odd_value",
            "Values of cfg files are not numbers, or numbers that cannot be; they stay empty.",
            "Compare with the owners' table.",
            f"{patient.name}: {key} {text}",
        )

    def _add(self, code: str, text: str, mend: str, names: str | list[str]) -> None:
        self._findings.add(code, Severity.WARNING, text, mend, names)


def _value(text: str) -> float:
    """The number that a text holds, or NaN."""
    try:
        return float(text)
    except ValueError:
        return math.nan
