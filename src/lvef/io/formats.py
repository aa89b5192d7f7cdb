"""The one list of file formats that are read: names, suffixes, and how the first bytes identify them.

The content decides which format a file has: suffixes may be wrong, and a DICOM file often has none.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

HEAD_BYTES = 4096
"""How many first bytes `detect_format` wants: a MetaImage header must show its keys within them."""

Family = Literal["video", "image", "dicom", "nifti", "metaimage"]
"""Which reader reads a format."""


class FileFormat(NamedTuple):
    """A file format.

    Attributes:
        family: Which reader reads it.
        name: Its name in messages.
        label: Its name in a list of formats.
        suffixes: Its usual suffixes, lower case.
        demuxer: FFmpeg's demuxer of a video.
        animated: Whether an image file of this format may hold the frames of a cine.
    """

    family: Family
    name: str
    label: str
    suffixes: tuple[str, ...]
    demuxer: str = ""
    animated: bool = False


AVI = FileFormat("video", "AVI video", "AVI", (".avi",), "avi")
MP4 = FileFormat("video", "MP4 or MOV video", "MP4, MOV", (".mp4", ".m4v", ".mov", ".qt", ".3gp"), "mov")
MATROSKA = FileFormat("video", "Matroska or WebM video", "MKV, WebM", (".mkv", ".webm"), "matroska")
ASF = FileFormat("video", "Windows Media video", "WMV", (".wmv", ".asf"), "asf")
MPEG_PROGRAM = FileFormat("video", "MPEG video", "MPEG", (".mpg", ".mpeg", ".vob"), "mpeg")
MPEG_STREAM = FileFormat("video", "MPEG video stream", "MPEG", (".mpg", ".mpeg", ".m2v", ".mpv"), "mpegvideo")
GIF = FileFormat("image", "GIF image", "GIF", (".gif",), animated=True)
DICOM = FileFormat("dicom", "DICOM file", "DICOM", (".dcm", ".dicom", ".dic", ".ima"))
PNG = FileFormat("image", "PNG image", "PNG", (".png",), animated=True)
JPEG = FileFormat("image", "JPEG image", "JPEG", (".jpg", ".jpeg", ".jpe"))
TIFF = FileFormat("image", "TIFF image", "TIFF", (".tif", ".tiff"), animated=True)
BMP = FileFormat("image", "BMP image", "BMP", (".bmp",))
WEBP = FileFormat("image", "WebP image", "WebP", (".webp",), animated=True)
NIFTI = FileFormat("nifti", "NIfTI file", "NIfTI", (".nii", ".nii.gz", ".gz"))
METAIMAGE = FileFormat("metaimage", "MetaImage header", "MetaImage", (".mhd", ".mha"))

FORMATS = (
    *(AVI, MP4, MATROSKA, ASF, MPEG_PROGRAM, MPEG_STREAM),
    *(GIF, DICOM, PNG, JPEG, TIFF, BMP, WEBP, NIFTI, METAIMAGE),
)
"""Every format that is read."""


def suffixes_of(formats: Iterable[FileFormat]) -> frozenset[str]:
    """All suffixes of some formats, lower case, with the dot."""
    return frozenset(suffix for one in formats for suffix in one.suffixes)


SUFFIXES = suffixes_of(FORMATS)
"""Every suffix that says something of a file's content; ``.gz`` is among them."""

CANDIDATE_SUFFIXES = tuple(sorted(SUFFIXES - {".gz"}, key=lambda suffix: (-len(suffix), suffix)))
"""Endings of names that are looked for in folders, the longest first: ``.nii.gz``, but not any ``.gz``."""

VIDEO_SUFFIXES = suffixes_of(one for one in FORMATS if one.family == "video")
"""Suffixes of videos."""

IMAGE_SUFFIXES = suffixes_of(one for one in FORMATS if one.family in ("image", "nifti", "metaimage"))
"""Suffixes of stills, short sequences and masks, other than DICOM."""

STILL_SUFFIXES = suffixes_of(one for one in FORMATS if one.family == "image" and one is not GIF)
"""Suffixes of files that are as a rule one image, and that can be the frames of a cine."""

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar", ".npy", ".npz")
"""Suffixes of archives and arrays that are not read, but whose message says what to give instead."""


def known_suffix(name: str) -> str:
    """The suffix of a file name, if it is that of a format that is read, in lower case; else nothing.

    >>> known_suffix("a.b.NII.GZ"), known_suffix("report.pdf")
    ('.nii.gz', '')
    """
    lower = name.lower()
    return next((s for s in (*CANDIDATE_SUFFIXES, ".gz") if lower.endswith(s) and lower != s), "")


