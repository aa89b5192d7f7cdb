"""A single source has the type of a result, several have that of a list. `make check` reads this; nothing runs it."""

from collections.abc import Iterator
from pathlib import Path
from typing import assert_type

import numpy as np
import polars
import pydicom

import lvef
import lvef.measure.options
from lvef import EchoResult


def one(
    path: Path, frames: np.ndarray[tuple[int, int, int], np.dtype[np.uint8]], dataset: pydicom.Dataset
) -> None:
    assert_type(lvef.measure("clip.dcm"), EchoResult)
    assert_type(lvef.measure(path, view="A4C", raise_errors=False), EchoResult)
    assert_type(lvef.measure(frames, frame_rate_hz=50.0), EchoResult)
    assert_type(lvef.measure(dataset), EchoResult)
    assert_type(lvef.measure(lvef.read_clip(path)), EchoResult)
    assert_type(lvef.measure("clip.dcm").ef_percent, float | None)


def several(path: Path, paths: list[Path], lazy: Iterator[str]) -> None:
    assert_type(lvef.measure("a.dcm", path), list[EchoResult])
    assert_type(lvef.measure(["a.dcm", "b.avi"]), list[EchoResult])
    assert_type(lvef.measure(paths), list[EchoResult])
    assert_type(lvef.measure(lazy), list[EchoResult])
    assert_type(lvef.to_dataframe(lvef.measure(paths)), polars.DataFrame)


def wrong() -> None:
    lvef.measure()  # type: ignore[call-overload]
    lvef.measure(3)  # type: ignore[call-overload]
    lvef.measure(["a.dcm"], "b.dcm")  # type: ignore[call-overload]
