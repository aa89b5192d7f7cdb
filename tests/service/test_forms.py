import asyncio
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from lvef.core.terms import Sex, View
from lvef.io.uploads import UploadStore
from lvef.measure.options import MeasureOptions
from lvef.service import forms, streams
from lvef.service.errors import ApiError
from lvef.service.forms import MAX_FIELD_BYTES, MAX_FIELDS, OPTIONS, Form, Upload, parse_form, receive_form
from lvef.service.settings import ServiceSettings

KIND = "multipart/form-data; boundary=xyz"


@pytest.fixture
def store(tmp_path):
    made = UploadStore(tmp_path)
    yield made
    made.close()


def part(name, data=b"", filename=None):
    file = "" if filename is None else f'; filename="{filename}"'
    return f'--xyz\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"


END = b"--xyz--\r\n"


def headers(kind, declared=None):
    return Headers({"content-type": kind} | ({"content-length": declared} if declared else {}))


def receive(store, body, *, piece=7, kind=KIND, declared=None, max_bytes=2**20, max_files=3):
    taken = []

    async def stream():
        for i in range(0, len(body), piece):
            taken.append(i)
            yield body[i : i + piece]

    async def run():
        return await receive_form(
            headers(kind, declared), stream(), store, max_bytes=max_bytes, max_files=max_files
        )

    return asyncio.run(run()), len(taken)


@pytest.mark.parametrize("piece", [1, 7, 10**6])
def test_files_and_fields(store, piece):
    data = bytes(range(256)) * 20
    body = part("files", data, "a.avi") + part("sex", b"F") + part("ed", b"", "../é.png") + END
    form, _ = receive(store, body, piece=piece)
    assert form.fields == {"sex": "F"}
    assert [(u.role, u.name) for u in form.uploads] == [("files", "a.avi"), ("ed", "é.png")]
    assert form.uploads[0].path.read_bytes() == data
    assert form.uploads[0].path.stat().st_mode & 0o777 == 0o600
    assert form.uploads[1].path.read_bytes() == b""
    form.discard()
    assert store.uploads() == []


def refused(store, body, **more):
    with pytest.raises(ApiError) as error:
        receive(store, body, **more)
    assert store.uploads() == []
    return error.value.status, error.value.code


def test_too_large_with_and_without_a_declared_length(store, monkeypatch):
    body = part("files", b"x" * 5000, "a.avi") + END
    assert refused(store, body, max_bytes=4000) == (413, "too_large")
    assert refused(store, body, max_bytes=4000, declared=str(len(body))) == (413, "too_large")


def test_nothing_is_written_beyond_the_limit(store, monkeypatch):
    sizes = []
    real = forms.drain

    async def look(stream):
        sizes.append(sum(p.stat().st_size for p in store.folder.iterdir()))
        await real(stream)

    monkeypatch.setattr(forms, "drain", look)
    monkeypatch.setattr(
        forms.Form, "discard", lambda self: sizes.append(sum(u.path.stat().st_size for u in self.uploads))
    )
    with pytest.raises(ApiError):
        receive(store, part("files", b"x" * 100_000, "a.avi") + END, piece=1000, max_bytes=20_000)
    assert sizes
    assert max(sizes) <= 20_000


def test_what_is_drained_is_limited(store, monkeypatch):
    monkeypatch.setattr(streams, "DRAIN_BYTES", 10_000)
    taken = []

    async def stream():
        while True:
            taken.append(1)
            yield b"x" * 1000

    with pytest.raises(ApiError):
        asyncio.run(receive_form(headers(KIND, "99999999"), stream(), store, max_bytes=10, max_files=1))
    assert len(taken) == 10


def test_other_limits(store):
    many = b"".join(part("files", b"x", f"{i}.avi") for i in range(4)) + END
    assert refused(store, many) == (413, "too_many_files")
    assert refused(store, part("sex", b"F" * (MAX_FIELD_BYTES + 1)) + END) == (413, "field_too_long")
    fields = b"".join(part(f"f{i}", b"x") for i in range(MAX_FIELDS + 1)) + END
    assert refused(store, fields) == (413, "too_many_fields")


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"{}", "application/json", (415, "not_multipart")),
        (b"", "", (415, "not_multipart")),
        (b"", "multipart/form-data", (415, "not_multipart")),
        (b"hello", KIND, (400, "bad_form")),
        (b"", KIND, (400, "bad_form")),
        (part("files", b"xxx", "a.avi"), KIND, (400, "bad_form")),
        (b"--xyz\r\nX: y\r\n\r\nz\r\n--xyz--\r\n", KIND, (422, "bad_form")),
    ],
)
def test_broken_forms(store, body, kind, expected):
    assert refused(store, body, kind=kind) == expected


def test_a_pause_that_is_too_long(store, monkeypatch):
    monkeypatch.setattr(streams, "STALL_LIMIT_S", 0.05)
    monkeypatch.setattr(streams, "DRAIN_LIMIT_S", 0.05)

    async def stream():
        yield part("files", b"xxx", "a.avi")
        await asyncio.sleep(5)
        yield END

    with pytest.raises(ApiError) as error:
        asyncio.run(receive_form(headers(KIND), stream(), store, max_bytes=10**6, max_files=1))
    assert error.value.status == 408
    assert store.uploads() == []


