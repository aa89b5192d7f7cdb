import asyncio

import pytest

from lvef.service import multipart as module
from lvef.service.errors import ApiError
from lvef.service.multipart import MAX_FIELD_BYTES, MAX_FIELDS, receive_form
from lvef.service.upload_store import UploadStore

KIND = "multipart/form-data; boundary=xyz"


@pytest.fixture
def upload_store(tmp_path):
    made = UploadStore(tmp_path / "data")
    yield made
    made.close()


def part(name, data=b"", filename=None):
    file = "" if filename is None else f'; filename="{filename}"'
    return f'--xyz\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"


END = b"--xyz--\r\n"


def receive(upload_store, body, *, piece=7, kind=KIND, declared=None, max_bytes=2**20, max_files=3):
    taken = []

    async def stream():
        for i in range(0, len(body), piece):
            taken.append(i)
            yield body[i : i + piece]

    async def run():
        return await receive_form(
            kind, declared, stream(), upload_store, max_bytes=max_bytes, max_files=max_files
        )

    return asyncio.run(run()), len(taken)


@pytest.mark.parametrize("piece", [1, 7, 10**6])
def test_files_and_fields(upload_store, piece):
    data = bytes(range(256)) * 20
    body = part("files", data, "a.avi") + part("sex", b"F") + part("ed", b"", "../é.png") + END
    form, _ = receive(upload_store, body, piece=piece)
    assert form.fields == {"sex": "F"}
    assert [(u.role, u.name) for u in form.uploads] == [("files", "a.avi"), ("ed", "é.png")]
    assert form.uploads[0].path.read_bytes() == data
    assert form.uploads[0].path.stat().st_mode & 0o777 == 0o600
    assert form.uploads[1].path.read_bytes() == b""
    form.discard()
    assert upload_store.uploads() == []


def refused(upload_store, body, **more):
    with pytest.raises(ApiError) as error:
        receive(upload_store, body, **more)
    assert upload_store.uploads() == []
    return error.value.status, error.value.code


def test_too_large_with_and_without_a_declared_length(upload_store, monkeypatch):
    body = part("files", b"x" * 5000, "a.avi") + END
    assert refused(upload_store, body, max_bytes=4000) == (413, "too_large")
    assert refused(upload_store, body, max_bytes=4000, declared=str(len(body))) == (413, "too_large")


def test_nothing_is_written_beyond_the_limit(upload_store, monkeypatch):
    sizes = []
    real = module._drain

    async def look(stream):
        sizes.append(sum(p.stat().st_size for p in upload_store.folder.iterdir()))
        await real(stream)

    monkeypatch.setattr(module, "_drain", look)
    monkeypatch.setattr(
        module.Form, "discard", lambda self: sizes.append(sum(u.path.stat().st_size for u in self.uploads))
    )
    with pytest.raises(ApiError):
        receive(upload_store, part("files", b"x" * 100_000, "a.avi") + END, piece=1000, max_bytes=20_000)
    assert sizes
    assert max(sizes) <= 20_000


def test_what_is_drained_is_limited(upload_store, monkeypatch):
    monkeypatch.setattr(module, "DRAIN_BYTES", 10_000)
    taken = []

    async def stream():
        while True:
            taken.append(1)
            yield b"x" * 1000

    with pytest.raises(ApiError):
        asyncio.run(receive_form(KIND, "99999999", stream(), upload_store, max_bytes=10, max_files=1))
    assert len(taken) == 10


def test_other_limits(upload_store):
    many = b"".join(part("files", b"x", f"{i}.avi") for i in range(4)) + END
    assert refused(upload_store, many) == (413, "too_many_files")
    assert refused(upload_store, part("sex", b"F" * (MAX_FIELD_BYTES + 1)) + END) == (413, "field_too_long")
    fields = b"".join(part(f"f{i}", b"x") for i in range(MAX_FIELDS + 1)) + END
    assert refused(upload_store, fields) == (413, "too_many_fields")


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
def test_broken_forms(upload_store, body, kind, expected):
    assert refused(upload_store, body, kind=kind) == expected


def test_a_pause_that_is_too_long(upload_store, monkeypatch):
    monkeypatch.setattr(module, "STALL_LIMIT_S", 0.05)
    monkeypatch.setattr(module, "DRAIN_LIMIT_S", 0.05)

    async def stream():
        yield part("files", b"xxx", "a.avi")
        await asyncio.sleep(5)
        yield END

    with pytest.raises(ApiError) as error:
        asyncio.run(receive_form(KIND, None, stream(), upload_store, max_bytes=10**6, max_files=1))
    assert error.value.status == 408
    assert upload_store.uploads() == []


def test_an_upload_that_trickles(upload_store, monkeypatch):
    monkeypatch.setattr(module, "MAX_UPLOAD_S", 0.1)
    monkeypatch.setattr(module, "DRAIN_LIMIT_S", 0.05)

    async def stream():
        yield part("files", b"xxx", "a.avi")
        while True:
            await asyncio.sleep(0.01)
            yield b"x"

    with pytest.raises(ApiError) as error:
        asyncio.run(receive_form(KIND, None, stream(), upload_store, max_bytes=10**6, max_files=1))
    assert error.value.status == 408
    assert upload_store.uploads() == []


def test_a_client_that_goes_leaves_nothing(upload_store):
    async def stream():
        yield part("files", b"xxx", "a.avi")
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        asyncio.run(receive_form(KIND, None, stream(), upload_store, max_bytes=10**6, max_files=1))
    assert upload_store.uploads() == []


def test_a_full_disk(upload_store, monkeypatch):
    def full(self, name):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(UploadStore, "new_path", full)
    assert refused(upload_store, part("files", b"xxx", "a.avi") + END) == (507, "no_space")
