"""Files with known content, made on the spot: nothing of a patient is kept in the repository."""

from __future__ import annotations

import io

import av
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

PERSON = ("Musterfrau^Erika", "PID-4711", "19640812", "St. Elsewhere", "House^Gregory")
"""What the fabricated headers say of people and places: must never come out again."""


def moving_grey(n=12, height=64, width=96):
    """Smooth images without any symmetry, brighter from frame to frame: ``(n, height, width)`` uint8."""
    y, x = np.mgrid[:height, :width]
    base = 20 + 120 * x / width + 60 * (y / height) ** 2
    return np.stack([np.clip(base + 3 * i, 0, 255) for i in range(n)]).astype(np.uint8)


def write_video(
    path, grey_or_rgb, codec, pix_fmt, rate=25, pts=None, time_base=None, options=None, **settings
):
    """Encode ``(n, h, w)`` grey or ``(n, h, w, 3)`` RGB frames; ``settings`` go to the codec context."""
    from fractions import Fraction

    pictures = np.asarray(grey_or_rgb)
    rgb = pictures if pictures.ndim == 4 else np.repeat(pictures[..., None], 3, axis=3)
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width, stream.pix_fmt = rgb.shape[1], rgb.shape[2], pix_fmt
        if time_base is not None:
            stream.codec_context.time_base = Fraction(*time_base)
        for name, value in settings.items():
            setattr(stream.codec_context, name, value)
        for index, picture in enumerate(rgb):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            if pts is not None:
                frame.pts = pts[index]
                frame.time_base = Fraction(*time_base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def video_bytes(grey, codec, pix_fmt, container_format):
    """Return a video stream in memory."""
    buffer = io.BytesIO()
    rgb = np.repeat(grey[..., None], 3, axis=3)
    with av.open(buffer, "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = rgb.shape[1], rgb.shape[2], pix_fmt
        for picture in rgb:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def dicom(pixels, interpretation=None, syntax=ExplicitVRLittleEndian, **elements):
    """Return an ultrasound data set that holds ``(n, h, w)`` grey or ``(n, h, w, 3)`` colour, plain."""
    pixels = np.asarray(pixels)
    colour = pixels.ndim == 4
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = syntax
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID = meta.MediaStorageSOPClassUID
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.Modality = "US"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.InstitutionName, ds.ReferringPhysicianName = PERSON
    ds.NumberOfFrames, ds.Rows, ds.Columns = pixels.shape[:3]
    ds.SamplesPerPixel = 3 if colour else 1
    ds.PhotometricInterpretation = interpretation or ("RGB" if colour else "MONOCHROME2")
    if colour:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = ds.BitsStored = 8 * pixels.dtype.itemsize
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    data = pixels.tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OW" if pixels.dtype.itemsize > 1 else "OB"
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def encoded(pictures, kind, **options):
    """Compress each image with Pillow."""
    fragments = []
    for picture in pictures:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, kind, **options)
        fragments.append(buffer.getvalue())
    return fragments


def compressed(ds, syntax, fragments, *, has_bot=True):
    """Put compressed frames into a data set."""
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate(fragments, has_bot=has_bot)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def save(ds, path, **options):
    """Write a data set as a DICOM file."""
    ds.save_as(path, enforce_file_format=True, **options)
    return path


def region(box=(10, 5, 90, 60), spatial=1, kind=1, units=3, delta=(0.05, 0.04)):
    """Return one item of Sequence of Ultrasound Regions."""
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = spatial, kind, 0
    item.RegionLocationMinX0, item.RegionLocationMinY0 = box[:2]
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = box[2:]
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = units
    item.PhysicalDeltaX, item.PhysicalDeltaY = delta
    return item


def regions(*items):
    """Return the sequence element's value."""
    return Sequence(list(items))


def codes(clip):
    """Return the codes of a clip's notices."""
    return [notice.code for notice in clip.notices]
