"""The one way from a path to a clip, and from folders to paths. Content decides, not the suffix."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from lvef.core.errors import DataError, VideoError, os_reason, reading
from lvef.core.records import Clip, CodedWarning
from lvef.io.formats import (
    CANDIDATE_SUFFIXES,
    DICOM,
    HEAD_BYTES,
    STILL_SUFFIXES,
    SUFFIXES,
    FileFormat,
    detect_format,
    format_of_file,
    unknown_format,
)
from lvef.io.limits import MAX_FILE_BYTES, MAX_FRAMES, MAX_PIXELS, SizeLimits

RUN_FILE = "run.json"
"""A folder below a given one that holds this file is a run's output and is not searched."""

LABEL_MARK = "_gt"
"""End of the stem of CAMUS's label images, which are no clips."""

SAMPLE_FILE = "examples_ybr_color.dcm"
"""A real apical four-chamber cine in the ``pydicom`` package: 30 frames in 1.0 s, no complete cardiac cycle."""


LONG_SAMPLE_FILE = "color3d_jpeg_baseline.dcm"
"""A real apical four-chamber cine in the ``pydicom-data`` package: 120 frames in 4.0 s, three complete beats, a scale."""


def open_clip(
    path: str | os.PathLike[str], *, max_frames: int = MAX_FRAMES, max_pixels: int = MAX_PIXELS
) -> Clip:
    """Read a clip or still of any kind that is supported, or a folder of numbered stills as a clip.

    Args:
        path: The file, or the folder.
        max_frames: Most frames allowed; a longer clip is refused, not cut.
        max_pixels: Most pixels allowed over all frames together (one byte each).

    Returns:
        The clip, with a notice ``wrong_suffix`` where the file is not what its name says.

    Raises:
        DataError: when the path cannot be read, or the file is empty or too large.
        VideoError: when it is of no known kind, or a video or image that cannot be used.
        DicomError: when it is a DICOM file that cannot be used.
        MissingExtraError: when it needs a decoder that is not installed.
        QualityRefusal: when it is a folder of stills that are no cine.
    """
    source, path, limits = os.fspath(path), Path(path), SizeLimits(max_frames, max_pixels)
    if path.is_dir():
        return _read_folder(path, source, limits)
    head = read_head(path, source)
    kind = detect_format(head)
    if kind is None:
        raise VideoError(unknown_format(source, head))
    try:
        clip = _read(kind, source, limits)
    except OSError as cause:
        raise DataError(f"{source} cannot be read to its end ({os_reason(cause)}): copy it again.") from None
    suffix = path.suffix.lower()
    if suffix in SUFFIXES and suffix not in kind.suffixes:
        notice = CodedWarning(
            "wrong_suffix", f"The file is named {suffix} but is a {kind.name}, and was read as such."
        )
        return replace(clip, notices=(notice, *clip.notices))
    return clip


def sample_cine() -> Path:
    """The path of the real echo that comes with ``pydicom``.

    Raises:
        DataError: It is missing from the installed pydicom.
    """
    from pydicom.data import get_testdata_file

    found = get_testdata_file(SAMPLE_FILE, download=False)
    if not isinstance(found, str):
        raise DataError(
            f"{SAMPLE_FILE} is missing from the installed pydicom: run pip install --force-reinstall pydicom."
        )
    return Path(found)


def long_sample_cine() -> Path | None:
    """The path of the longer real echo, where the package ``pydicom-data`` is installed; nothing is ever downloaded."""
    from pydicom.data import get_testdata_file

    found = get_testdata_file(LONG_SAMPLE_FILE, download=False)
    return Path(found) if isinstance(found, str) else None


