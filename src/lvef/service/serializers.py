"""Measurements and clips as bytes and back: what is needed to correct and draw a result later.

No pickle. A measurement is its JSON plus arrays; a clip is its frames, as differences from frame to frame, which compress to
about a third.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from lvef.core.errors import DataError
from lvef.core.records import Clip, FrameArray, Measurement, Tracing, VolumeCurve, geometry_of
from lvef.core.serialization import parse_json, to_json
from lvef.measure.results import Result
from lvef.measure.serializers import MEASUREMENT_NAME, measurement_from_values, measurement_to_dict

STATE_NAME = "state.npz"
"""Arrays of a measurement that its JSON does not hold; never sent to clients."""

PARTS = ("A4C", "A2C")
"""Parts of a study."""

_LEVEL = 1
_CHUNK = 2**16
_TRACING = tuple(f.name for f in fields(Tracing))


def serialize_measurement(measurement: Measurement, names: Mapping[str, str]) -> dict[str, bytes]:
    """A measurement as files: its JSON, and the arrays beside it.

    Args:
        measurement: Any.
        names: Client's name of each path that it contains.
    """
    document = _replace_paths(measurement_to_dict(measurement), names)
    return {MEASUREMENT_NAME: to_json(document).encode(), STATE_NAME: _serialize_arrays(measurement)}


def deserialize_measurement(files: Mapping[str, bytes], prefix: str = "") -> Measurement:
    """A measurement from its files."""
    values = parse_json(files[prefix + MEASUREMENT_NAME])
    measurement = measurement_from_values(values, MEASUREMENT_NAME)
    with np.load(io.BytesIO(files[prefix + STATE_NAME]), allow_pickle=False) as file:
        # Each access reads the array anew.
        state = {name: file[name] for name in file.files}
    if "times_s" not in state:
        return measurement
    curve = VolumeCurve(state["times_s"], state["volume"], state["length"], bool(state["calibrated"]))
    tracings: list[Tracing | None] = [None] * int(state["n_tracings"])
    ends = np.cumsum(state["contour_sizes"])
    for place, frame in enumerate(state["frames"].tolist()):
        contour = state["contour"][ends[place] - state["contour_sizes"][place] : ends[place]]
        others = {name: state[name][place] for name in _TRACING if name != "contour"}
        tracings[frame] = Tracing(contour=contour, **others)
    return replace(measurement, curve=curve, tracings=tuple(tracings))


def serialize_clip(clip: Clip, names: Mapping[str, str]) -> bytes:
    """A clip as bytes: frames, times, scale. Nothing else of its file is kept."""
    frames = clip.frames
    steps: FrameArray = np.empty_like(frames)
    steps[:1] = frames[:1]
    # Modulo 256, so that nothing is lost.
    np.subtract(frames[1:], frames[:-1], out=steps[1:])
    spacing = clip.spacing
    head = {
        "shape": frames.shape,
        "times_s": clip.times_s.tolist(),
        "timing": clip.timing,
        "source": _replace_paths(clip.source, names),
        "spacing": None if spacing is None else asdict(spacing),
        "spacing_note": _replace_paths(clip.spacing_note, names),
    }
    text = json.dumps(head).encode()
    return len(text).to_bytes(4, "little") + text + zlib.compress(np.ascontiguousarray(steps).data, _LEVEL)


def deserialize_clip(data: bytes) -> Clip:
    """A clip from its bytes."""
    size = int.from_bytes(data[:4], "little")
    head = json.loads(data[4 : 4 + size])
    frames = _decompress(memoryview(data)[4 + size :], tuple(head["shape"]))
    for before, frame in pairwise(frames):
        frame += before
    spacing = head["spacing"]
    if isinstance(spacing, list):  # as version 0.1.0 packed it
        spacing = dict(zip(("x_mm", "y_mm", "source"), spacing, strict=True))
    return Clip(
        frames=frames,
        times_s=np.asarray(head["times_s"], np.float64),
        timing=head["timing"],
        source=head["source"],
        spacing=geometry_of(spacing),
        spacing_note=head["spacing_note"],
    )


@lru_cache(maxsize=1)
def recent_clip(data: bytes) -> Clip:
    """As `deserialize_clip`; the last clip is kept, because one click on a clip follows another. Not to be written to."""
    return deserialize_clip(data)


def _decompress(data: memoryview, shape: tuple[int, ...]) -> FrameArray:
    """Bytes as an array, with no second copy of it in memory."""
    frames: FrameArray = np.empty(shape, np.uint8)
    flat, at, unpacker = frames.reshape(-1), 0, zlib.decompressobj()
    for start in range(0, len(data), _CHUNK):
        chunk = np.frombuffer(unpacker.decompress(data[start : start + _CHUNK]), np.uint8)
        flat[at : at + len(chunk)] = chunk[: len(flat) - at]
        at += len(chunk)
    if at != len(flat):
        raise DataError("A clip that was kept is damaged; measure the file again.")
    return frames


def deserialize_result(files: Mapping[str, bytes], clips: Mapping[str, bytes]) -> Result:
    """A result with its clips and parts, as far as these are kept."""

    def clip(part: str) -> Clip | None:
        return deserialize_clip(clips[part]) if part in clips else None

    parts = {
        part: (deserialize_measurement(files, f"{part}/"), clip(part))
        for part in PARTS
        if f"{part}/{MEASUREMENT_NAME}" in files
    }
    return Result(deserialize_measurement(files), clip(""), parts)


def _serialize_arrays(measurement: Measurement) -> bytes:
    arrays: dict[str, Any] = {}
    curve = measurement.curve
    if curve is not None:
        kept = [(frame, tracing) for frame, tracing in enumerate(measurement.tracings) if tracing is not None]
        arrays = {
            "times_s": curve.times_s,
            "volume": curve.volume,
            "length": curve.length,
            "calibrated": np.array(curve.calibrated),
            "n_tracings": np.array(len(measurement.tracings)),
            "frames": np.array([frame for frame, _ in kept], np.int64),
            "contour_sizes": np.array([len(tracing.contour) for _, tracing in kept], np.int64),
            "contour": np.concatenate([tracing.contour for _, tracing in kept] or [np.empty((0, 2))]),
        }
        for name in _TRACING:
            if name != "contour":
                arrays[name] = np.array([getattr(tracing, name) for _, tracing in kept])
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def _replace_paths(value: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401
    """Plain values with the paths in their texts replaced by the client's names."""
    if isinstance(value, str):
        for path, name in names.items():
            value = value.replace(path, name)
        return value
    if isinstance(value, dict):
        return {key: _replace_paths(inner, names) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_paths(inner, names) for inner in value]
    return value