def is_file(path: Path) -> bool:
    """Whether a file is there. A name that is too long for the file system, or holds a NUL, names none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _listed(labels: Iterable[str]) -> str:
    """Labels as an enumeration, each once."""
    found = list(dict.fromkeys(", ".join(labels).split(", ")))
    return f"{', '.join(found[:-1])} or {found[-1]}"


READABLE = _listed(one.label for one in FORMATS)
"""`FORMATS` in words."""

CLIP_FORMATS = (
    f"{', '.join(dict.fromkeys(one.label for one in (DICOM, *FORMATS) if one.family in ('dicom', 'video')))}, "
    f"animated {_listed(one.label for one in FORMATS if one.animated and one is not TIFF)}, or a TIFF stack"
)
"""Formats of clips in words."""

STILL_FORMATS = _listed(one.label for one in FORMATS if one.family in ("image", "nifti", "metaimage"))
"""Formats of stills in words, other than DICOM."""

_STARTS: tuple[tuple[bytes, FileFormat], ...] = (
    (b"\x1aE\xdf\xa3", MATROSKA),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ASF),
    (b"\x00\x00\x01\xba", MPEG_PROGRAM),
    (b"\x00\x00\x01\xb3", MPEG_STREAM),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00\x08\x00\x00\x00", TIFF),
    (b"MM\x00+\x00\x08\x00\x00", TIFF),
)
_QUICKTIME_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


def detect_format(head: bytes) -> FileFormat | None:
    """The format of a file that begins with ``head`` (`HEAD_BYTES` of it), or None where it is not one that is read."""
    if head[128:132] == b"DICM":
        return DICOM
    for start, found in _STARTS:
        if head.startswith(start):
            return found
    if head[:4] == b"RIFF":
        return {b"AVI ": AVI, b"WEBP": WEBP}.get(head[8:12])
    if head[4:8] in _QUICKTIME_ATOMS:
        return MP4
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return BMP
    if _is_nifti(head):
        return NIFTI
    if _is_metaimage(head):
        return METAIMAGE
    return DICOM if _is_bare_dicom(head) else None


def format_of_file(path: Path) -> FileFormat | None:
    """The format of a file by its content, or None where it is not one that is read.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return detect_format(file.read(HEAD_BYTES))


_NUMPY_REMEDY = (
    "it says neither how fast its frames follow each other nor which axis is which. Write the frames as PNG files with "
    "running numbers into a folder and give that folder, or make an AVI"
)
_PICKLE = "a Python pickle, which is never opened: it could run programs"
_UNPACK = "unpack it and give the folder"
_FRAMES = "export its frames as PNG files or as AVI"
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"\x93NUMPY", f"a NumPy array: {_NUMPY_REMEDY}"),
    (b"PK", f"a ZIP archive: {_UNPACK}"),
    (b"Rar!", f"a RAR archive: {_UNPACK}"),
    (b"7z\xbc\xaf", f"a 7-Zip archive: {_UNPACK}"),
    (b"\x1f\x8b", "packed with gzip: unpack it and give what is in it"),
    (b"BZh", "packed with bzip2: unpack it and give what is in it"),
    (b"\xfd7zXZ", "packed with xz: unpack it and give what is in it"),
    (b"%PDF", "a PDF document: export the clip itself"),
    (b"\x89HDF", f"an HDF5 or MATLAB file: {_FRAMES}"),
    (b"MATLAB", f"a MATLAB file: {_FRAMES}"),
    *((bytes((0x80, version)), _PICKLE) for version in range(2, 6)),
)
_TEXTS: tuple[tuple[bytes, str], ...] = (
    (b"<!doctype html", "a web page, perhaps a login page"),
    (b"<html", "a web page, perhaps a login page"),
    (b"version https://git-lfs", "a Git LFS pointer: run git lfs pull"),
    (b"", "text"),
)


def unknown_format(source: str, head: bytes) -> str:
    """The message for a file that begins with ``head`` and is none of `FORMATS`.

    Args:
        source: The file's name as the user gave it.
        head: Its first `HEAD_BYTES`.
    """
    found = next((what for start, what in _OTHERS if head.startswith(start)), None)
    if head[:4] == b"PK\x03\x04" and b".npy" in head[30:300]:
        found = f"a NumPy archive: {_NUMPY_REMEDY}"
    elif found is None and head[257:262] == b"ustar":
        found = f"a tar archive: {_UNPACK}"
    if found is not None:
        return f"{source} is {found}; expected {READABLE}."
    text = next(what for start, what in _TEXTS if head.lower().startswith(start))
    return f"{source} has an unknown format{f' ({text})' if _is_text(head) else ''}: expected {READABLE}."


def _is_text(head: bytes) -> bool:
    """Whether bytes are text: a playlist, a table, a web page that was saved instead of a file."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as cause:
        if cause.start < len(head) - 4:
            return False
        text = head[: cause.start].decode("utf-8")
    return bool(text) and all(letter.isprintable() or letter.isspace() for letter in text)


def _is_nifti(head: bytes) -> bool:
    if head[:2] == b"\x1f\x8b":
        try:
            head = zlib.decompressobj(31).decompress(head, 600)
        except zlib.error:
            return False
    sizes = struct.unpack("<i", head[:4]) + struct.unpack(">i", head[:4]) if len(head) >= 348 else ()
    return (348 in sizes and head[344:347] in (b"n+1", b"ni1")) or (
        540 in sizes and head[4:7] in (b"n+2", b"ni2")
    )


def _is_metaimage(head: bytes) -> bool:
    return b"DimSize" in head and b"ElementType" in head and b"ElementDataFile" in head


def _is_bare_dicom(head: bytes) -> bool:
    """Whether ``head`` is a DICOM data set without preamble, which begins with group 0002 or 0008."""
    if len(head) < 16:
        return False
    group, element = struct.unpack("<HH", head[:4])
    if (group, element) in ((0x0800, 0x0500), (0x0800, 0x0800), (0x0800, 0x1600)):
        return head[4:6].isalpha() and head[4:6].isupper()  # big endian is always explicit
    if group not in (0x0002, 0x0008) or element > 0x0020:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return explicit or int.from_bytes(head[4:8], "little") <= 256
