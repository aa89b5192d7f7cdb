"""The Python API: files, arrays and DICOM datasets in, results out. The same pipeline as ``lvef measure``."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard, overload

import numpy as np

from lvef.core.errors import ConfigError, DataError, LvefError
from lvef.core.fields import FIELDS, Field
from lvef.core.records import Beat, Clip, CodedWarning, Measurement, Tracing, VolumeCurve
from lvef.core.terms import GIVEN_VIEWS, Sex, Status
from lvef.core.wording import ef_interval_text, reason_text
from lvef.io.arrays import clip_of_array
from lvef.io.isolation import find_clips, open_clip
from lvef.io.open import find_inputs
from lvef.io.timing import with_frame_rate
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.measure.results import Outputs, Result, failed_measurement
from lvef.measure.serializers import measurement_json, measurement_to_dict

if TYPE_CHECKING:
    import matplotlib.figure
    import polars
    import pydicom

Source: TypeAlias = "str | PathLike[str] | Clip | np.ndarray[Any, Any] | pydicom.Dataset"
"""What can be measured: a path, a `lvef.core.records.Clip`, an array of frames, or a ``pydicom.Dataset``."""

KEPT_MODELS = 4
"""Models that stay loaded."""

ARRAY_NAME, DATASET_NAME = "array", "DICOM dataset"
"""Name of the source of a result that comes from no file."""

OTHER_NUMBERS = {
    "beats": int,
    "beats_excluded": int,
    "quality": float,
    "second_opinion": float,
    "seconds": float,
}
"""Columns of numbers that have no JSON schema of their own."""


@dataclass(frozen=True, slots=True, repr=False)
class EchoResult:
    """What was measured on a clip, a pair of stills or a study, with its clip.

    Attributes:
        measurement: All values; see ``docs/reference/measurement-schema.md``.
        clip: The clip, or None where it could not be read and of a study.
        views: Of a study the results of its views, by ``"A4C"`` and ``"A2C"``.
    """

    measurement: Measurement
    clip: Clip | None
    views: dict[str, EchoResult] = dataclasses.field(default_factory=dict)

    @property
    def source(self) -> str:
        """Name of the file as it was given."""
        return self.measurement.source

    @property
    def status(self) -> str:
        """``ok``, ``partial_cycle`` (no complete beat), ``refused`` or ``failed``."""
        return self.measurement.status.value

    @property
    def reason(self) -> str:
        """Why there is no EF, in one sentence; empty where there is one."""
        return reason_text(self.measurement)

    @property
    def ef_percent(self) -> float | None:
        """Ejection fraction, 0-100; None without one."""
        return self.measurement.ef_percent

    @property
    def interval_percent(self) -> tuple[float, float] | None:
        """Lower and upper end of the 90 % prediction interval of the EF; None without one."""
        low, high = self.measurement.ef_low_percent, self.measurement.ef_high_percent
        return None if low is None or high is None else (low, high)

    @property
    def decision(self) -> str:
        """``accepted``, ``caution`` or ``refused``; empty where no decision was made."""
        return self.measurement.decision

    @property
    def edv_ml(self) -> float | None:
        """End-diastolic volume in ml; None where the file has no scale."""
        return self.measurement.edv_ml

    @property
    def esv_ml(self) -> float | None:
        """End-systolic volume in ml; None where the file has no scale."""
        return self.measurement.esv_ml

    @property
    def heart_rate_bpm(self) -> float | None:
        """Heart rate per minute; None where it is not known."""
        return self.measurement.heart_rate_bpm

    @property
    def view(self) -> str:
        """``A4C``, ``A2C``, another view, or ``unknown``."""
        return self.measurement.view.value

    @property
    def beats(self) -> tuple[Beat, ...]:
        """All beats, excluded ones with their reason."""
        return self.measurement.beats

    @property
    def curve(self) -> VolumeCurve | None:
        """Volume over time; None where nothing was traced."""
        return self.measurement.curve

    @property
    def tracings(self) -> tuple[Tracing | None, ...]:
        """Contour, long axis and disks of each frame; None where nothing was traced."""
        return self.measurement.tracings

    @property
    def warnings(self) -> tuple[CodedWarning, ...]:
        """Warnings, each with a code and a sentence."""
        return self.measurement.notices

    def raise_for_status(self) -> EchoResult:
        """Return this result if it has an EF.

        Raises:
            LvefError: With the reason.
        """
        if self.ef_percent is None:
            raise LvefError(self.measurement.reason or f"{self.source}: no EF was measured.")
        return self

    def to_dict(self) -> dict[str, Any]:
        """All values as plain numbers, texts, lists and mappings, in the layout ``lvef-measurement/2``."""
        return measurement_to_dict(self.measurement)

    def to_json(self) -> str:
        """The same as JSON."""
        return measurement_json(self.measurement)

    def save(self, folder: str | PathLike[str], *, video: bool = True, summary: bool = True) -> list[str]:
        """Write what ``lvef measure`` writes: JSON, tables, and with a clip ``overlay.mp4`` and ``summary.png``.

        Args:
            folder: Made where it is missing.
            video: Write the video.
            summary: Write the summary image.

        Returns:
            Names of the files, relative to the folder.

        Raises:
            DataError: A file cannot be written.
        """
        from lvef.report.outputs import write_outputs

        return write_outputs(Path(folder), self._result(), Outputs(video, summary))

    def plot(self) -> matplotlib.figure.Figure:
        """ED and ES with their contours, and the volume-time curve, as a matplotlib figure.

        Raises:
            DataError: There is nothing to show: the file could not be read.
        """
        from lvef.report.notebook import figure_of

        return figure_of(self._result())

    def _repr_html_(self) -> str:
        from lvef.report.notebook import html_of

        return html_of(self._result())

    def __repr__(self) -> str:
        m = self.measurement
        if m.ef_percent is None:
            return f"EchoResult({m.source!r}: {self.status}, {self.reason})"
        interval = f" {ef_interval_text(m)}"
        decision = f", {m.decision}" if m.decision else ""
        return f"EchoResult({m.source!r}: EF{interval}, {self.status}{decision})"

    def _result(self) -> Result:
        parts = {name: (view.measurement, view.clip) for name, view in self.views.items()}
        return Result(self.measurement, self.clip, parts)


# A str is an iterable of str as well, and an array one of arrays: the first overload that fits holds.
@overload
def measure(
    source: Source,
    /,
    *,
    frame_rate_hz: float | None = None,
    raise_errors: bool | None = None,
    **options: Any,  # noqa: ANN401
) -> EchoResult: ...
@overload
def measure(
    source: Source,
    second: Source,
    /,
    *more: Source,
    frame_rate_hz: float | None = None,
    raise_errors: bool | None = None,
    **options: Any,  # noqa: ANN401
) -> list[EchoResult]: ...
@overload
def measure(
    sources: Iterable[Source],
    /,
    *,
    frame_rate_hz: float | None = None,
    raise_errors: bool | None = None,
    **options: Any,  # noqa: ANN401
) -> list[EchoResult]: ...
def measure(
    *sources: Source | Iterable[Source],
    frame_rate_hz: float | None = None,
    raise_errors: bool | None = None,
    **options: Any,
) -> EchoResult | list[EchoResult]:
    """Measure the ejection fraction of one clip or of several.

    Args:
        sources: Paths, clips, arrays or DICOM datasets; one of them, several, or one iterable of them. An array has the
            shape ``(frames, height, width)``, or with three colours ``(frames, height, width, 3)``, and needs
            ``frame_rate_hz``. Among several, a folder stands for all clips in it.
        frame_rate_hz: Frames per second of arrays; of files it overrides what the file states.
        raise_errors: Raise the error of a source that cannot be read; without it the result has the status ``failed``.
            By default errors are raised where one source is given, and kept where there are several. A refusal is a
            result and is never raised.
        options: Fields of `lvef.measure.options.MeasureOptions`: ``weights="camus-seg"``, ``view="A4C"``, ``sex="F"``,
            ``mm_per_px=0.3``, ``second_opinion="auto"`` and so on.

    Returns:
        An `EchoResult` for one source, a list of them for several and for an iterable.

    Raises:
        ConfigError: An option that does not exist or cannot be; or a single source that is a folder of clips.
        LvefError: A single source that cannot be read; see ``raise_errors``.

    Examples:
        >>> import lvef
        >>> lvef.measure(lvef.sample_cine(), precision="f32")
        EchoResult('...examples_ybr_color.dcm': EF 65 % (57-77), partial_cycle, caution)
    """
    found, is_one = _sources(sources)
    measurer = load_measurer(frame_rate_hz=frame_rate_hz, **options)
    raises = is_one if raise_errors is None else raise_errors
    results = [_measure_one(measurer, source, raises) for source in found]
    return results[0] if is_one else results


def measure_stills(ed: str | PathLike[str], es: str | PathLike[str], **options: Any) -> EchoResult:  # noqa: ANN401
    """Measure an ED and an ES still of the same view.

    Args:
        ed: File of the end-diastolic still.
        es: File of the end-systolic still.
        options: As for `measure`.

    Raises:
        LvefError: A file cannot be read.
    """
    measurement, clip = load_measurer(**options).measure_pair(Path(ed), Path(es))
    return _checked(EchoResult(measurement, clip), True)


def measure_biplane(a4c: str | PathLike[str], a2c: str | PathLike[str], **options: Any) -> EchoResult:  # noqa: ANN401
    """Measure the biplane EF of a four-chamber and a two-chamber clip of one patient.

    Args:
        a4c: File of the four-chamber clip.
        a2c: File of the two-chamber clip.
        options: As for `measure`.

    Raises:
        LvefError: A file cannot be read.
    """
    measurement, views = load_measurer(**options).measure_biplane(Path(a4c), Path(a2c))
    return _checked(_study(measurement, views), True)


def measure_study(folder: str | PathLike[str], **options: Any) -> EchoResult:  # noqa: ANN401
    """Measure the biplane EF of the best A4C and the best A2C among the clips of a folder.

    Args:
        folder: Its clips are of one patient; views are recognised from the images.
        options: As for `measure`.

    Raises:
        LvefError: The folder has no such clips.
    """
    files = find_clips(find_inputs([Path(folder)]))
    measurement, views = load_measurer(**options).measure_study(Path(folder), files)
    return _checked(_study(measurement, views), True)


def read_clip(path: str | PathLike[str]) -> Clip:
    """Read a clip: grey frames ``(n, height, width)`` uint8, times in seconds, scale, and the reader's warnings.

    Args:
        path: A DICOM file, a video, a NIfTI or MetaImage file, a still, or a folder of numbered stills.

    Raises:
        LvefError: The file cannot be read; the sentence says why.
    """
    return open_clip(path)


def load_measurer(**options: Any) -> Measurer:  # noqa: ANN401
    """A loaded model that measures files. Models stay loaded, so a second call is fast.

    Args:
        options: As for `measure`.

    Raises:
        ConfigError: An option that does not exist, or cannot be.
        WeightsError: There is no such model.
    """
    wanted = _options(options)
    loaded = {name: getattr(wanted, name) for name in ("weights", "backend", "precision", "threads")}
    return _loaded(**loaded).with_options(wanted)


def to_dataframe(results: EchoResult | Iterable[EchoResult]) -> polars.DataFrame:
    """One row a result, with the columns of ``results.csv``; numbers are numbers, and null where there is none.

    Args:
        results: One or several; a study is one row.

    Examples:
        >>> import lvef
        >>> lvef.to_dataframe([]).columns[:3]
        ['path', 'status', 'ef_percent']
    """
    import polars

    rows = [results] if isinstance(results, EchoResult) else list(results)
    columns = sorted(
        (f for f in FIELDS if f.column is not None and f.key != "folder"), key=lambda f: f.column or 0
    )
    data = {
        field.key: [
            row.source if field.key == "path" else _plain(field.value_of(row.measurement)) for row in rows
        ]
        for field in columns
    }
    types = {int: polars.Int64, float: polars.Float64, str: polars.String}
    return polars.DataFrame(data, {field.key: types[_type_of(field)] for field in columns}, strict=False)


def _type_of(field: Field) -> type:
    """Type of a column, also where every value is missing."""
    named = (field.schema or {}).get("type", "")
    if "integer" in named:
        return int
    return float if "number" in named else OTHER_NUMBERS.get(field.key, str)


def _plain(value: Any) -> Any:  # noqa: ANN401
    return str(value) if isinstance(value, str) else value


@lru_cache(KEPT_MODELS)
def _loaded(**options: Any) -> Measurer:  # noqa: ANN401
    return Measurer(MeasureOptions(**options))


def _options(values: dict[str, Any]) -> MeasureOptions:
    known = {field.name for field in dataclasses.fields(MeasureOptions)}
    for name in values:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(sorted(known))}."
            raise ConfigError(f"There is no option {name}{hint}")
    enums: dict[str, dict[str, Any]] = {
        "sex": {s.value: s for s in Sex},
        "view": {v.value.upper(): v for v in GIVEN_VIEWS},
    }
    for name, members in enums.items():
        value = values.get(name)
        if isinstance(value, str):
            if value.upper() not in members:
                raise ConfigError(f"{name}={value!r}: {' or '.join(members)} was expected.")
            values = values | {name: members[value.upper()]}
    return MeasureOptions(**values)


def _sources(sources: tuple[Any, ...]) -> tuple[list[Source], bool]:
    """The sources one by one, and whether one was given by itself."""
    if not sources:
        raise ConfigError("Nothing to measure: give a path, an array or a DICOM dataset.")
    first = sources[0]
    if len(sources) == 1 and (_is_single(first) or not isinstance(first, Iterable)):
        clips = _in_folder(first)
        if len(clips) > 1 or clips[0] is not first:
            raise ConfigError(
                f"{first}: a folder of {len(clips)} {'clip' if len(clips) == 1 else 'clips'}, one clip was expected. "
                f"lvef.measure([{str(first)!r}]) measures all of them, lvef.measure_study the best A4C and A2C together."
            )
        return [first], True
    given = list(first) if len(sources) == 1 else list(sources)
    return [clip for source in given for clip in _in_folder(source)], False


def _in_folder(source: Source) -> list[Source]:
    """The clips of a folder; any other source alone."""
    if not _is_path(source) or not Path(source).is_dir():
        return [source]
    found = find_clips(find_inputs([source]))
    # A folder of numbered stills is a clip, and one without clips fails as such.
    return [source] if found in ([], [Path(source)]) else list(found)


def _is_path(source: object) -> TypeGuard[str | PathLike[str]]:
    return isinstance(source, str | PathLike)


def _is_single(source: object) -> bool:
    return _is_path(source) or isinstance(source, np.ndarray | Clip) or _is_dataset(source)


def _is_dataset(source: object) -> TypeGuard[pydicom.Dataset]:
    return type(source).__module__.startswith("pydicom.") and hasattr(source, "save_as")


def _measure_one(measurer: Measurer, source: Source, raises: bool) -> EchoResult:
    if _is_path(source):
        return _checked(EchoResult(*measurer.measure(Path(source))), raises)
    name = DATASET_NAME if _is_dataset(source) else ARRAY_NAME
    try:
        clip = _clip_of(source, measurer.options)
    except LvefError as error:
        return _checked(EchoResult(failed_measurement(name, error, None), None), raises)
    return _checked(EchoResult(measurer.measure_opened(clip), clip), raises)


def _clip_of(source: Source, options: MeasureOptions) -> Clip:
    if isinstance(source, Clip):
        return source
    if _is_dataset(source):
        return _clip_of_dataset(source, options)
    if isinstance(source, np.ndarray):
        return clip_of_array(source, options.frame_rate_hz, ARRAY_NAME)
    raise DataError(
        f"A {type(source).__name__} cannot be measured; a path, an array, a clip or a DICOM dataset was expected."
    )


def _clip_of_dataset(dataset: pydicom.Dataset, options: MeasureOptions) -> Clip:
    """Through a temporary file, so that one reader reads all DICOM."""
    with tempfile.TemporaryDirectory(prefix="lvef-") as folder:
        path = Path(folder) / "dataset.dcm"
        try:
            dataset.save_as(path, enforce_file_format=True)
        except (AttributeError, ValueError, TypeError, KeyError, NotImplementedError) as error:
            raise DataError(
                f"{DATASET_NAME}: it cannot be written ({type(error).__name__}); a dataset as pydicom.dcmread gives it, "
                "with file meta information and pixel data, was expected."
            ) from None
        try:
            clip = open_clip(path, max_frames=options.max_frames)
        except LvefError as error:
            raise type(error)(*(str(arg).replace(str(path), DATASET_NAME) for arg in error.args)) from None
        if options.frame_rate_hz is not None:
            clip = with_frame_rate(clip, options.frame_rate_hz)
        notices = tuple(CodedWarning(n.code, n.text.replace(str(path), DATASET_NAME)) for n in clip.notices)
        return replace(clip, source=DATASET_NAME, notices=notices)


def _study(measurement: Measurement, views: dict[str, tuple[Measurement, Clip | None]]) -> EchoResult:
    return EchoResult(measurement, None, {name: EchoResult(m, clip) for name, (m, clip) in views.items()})


def _checked(result: EchoResult, raises: bool) -> EchoResult:
    if raises:
        for part in (*result.views.values(), result):
            if part.measurement.status is Status.FAILED:
                part.raise_for_status()
    return result
