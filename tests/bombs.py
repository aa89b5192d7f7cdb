"""Small files that claim to be, or unpack to, far more than a machine holds."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib


def zip_of_zeros(size: int = 2**30) -> bytes:
    """A zip archive of one file of zeros, about a thousandth of its size."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as file:
        for _ in range(size // 2**20):
            file.write(bytes(2**20))
    return out.getvalue()


def gzip_nifti(size: int = 2**30) -> bytes:
    """A gzipped NIfTI whose header claims 16 x 16 pixels, and which goes on with zeros for ever."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 16, 16, 1, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 2, 8)
    struct.pack_into("<8f", header, 76, *[1.0] * 8)
    struct.pack_into("<f", header, 108, 352.0)
    header[344:348] = b"n+1\0"
    out = io.BytesIO()
    with gzip.open(out, "wb", compresslevel=1) as file:
        file.write(bytes(header))
        for _ in range(size // 2**20):
            file.write(bytes(2**20))
    return out.getvalue()


def vast_png(side: int = 60_000) -> bytes:
    """A PNG that claims so many pixels a side and holds next to none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(2**16)))
        + chunk(b"IEND", b"")
    )


BOMBS = {"zeros.zip.dcm": zip_of_zeros, "bomb.nii.gz": gzip_nifti, "vast.png": vast_png}
"""Name of a file -> what makes it."""
