"""The catalogue has a sentence for every warning and refusal, and the measurement fills its placeholders."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from lvef.core.records import (
    Beat,
    CodedWarning,
    ImageQuality,
    Measurement,
    PixelSpacing,
    Provenance,
    SecondOpinion,
    VolumeCurve,
)
from lvef.core.terms import Status, View
from lvef.geometry.categories import AseCategory, HeartFailureRange, ReportClass
from lvef.geometry.simpson import biplane_ef
from lvef.measure import continuity
from lvef.measure.pair import acquisition_warnings
from lvef.transforms.continuity import Breaks
from lvef.webapp.warning_values import plain_text, values_of, warnings_of
from tests.house import SOURCE
from tests.measure.made_up import ellipse_tracing
from tests.webapp.coded import PACKAGES, refusal_codes, warning_codes

TEXTS = json.loads((SOURCE / "webapp" / "static" / "texts" / "en.json").read_text(encoding="utf-8"))


def flags(*numbers: int) -> np.ndarray:
    return np.isin(np.arange(40), numbers)


def free_texts() -> dict[str, str]:
    """Texts of the warnings whose numbers stand nowhere else, as the package writes them."""
    none = flags()
    backward = -flags(*range(20, 40)).astype(np.int8)
    found = Breaks(
        flags(3, 5, 6, 7),
        flags(0),
        ((3, 9),),
        ((9, 10), (20, 21)),
        flags(*range(20, 40)).astype(np.int8),
        0,
        39,
        none,
    )
    times = np.arange(40) * 0.08
    notices = [
        *continuity._warnings(found, times),
        *continuity._warnings(
            replace(found, blank=none, damaged=none, freezes=(), cuts=(), copies=backward), times
        ),
    ]
    one, other = ellipse_tracing((50, 50), (20, 40)), ellipse_tracing((50, 50), (20, 30))
    spacing = PixelSpacing(1.0, 1.0, "Pixel Spacing")
    biplane = biplane_ef(
        *(one, one, other, one),
        **{"a4c_spacing": spacing, "a2c_spacing": spacing, "a4c_cycle_s": 1.0, "a2c_cycle_s": 0.8},
    )
    four = Measurement("a", Status.OK, heart_rate_bpm=60.0, frame_rate_hz=50.0)
    two = Measurement("b", Status.OK, heart_rate_bpm=80.0, frame_rate_hz=20.5)
    notices += [*biplane.notices, *acquisition_warnings(four, two, ())]
    texts = {notice.code: notice.text for notice in notices}
    texts["view_changes"] = (
        "The view changes within the clip: A4C on frames 0 to 9, then A2C on frames 10 to 20. Cut it."
    )
    return texts


FREE = free_texts()
"""By code."""


def beat(start: int, es: int, end: int, ef: float, duration: float, excluded: str = "") -> Beat:
    return Beat(start, es, end, 100.0, 100.0 - ef, ef, duration, excluded)


def made_up() -> Measurement:
    """A measurement in which every field that a warning names is known."""
    n = 100
    return Measurement(
        "a.dcm",
        Status.OK,
        view=View.A4C,
        ef_percent=50.0,
        ed_frame=0,
        es_frame=10,
        beats=(
            beat(0, 10, 30, 45.0, 0.6),
            beat(30, 40, 70, 55.4, 0.8),
            beat(70, 80, 99, 30.0, 0.58, "premature"),
        ),
        heart_rate_bpm=85.7,
        n_frames=n,
        frame_rate_hz=50.0,
        duration_s=(n - 1) / 50,
        spacing=PixelSpacing(0.5, 0.3081, "manual: line of 100 mm"),
        provenance=Provenance("1", "made-up 1.0", "", "", "", "f32", "CPU", 0.1),
        ef_low_percent=41.6,
        ef_high_percent=58.2,
        quality=ImageQuality(0.5, {"wall_contact": 0.62, "odd_shapes": 0.2}),
        second_opinion=SecondOpinion("other 1.0", 38.0, -12.0),
        curve=VolumeCurve(np.arange(n) / 50, np.full(n, 100.0), np.linspace(100, 1, n), calibrated=True),
        tracings=(None,) * n,
    )


def sentences(node: object = TEXTS, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from sentences(value, f"{path}.{key}" if path else key)


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def test_every_warning_has_a_sentence_and_no_sentence_is_without_its_warning():
    assert set(TEXTS["warnings"]) == warning_codes()


@pytest.mark.parametrize("code", sorted(warning_codes()))
def test_the_measurement_fills_the_placeholders(code):
    text = TEXTS["warnings"][code]
    values = values_of(made_up(), CodedWarning(code, FREE.get(code, "")))
    assert placeholders(text) <= set(values)
    filled = text.format(**values)
    assert "{" not in filled and filled.endswith(".")


def test_every_refusal_has_what_was_found_why_and_what_to_do():
    assert refusal_codes() <= set(TEXTS["reasons"])
    for code, parts in TEXTS["reasons"].items():
        assert set(parts) == {"title", "text", "remedy"}, code
        assert all(parts.values()) and not placeholders(" ".join(parts.values())), code


def test_every_class_has_a_text():
    for table, keys in (
        ("heart_failure", HeartFailureRange),
        ("ase_2015", AseCategory),
        ("report", ReportClass),
    ):
        assert {str(key) for key in keys} <= set(TEXTS["classes"][table])


def test_no_text_of_the_catalogue_holds_an_option_or_code():
    wrong = [(path, text) for path, text in sentences() if "--" in text or "`" in text]
    assert not wrong


def test_numbers_come_from_the_fields():
    m = made_up()

    def values(code: str) -> dict:
        return values_of(m, CodedWarning(code, FREE.get(code, "")))

    assert values("irregular_rhythm")["sd_percent"] == round(
        100 * float(np.std([0.6, 0.8, 0.58], ddof=1) / np.mean([0.6, 0.8, 0.58]))
    )
    assert values("beats_disagree")["low_percent"] == 45
    assert values("beats_disagree")["high_percent"] == 55
    assert values("beats_excluded")["beats_excluded"] == 1
    assert values("frames_by_hand") == {"ed_frame": 1, "es_frame": 11}
    assert values("implausible_systole") == {"systole_ms": 200, "heart_rate": 86, "frame_rate": 50}
    assert values("implausible_shortening") == {"length_percent": 90}
    assert values("models_disagree") == {"other_percent": 38, "apart_points": 12}
    assert values("manual_scale") == {"mm_per_pixel": "0.308"}
    assert values("weak_walls") == {"wall_percent": 62}


def test_frames_of_a_text_count_from_one():
    def values(code: str) -> dict:
        return values_of(made_up(), CodedWarning(code, FREE[code]))

    assert values("cut") == {"frame": 10}
    assert values("freeze") == {"seconds": "0.48", "frame": 4}
    assert values("blank_frames") == {"where": "frames 4, 6 to 8"}
    assert values("damaged_frames") == {"where": "frame 1"}
    assert values("view_changes") == {"frame": 11}
    assert values("played_backward") == {"where": "frames 21 to 40"}
    assert values("axes_differ") == {"phase": "ED", "a4c": "64", "a2c": "48"}
    assert values("heart_rates_differ") == {"a4c": "60", "a2c": "80"}
    assert values("frame_rates_differ") == {"a4c": "50", "a2c": "20.5"}


def test_what_is_not_known_is_left_out():
    bare = Measurement("a.avi", Status.REFUSED)
    for code in warning_codes():
        assert None not in values_of(bare, CodedWarning(code, "")).values()


def test_a_warning_about_a_view_of_a_study_has_the_values_of_that_view():
    views = {"A4C": made_up(), "A2C": replace(made_up(), ed_frame=4, es_frame=8)}
    notices = (
        CodedWarning("frames_by_hand", "A2C: ED frame 4 and ES frame 8 were chosen by hand."),
        CodedWarning("single_beat", "A4C and A2C: The EF is based on one beat."),
        CodedWarning("patients_differ", "They differ."),
    )
    study = Measurement("a + b", Status.OK, single_plane={"A4C": 50.0, "A2C": 52.0}, notices=notices)
    assert warnings_of(study, views) == [
        {
            "code": "frames_by_hand",
            "values": {"ed_frame": 5, "es_frame": 9, "view": "A2C"},
            "text": "A2C: ED frame 5 and ES frame 9 were chosen by hand.",
        },
        {
            "code": "single_beat",
            "values": {"view": "A4C, A2C"},
            "text": "A4C and A2C: The EF is based on one beat.",
        },
        {"code": "patients_differ", "values": {}, "text": "They differ."},
    ]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (
            "a.avi: check the contours; choose ED and ES yourself (--ed-frame, --es-frame), or record the view again.",
            "A.avi: check the contours; choose ED and ES yourself, or record the view again.",
        ),
        (
            "Choose another clip; if this is an A4C, state it with --view A4C or --view A2C.",
            "Choose another clip; if this is an A4C, state it.",
        ),
        (
            "The folder out cannot be made (no room); choose another with --out.",
            "The folder out cannot be made (no room); choose another.",
        ),
        (
            "They differ: that of the file is used; --prefer-manual-scale takes the one given.",
            "They differ: that of the file is used.",
        ),
        ("An ED and an ES go together; give --ed-frame and --es-frame.", "An ED and an ES go together."),
        ("It took longer than 5 s. --max-seconds allows more.", "It took longer than 5 s."),
        ("No such model; choose another (`lvef info` lists them).", "No such model; choose another."),
        (
            "ES frame 12 was asked for; the clip has frames 0 to 9.",
            "ES frame 13 was asked for; the clip has frames 1 to 10.",
        ),
        (
            "The longest part was measured: frames 3 to 8 of 0 to 9.",
            "The longest part was measured: frames 4 to 9 of 1 to 10.",
        ),
        (
            "A ventricle was found on 3 of 40 frames of 25 Hz.",
            "A ventricle was found on 3 of 40 frames of 25 Hz.",
        ),
        (
            "The region (84,31)-(120,9) that carries the scale does not fit.",
            "The region that carries the scale does not fit.",
        ),
        ("The line (1,2)-(1.5,4) is 2 pixels long.", "The line is 2 pixels long."),
    ],
)
def test_plain_text_names_no_option_and_counts_frames_from_one(text, plain):
    assert plain_text(text) == plain


def messages() -> Iterator[str]:
    """The sentences of all errors and warnings of the measuring packages, values as 7."""
    for package in PACKAGES:
        for path in (SOURCE / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(v.value if isinstance(v, ast.Constant) else "7" for v in node.values)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def test_no_message_of_the_package_shows_an_option():
    found = [text for text in messages() if re.search(r"--[a-z]", text) and " " in text]
    assert len(found) > 10
    assert not [text for text in found if "--" in plain_text(text) and "__name__" not in text]