def find_inputs(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the files to measure.

    A file that is given stays, whatever it is. A folder is searched with its subfolders for names of clips,
    stills and DICOM files; a file of another name counts when it begins as DICOM does. Hidden files, folders
    with this package's own output, label images and DICOMDIR are skipped.

    Args:
        paths: Files and folders, as the user gave them.

    Returns:
        Paths without repetition: in the order given, sorted within each folder.

    Raises:
        DataError: when a path does not exist.
    """
    found: dict[Path, None] = {}
    for given in paths:
        path = Path(given)
        if path.is_dir():
            found.update(dict.fromkeys(_candidates(path)))
        elif path.exists():
            found[path] = None
        else:
            raise DataError(f"{os.fspath(given)} does not exist: check the path.")
    return list(found)


def find_clips(files: Iterable[Path], is_single: Callable[[Path], bool] | None = None) -> list[Path]:
    """Return the clips among some files: the files themselves, and a folder in place of all its stills.

    DICOM files of one frame count as stills. Where only some of a folder's are among the files, they stay as they are.

    Args:
        files: From `find_inputs`, or named one by one.
        is_single: Says whether an image file holds one image, as `lvef.io.series.is_single`, which is the default.
    """
    from lvef.io import series

    single_stills = partial(series.single_stills, is_single=is_single or series.is_single)
    given = list(dict.fromkeys(files))
    by_folder: dict[Path, list[Path]] = {}
    for path in given:
        if path.suffix.lower() in STILL_SUFFIXES and path.is_file():
            by_folder.setdefault(path.parent, []).append(path)
    folder_of: dict[Path, Path] = {}
    for folder, found in by_folder.items():
        stills = single_stills(found) if len(found) > 1 else []
        if len(stills) > 1 and not single_stills(set(_in_folder(folder)) - set(found)):
            folder_of |= dict.fromkeys(stills, folder)
    folder_of |= _dicom_folders(given)
    return list(dict.fromkeys(folder_of.get(path, path) for path in given))


def _dicom_folders(given: Iterable[Path]) -> dict[Path, Path]:
    """The folder of each DICOM file of one frame, where all such files of the folder are given and there are several."""
    by_folder: dict[Path, list[Path]] = {}
    for path in given:
        if path.is_file() and _may_be_dicom(path):
            by_folder.setdefault(path.parent, []).append(path)
    folder_of: dict[Path, Path] = {}
    for folder, found in by_folder.items():
        if len(found) < 2:
            continue
        from lvef.io.dicom import single_instances

        single = [instance.path for instance in single_instances(found)]
        others = [path for path in _in_folder(folder) if path not in set(found) and _may_be_dicom(path)]
        if len(single) > 1 and not single_instances(others):
            folder_of |= dict.fromkeys(single, folder)
    return folder_of


def _may_be_dicom(path: Path) -> bool:
    if path.suffix.lower() in SUFFIXES.difference(DICOM.suffixes):
        return False  # not worth opening thousands of videos
    try:
        return format_of_file(path) is DICOM
    except OSError:
        return False


def _in_folder(folder: Path) -> list[Path]:
    """The files of a folder that may be something to measure, sorted."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_file() and _is_candidate(path))
    except OSError:
        return []


def read_head(path: Path, source: str) -> bytes:
    """Return the first ``HEAD_BYTES`` of a file.

    Args:
        path: The file.
        source: The file's name as the user gave it.

    Raises:
        DataError: when it is missing, a folder, empty, too large or may not be read.
    """
    try:
        if path.is_dir():
            raise DataError(f"{source} is a folder: give a file in it.")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise DataError(
                f"{source} has {size / 2**30:.1f} GiB; at most {MAX_FILE_BYTES / 2**30:g} GiB are read: cut "
                "the clip to a few beats."
            )
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError:
        raise DataError(f"{source} does not exist: check the path.") from None
    except PermissionError:
        raise DataError(
            f"{source} cannot be read: you have no right to read it; ask for it with chmod."
        ) from None
    except OSError as cause:
        raise DataError(
            f"{source} cannot be read ({os_reason(cause)}): check the path and the disk."
        ) from None
    if not head:
        raise DataError(f"{source} is empty (0 bytes): copy or export it again.")
    return head


def _read_folder(folder: Path, source: str, limits: SizeLimits) -> Clip:
    from lvef.io.series import read_series, single_stills

    files = _in_folder(folder)
    dicom = [path for path in files if _may_be_dicom(path)]
    with reading(source, "check the path and the disk"):
        if len(dicom) > 1:
            from lvef.io.dicom import read_instances, single_instances

            instances = single_instances(dicom)
            if len(instances) > 1:
                return read_instances(instances, source, limits)
        stills = single_stills(files)
        if len(stills) < 2:
            raise DataError(f"{source} is a folder: give a file in it.")
        return read_series(stills, source, limits)


def _read(kind: FileFormat, source: str, limits: SizeLimits) -> Clip:
    if kind.family == "dicom":
        from lvef.io.dicom import read_dicom

        return read_dicom(source, limits)
    if kind.family == "video":
        from lvef.io.video import read_video

        return read_video(source, limits)
    from lvef.io.images import read_still

    return read_still(source, limits)


def _candidates(root: Path) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(root):
        here = Path(folder)
        if here != root and RUN_FILE in names:
            subfolders.clear()
            continue
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            if _is_candidate(here / name):
                yield here / name


def _is_candidate(path: Path) -> bool:
    name = path.name.lower()
    if name.startswith(".") or name == "dicomdir":
        return False
    stem = name.removesuffix(".gz").rpartition(".")[0] or name
    if stem.endswith(LABEL_MARK):
        return False
    if name.endswith(CANDIDATE_SUFFIXES):
        return True
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False
