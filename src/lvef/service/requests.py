"""From a form to what is to be measured: which files belong together, and with which settings."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lvef.core.errors import GeometryError
from lvef.core.terms import Sex, View
from lvef.geometry.ejection import body_surface_area
from lvef.measure.options import MeasureOptions
from lvef.service.errors import ApiError
from lvef.service.multipart import Form, Upload
from lvef.service.settings import ServiceSettings

FILES = "files"
"""Form field of clips."""

FILE_PAIRS = {"pair": ("ed", "es"), "biplane": ("a4c", "a2c")}
"""Form fields of files that give one answer together."""

WAIT = "wait"
"""Form field with the seconds to wait for the answer."""

MAX_WAIT_S = 600.0
"""Longest wait."""

MAX_FRAME = 2**31
"""Frames and rates beyond this are a mistake."""

OPTIONS: dict[str, type] = {
    "weights": str,
    "view": View,
    "sex": Sex,
    "height_cm": float,
    "weight_kg": float,
    "ed_frame": int,
    "es_frame": int,
    "frame_rate_hz": float,
    "per_beat": bool,
}
"""Form fields that are settings of the measurement, by the names of `MeasureOptions`."""


@dataclass(frozen=True, slots=True)
class MeasureRequest:
    """One thing to measure.

    Attributes:
        shape: ``clip``, ``pair`` or ``biplane``.
        uploads: Its file or files, in order.
        options: Settings.
    """

    shape: str
    uploads: tuple[Upload, ...]
    options: MeasureOptions

    @property
    def source(self) -> str:
        """The files as shown."""
        return " + ".join(upload.name for upload in self.uploads)


def parse_form(
    form: Form, settings: ServiceSettings, networks: Collection[str]
) -> tuple[list[MeasureRequest], float]:
    """What a form asks for.

    Args:
        form: As received.
        settings: Of this service.
        networks: Names of the installed networks.

    Returns:
        The orders, and the seconds that the client waits.

    Raises:
        Refusal: Fields that are not known or do not go together.
    """
    unknown = sorted(form.fields.keys() - OPTIONS.keys() - {WAIT})
    if unknown:
        raise _bad_request(
            f"A form field is not known; known are {', '.join([*OPTIONS, WAIT])}, and the files in {FILES}, ed and es, "
            "or a4c and a2c."
        )
    options = parse_options(form.fields, settings, networks)
    roles = [upload.role for upload in form.uploads]
    if not roles:
        raise _bad_request("There is no file: send one or several as files, or ed with es, or a4c with a2c.")
    if set(roles) == {FILES}:
        requests = [MeasureRequest("clip", (upload,), options) for upload in form.uploads]
    else:
        requests = [_join_files(form, sorted(roles), options)]
    if options.ed_frame is not None and requests[0].shape != "clip":
        raise _bad_request(
            "ed_frame and es_frame choose frames of one clip; a pair or a biplane study has none."
        )
    return requests, _parse_number(form.fields, WAIT, low=0.0, high=MAX_WAIT_S) or 0.0


def parse_options(
    values: Mapping[str, str], settings: ServiceSettings, networks: Collection[str]
) -> MeasureOptions:
    """Settings of a measurement from form fields.

    Raises:
        Refusal: A value that cannot be.
    """
    given: dict[str, Any] = {}
    for name, kind in OPTIONS.items():
        text = values.get(name, "").strip()
        if not text:
            continue
        if kind is float:
            given[name] = _parse_number(values, name, low=0.0, high=float(MAX_FRAME), above=True)
        elif kind is int:
            given[name] = _parse_int(text, name)
        elif kind is bool:
            given[name] = _parse_bool(text, name)
        elif issubclass(kind, StrEnum):
            given[name] = _parse_enum(text, name, kind)
        else:
            given[name] = text
    # Only by name: a path would let a client load any file of this machine.
    if given.get("weights", settings.weights) not in networks:
        raise _bad_request(
            f"There is no such network; weights is one of {', '.join(sorted(networks)) or 'none'}."
        )
    for one, other in (("ed_frame", "es_frame"), ("height_cm", "weight_kg")):
        if (one in given) != (other in given):
            raise _bad_request(f"{one} and {other} go together: give both.")
    if "height_cm" in given:
        try:
            body_surface_area(given["height_cm"], given["weight_kg"])
        except GeometryError as error:
            raise _bad_request(str(error)) from None
    base = MeasureOptions(
        weights=settings.weights,
        precision=settings.precision,
        threads=settings.n_threads,
        max_frames=settings.max_frames,
    )
    return dataclasses.replace(base, **given)


def options_to_dict(options: MeasureOptions) -> dict[str, Any]:
    """Settings as plain values."""
    return dataclasses.asdict(options)


def options_from_dict(values: Mapping[str, Any]) -> MeasureOptions:
    """Settings back from plain values."""
    sex = values["sex"]
    return MeasureOptions(
        **{**values, "view": View(values["view"]), "sex": None if sex is None else Sex(sex)}
    )


def _join_files(form: Form, roles: list[str], options: MeasureOptions) -> MeasureRequest:
    for shape, names in FILE_PAIRS.items():
        if roles == sorted(names):
            by_role = {upload.role: upload for upload in form.uploads}
            return MeasureRequest(shape, tuple(by_role[name] for name in names), options)
        if set(roles) == set(names):
            raise _bad_request(f"{names[0]} and {names[1]} are one file each.")
        if set(roles) < set(names):
            raise _bad_request(f"{names[0]} and {names[1]} go together: send both.")
    raise _bad_request(
        "Send either files, or a pair (ed, es), or a biplane study (a4c, a2c), and no other files."
    )


def _parse_number(
    values: Mapping[str, str], name: str, *, low: float, high: float, above: bool = False
) -> float | None:
    text = values.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high or (above and value == low):
        raise _bad_request(
            f"{name} must be a number {'above' if above else 'from'} {low:g}, at most {high:g}."
        )
    return value


def _parse_int(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 10 or int(text) >= MAX_FRAME:
        raise _bad_request(f"{name} must be a whole number from 0.")
    return int(text)


def _parse_bool(text: str, name: str) -> bool:
    answers = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in answers:
        raise _bad_request(f"{name} must be true or false.")
    return answers[text.lower()]


def _parse_enum(text: str, name: str, kind: type[StrEnum]) -> StrEnum:
    by_word = {member.value.lower(): member for member in kind}
    if text.lower() not in by_word:
        raise _bad_request(f"{name} must be one of {', '.join(member.value for member in kind)}.")
    return by_word[text.lower()]


def _bad_request(message: str) -> ApiError:
    return ApiError(422, "bad_request", message)
