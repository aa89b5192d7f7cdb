"""Messages are one plain line whatever a file holds, and errors survive the way between processes."""

from __future__ import annotations

import errno
import pickle
import tomllib

import pytest

from lvef.core.errors import (
    MOST_LETTERS,
    DataError,
    LvefError,
    MissingExtraError,
    QualityRefusal,
    RemoteError,
    error_location,
    os_reason,
    panics_become,
)
from lvef.core.runner import reason_of
from lvef.core.serialization import parse_json, parse_toml


@pytest.mark.parametrize(
    ("quoted", "shown"),
    [
        ("a\nb", r"a\nb"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\u202egnp.", r"\u202egnp."),
        ("\udcff", r"\udcff"),
        ("ä", "ä"),
    ],
)
def test_a_message_is_one_plain_line(quoted, shown):
    assert str(DataError(f"list.csv: no column {quoted}.")) == f"list.csv: no column {shown}."


def test_a_message_has_an_end():
    message = str(LvefError(f"/folder/list.csv: {'a' * 10**6} found; export it again."))
    assert len(message) <= MOST_LETTERS
    assert message.startswith("/folder/list.csv: aaa")
    assert message.endswith("aaa found; export it again.")


def test_errors_are_the_same_in_another_process():
    refusal = pickle.loads(pickle.dumps(QualityRefusal("no_fan", "a.avi: no sector.")))
    assert (refusal.code, str(refusal)) == ("no_fan", "a.avi: no sector.")
    extra = pickle.loads(pickle.dumps(MissingExtraError("a.dcm: decoding JPEG-LS", "dicom")))
    assert (
        str(extra)
        == 'a.dcm: decoding JPEG-LS needs packages that are not installed: run pip install "lvef[dicom]".'
    )


def test_a_bug_in_another_process_keeps_its_place():
    error = pickle.loads(pickle.dumps(RemoteError("KeyError in avi.py, line 12")))
    assert error_location(error) == "KeyError in avi.py, line 12"
    assert "(KeyError in avi.py, line 12); please report it." in reason_of(error, "a.avi")


def test_a_panic_of_a_library_becomes_an_error():
    class PanicException(BaseException):
        """Named as that of Rust libraries."""

    with pytest.raises(DataError, match="is damaged"), panics_become(DataError("a.parquet is damaged.")):
        raise PanicException
    with pytest.raises(KeyboardInterrupt), panics_become(DataError("")):
        raise KeyboardInterrupt


def test_a_reason_never_reads_none():
    assert (
        os_reason(FileNotFoundError(errno.ENOENT, "No such file or directory")) == "no such file or directory"
    )
    assert os_reason(OSError("without a number")) == "oserror"


def test_deep_nesting_is_no_crash():
    with pytest.raises(ValueError, match="nested too deep"):
        parse_json("[" * 100_000)
    with pytest.raises(tomllib.TOMLDecodeError, match="nested too deep"):
        parse_toml("a = " + "[" * 100_000)
    with pytest.raises(tomllib.TOMLDecodeError, match="too many digits"):
        parse_toml("a = " + "1" * 5000)
    assert parse_json(b'{"a": 1}') == {"a": 1}
    assert parse_toml("a = 1") == {"a": 1}