def test_an_upload_that_trickles(store, monkeypatch):
    monkeypatch.setattr(streams, "MAX_UPLOAD_S", 0.1)
    monkeypatch.setattr(streams, "DRAIN_LIMIT_S", 0.05)

    async def stream():
        yield part("files", b"xxx", "a.avi")
        while True:
            await asyncio.sleep(0.01)
            yield b"x"

    with pytest.raises(ApiError) as error:
        asyncio.run(receive_form(headers(KIND), stream(), store, max_bytes=10**6, max_files=1))
    assert error.value.status == 408
    assert store.uploads() == []


def test_a_client_that_goes_leaves_nothing(store):
    async def stream():
        yield part("files", b"xxx", "a.avi")
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        asyncio.run(receive_form(headers(KIND), stream(), store, max_bytes=10**6, max_files=1))
    assert store.uploads() == []


def test_a_full_disk(store, monkeypatch):
    def full(self, name):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(UploadStore, "new_path", full)
    assert refused(store, part("files", b"xxx", "a.avi") + END) == (507, "no_space")


SETTINGS = ServiceSettings(threads=1, precision="f32", max_frames=77)
MODELS = {"camus-seg", "other"}


def form(*roles, **fields):
    return Form([Upload(role, f"{role}.avi", Path(role)) for role in roles], fields)


def requests(*roles, **fields):
    return parse_form(form(*roles, **fields), SETTINGS, MODELS)


def test_each_file_is_a_request():
    found, wait = requests("files", "files")
    assert [request.input_kind for request in found] == ["clip", "clip"]
    assert wait == 0
    assert found[0].options == MeasureOptions(threads=1, precision="f32", max_frames=77)


def test_files_that_belong_together():
    for input_kind, (one, other) in {"pair": ("ed", "es"), "biplane": ("a4c", "a2c")}.items():
        (request,), _ = requests(other, one)
        assert request.input_kind == input_kind
        assert [upload.role for upload in request.uploads] == [one, other]
        assert request.source == f"{one}.avi + {other}.avi"


def test_all_settings():
    (request,), wait = requests(
        "files", weights="other", view="a4c", sex="f", height_cm="168", weight_kg="61.5", ed_frame="3", es_frame="9",
        frame_rate_hz="50", per_beat="true", wait="2.5", scale_line="1,2,3,104,50", prefer_manual_scale="true",
    )  # fmt: skip
    assert wait == 2.5
    expected = MeasureOptions(
        weights="other", view=View.A4C, sex=Sex.FEMALE, height_cm=168, weight_kg=61.5, ed_frame=3, es_frame=9,
        frame_rate_hz=50, per_beat=True, scale_line=(1, 2, 3, 104, 50), prefer_manual_scale=True,
        threads=1, precision="f32", max_frames=77,
    )  # fmt: skip
    assert request.options == expected
    assert OPTIONS.validate_json(OPTIONS.dump_json(expected)) == expected


def test_empty_fields_are_as_if_not_sent():
    (request,), _ = requests("files", view="", sex=" ", weights="", ed_frame="")
    assert request.options.view is View.UNKNOWN


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
        (("files",), {"colour": "x"}, "unknown"),
        (("files",), {"weights": "/etc/passwd"}, "no such model"),
        (("files",), {"weights": "../camus-seg"}, "no such model"),
        (("files",), {"view": "PLAX"}, "view: Input should be 'A4C', 'A2C' or 'unknown'"),
        (("files",), {"sex": "x"}, "sex: Input should be"),
        (("files",), {"ed_frame": "3"}, "go together"),
        (("files",), {"ed_frame": "-3", "es_frame": "1"}, "ed_frame: "),
        (("files",), {"ed_frame": "9" * 5000, "es_frame": "1"}, "ed_frame: "),
        (("files",), {"ed_frame": "²", "es_frame": "1"}, "ed_frame: "),
        (("ed", "es"), {"ed_frame": "3", "es_frame": "1"}, "choose frames of one clip"),
        (("files",), {"height_cm": "170"}, "go together"),
        (("files",), {"height_cm": "1.7", "weight_kg": "70"}, "Height"),
        (("files",), {"frame_rate_hz": "0"}, "greater than 0"),
        (("files",), {"frame_rate_hz": "nan"}, "finite number"),
        (("files",), {"frame_rate_hz": "inf"}, "finite number"),
        (("files",), {"frame_rate_hz": "fast"}, "valid number"),
        (("files",), {"per_beat": "maybe"}, "valid boolean"),
        (("files",), {"second_opinion": "../x"}, "auto or the name of an installed model"),
        (("files",), {"mm_per_px": "0"}, "greater than 0"),
        (("files",), {"mm_per_px": "50"}, "cannot be the scale of an echo image"),
        (("files",), {"mm_per_px": "0.3", "scale_line": "0,0,0,90,50"}, "not both"),
        (("files",), {"scale_line": "1,2,3"}, "five numbers"),
        (("files",), {"scale_line": "0,0,0,5,50"}, "at least 20"),
        (("files",), {"a2c_mm_per_px": "0.3"}, "belong to a biplane study"),
        (("files",), {"wait": "-1"}, "wait: Input should be"),
        (("files",), {"wait": "1e9"}, "wait: Input should be"),
    ],
)
def test_what_does_not_go_together(roles, fields, words):
    with pytest.raises(ApiError, match=words) as error:
        requests(*roles, **fields)
    assert error.value.status == 422
    assert not any(value in error.value.message for value in fields.values() if len(value) > 3)
