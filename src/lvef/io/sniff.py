"""What a file is, from its first bytes: suffixes lie, and a DICOM file often has none."""

from __future__ import annotations

import struct
import zlib
from typing import Literal, NamedTuple

SNIFF_BYTES = 4096
"""How many first bytes ``sniff`` wants: a MetaImage header must show its keys within them."""

Family = Literal["video", "picture", "dicom", "nifti", "metaimage"]


class FileFormat(NamedTuple):
    """A kind of file: who reads it, its name for people, its usual suffixes, FFmpeg's demuxer."""

    family: Family
    name: str
    suffixes: tuple[str, ...]
    demuxer: str = ""


AVI = FileFormat("video", "AVI video", (".avi",), "avi")
MP4 = FileFormat("video", "MP4 or MOV video", (".mp4", ".m4v", ".mov", ".qt", ".3gp"), "mov")
MATROSKA = FileFormat("video", "Matroska or WebM video", (".mkv", ".webm"), "matroska")
ASF = FileFormat("video", "Windows Media video", (".wmv", ".asf"), "asf")
MPEG_PROGRAM = FileFormat("video", "MPEG video", (".mpg", ".mpeg", ".vob"), "mpeg")
MPEG_STREAM = FileFormat("video", "MPEG video stream", (".mpg", ".mpeg", ".m2v", ".mpv"), "mpegvideo")
PNG = FileFormat("picture", "PNG picture", (".png",))
JPEG = FileFormat("picture", "JPEG picture", (".jpg", ".jpeg", ".jpe"))
TIFF = FileFormat("picture", "TIFF picture", (".tif", ".tiff"))
GIF = FileFormat("picture", "GIF picture", (".gif",))
BMP = FileFormat("picture", "BMP picture", (".bmp",))
WEBP = FileFormat("picture", "WebP picture", (".webp",))
DICOM = FileFormat("dicom", "DICOM file", (".dcm", ".dicom", ".dic", ".ima"))
NIFTI = FileFormat("nifti", "NIfTI file", (".nii", ".nii.gz", ".gz"))
METAIMAGE = FileFormat("metaimage", "MetaImage header", (".mhd", ".mha"))

FORMATS = (
    AVI, MP4, MATROSKA, ASF, MPEG_PROGRAM, MPEG_STREAM, GIF, PNG, JPEG, TIFF, BMP, WEBP, DICOM, NIFTI,
    METAIMAGE,
)  # fmt: skip
"""Every kind of file that is read."""

READABLE = "AVI, MP4, MOV, MKV, WebM, WMV, MPEG, GIF, DICOM, PNG, JPEG, TIFF, BMP, WebP, NIfTI or MetaImage"
"""The list above in words, for messages."""

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


def sniff(head: bytes) -> FileFormat | None:
    """Return the kind of file that begins with ``head`` (``SNIFF_BYTES`` of it), or None for none of ours."""
    if head[128:132] == b"DICM":
        return DICOM
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
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


NUMPY_REMEDY = (
    "it says neither how fast its frames follow each other nor which axis is which. Write the frames as PNG files with "
    "running numbers into a folder and give that folder, or make an AVI"
)
"""Why a NumPy array is refused, and what to give instead."""

_PICKLE = "a Python pickle, which is never opened: it could run programs."
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"\x93NUMPY", f"a NumPy array: {NUMPY_REMEDY}."),
    (b"PK", "a ZIP archive: unpack it and give the folder."),
    (b"Rar!", "a RAR archive: unpack it and give the folder."),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it and give the folder."),
    (b"\x1f\x8b", "packed with gzip: unpack it and give what is in it."),
    (b"BZh", "packed with bzip2: unpack it and give what is in it."),
    (b"\xfd7zXZ", "packed with xz: unpack it and give what is in it."),
    (b"%PDF", "a PDF document: export the clip itself."),
    (b"\x89HDF", "an HDF5 or MATLAB file: export its frames as PNG files or as AVI."),
    (b"MATLAB", "a MATLAB file: export its frames as PNG files or as AVI."),
    (b"\x80\x02", _PICKLE),
    (b"\x80\x03", _PICKLE),
    (b"\x80\x04", _PICKLE),
    (b"\x80\x05", _PICKLE),
)


_TEXTS: tuple[tuple[bytes, str], ...] = (
    (b"<!doctype html", " (a page of the web, perhaps one to log in)"),
    (b"<html", " (a page of the web, perhaps one to log in)"),
    (b"version https://git-lfs", " (a pointer of Git LFS: run git lfs pull)"),
)


def unreadable(source: str, head: bytes) -> str:
    """Return the sentence for a file that begins with ``head`` and is none of `FORMATS`.

    Args:
        source: The file's name as the user gave it.
        head: Its first ``SNIFF_BYTES``.
    """
    if head[:4] == b"PK\x03\x04" and b".npy" in head[30:300]:
        return f"{source} is a NumPy archive: {NUMPY_REMEDY}; expected {READABLE}."
    for start, what in _OTHERS:
        if head.startswith(start):
            return f"{source} is {what.removesuffix('.')}; expected {READABLE}."
    if head[257:262] == b"ustar":
        return f"{source} is a tar archive: unpack it and give the folder; expected {READABLE}."
    what = next((words for start, words in _TEXTS if head.lower().startswith(start)), " (text)")
    return (
        f"{source} is of a kind that is not known here{what if _is_text(head) else ''}: expected {READABLE}."
    )


def _is_text(head: bytes) -> bool:
    """Whether bytes are written words: a play list, a table, a page of the web that was saved instead of a file."""
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
    """Tell whether ``head`` is a DICOM data set without preamble: it then begins with group 0002 or 0008."""
    if len(head) < 16:
        return False
    group, element = struct.unpack("<HH", head[:4])
    if (group, element) in ((0x0800, 0x0500), (0x0800, 0x0800), (0x0800, 0x1600)):
        return head[4:6].isalpha() and head[4:6].isupper()  # big endian is always explicit
    if group not in (0x0002, 0x0008) or element > 0x0020:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return explicit or int.from_bytes(head[4:8], "little") <= 256
