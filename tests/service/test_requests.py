from pathlib import Path

import pytest

from lvef.core.terms import Sex, View
from lvef.measure.options import MeasureOptions
from lvef.service.errors import ApiError
from lvef.service.multipart import Form, Upload
from lvef.service.requests import options_from_dict, options_to_dict, parse_form
from lvef.service.settings import ServiceSettings

SETTINGS = ServiceSettings(threads=1, precision="f32", max_frames=77)
NETWORKS = {"camus-seg", "other"}


def form(*roles, **fields):
    return Form([Upload(role, f"{role}.avi", Path(role)) for role in roles], fields)


def orders(*roles, **fields):
    return parse_form(form(*roles, **fields), SETTINGS, NETWORKS)


def test_each_file_is_an_order():
    found, wait = orders("files", "files")
    assert [order.shape for order in found] == ["clip", "clip"]
    assert wait == 0
    assert found[0].options == MeasureOptions(threads=1, precision="f32", max_frames=77)


def test_files_that_belong_together():
    for shape, (one, other) in {"pair": ("ed", "es"), "biplane": ("a4c", "a2c")}.items():
        (order,), _ = orders(other, one)
        assert order.shape == shape
        assert [upload.role for upload in order.uploads] == [one, other]
        assert order.source == f"{one}.avi + {other}.avi"


def test_all_settings():
    (order,), wait = orders(
        "files", weights="other", view="a4c", sex="f", height_cm="168", weight_kg="61.5", ed_frame="3", es_frame="9",
        frame_rate_hz="50", per_beat="true", wait="2.5",
    )  # fmt: skip
    assert wait == 2.5
    expected = MeasureOptions(
        weights="other", view=View.A4C, sex=Sex.FEMALE, height_cm=168, weight_kg=61.5, ed_frame=3, es_frame=9,
        frame_rate_hz=50, per_beat=True, threads=1, precision="f32", max_frames=77,
    )  # fmt: skip
    assert order.options == expected
    assert options_from_dict(options_to_dict(expected)) == expected


def test_empty_fields_are_as_if_not_sent():
    (order,), _ = orders("files", view="", sex=" ", weights="", ed_frame="")
    assert order.options.view is View.UNKNOWN


@pytest.mark.parametrize(
    ("roles", "fields", "words"),
    [
        ((), {}, "There is no file"),
        (("ed",), {}, "ed and es go together"),
        (("a2c",), {}, "a4c and a2c go together"),
        (("ed", "ed", "es"), {}, "one file each"),
        (("files", "ed"), {}, "Send either"),
        (("ed", "es", "a4c", "a2c"), {}, "Send either"),
        (("clip",), {}, "Send either"),
        (("files",), {"colour": "x"}, "not known"),
        (("files",), {"weights": "/etc/passwd"}, "no such network"),
        (("files",), {"weights": "../camus-seg"}, "no such network"),
        (("files",), {"view": "PLAX"}, "view must be one of"),
        (("files",), {"sex": "x"}, "sex must be one of"),
        (("files",), {"ed_frame": "3"}, "go together"),
        (("files",), {"ed_frame": "-3", "es_frame": "1"}, "whole number"),
        (("files",), {"ed_frame": "9" * 5000, "es_frame": "1"}, "whole number"),
        (("files",), {"ed_frame": "²", "es_frame": "1"}, "whole number"),
        (("ed", "es"), {"ed_frame": "3", "es_frame": "1"}, "choose frames of one clip"),
        (("files",), {"height_cm": "170"}, "go together"),
        (("files",), {"height_cm": "1.7", "weight_kg": "70"}, "Height"),
        (("files",), {"frame_rate_hz": "0"}, "above 0"),
        (("files",), {"frame_rate_hz": "nan"}, "must be a number"),
        (("files",), {"frame_rate_hz": "inf"}, "must be a number"),
        (("files",), {"frame_rate_hz": "fast"}, "must be a number"),
        (("files",), {"per_beat": "maybe"}, "true or false"),
        (("files",), {"wait": "-1"}, "wait must be"),
        (("files",), {"wait": "1e9"}, "wait must be"),
    ],
)
def test_what_does_not_go_together(roles, fields, words):
    with pytest.raises(ApiError, match=words) as error:
        orders(*roles, **fields)
    assert error.value.status == 422
    assert not any(value in error.value.message for value in fields.values() if len(value) > 3)
