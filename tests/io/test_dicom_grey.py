"""A grey echo is grey whatever its header calls the colours: the code stream decides, else the pixels."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from pydicom import uid

from lvef.io.dicom import read_dicom
from lvef.io.dicom_frames import RGB, YBR, read_stream_header
from lvef.io.dicom_grey import detect_colour_space
from tests.io.io_fabrication import codes, compressed, dicom, encoded, save

HEIGHT, WIDTH, N = 48, 64, 3
LABELS = ("RGB", "YBR_FULL", "YBR_FULL_422")


def echo(n=N, seed=0):
    """Grainy grey within a sector on black, ``(n, h, w)``."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    sector = (np.abs(x - WIDTH / 2) < 4 + 0.6 * y) & (y > 3)
    grain = np.stack([cv2.GaussianBlur(f, (0, 0), 1.0) for f in rng.gamma(2.0, 45.0, (n, HEIGHT, WIDTH))])
    return (np.clip(grain, 20, 255) * sector).astype(np.uint8)


GREY = echo()
STORED = {
    RGB: np.repeat(GREY[..., None], 3, axis=3),
    YBR: np.stack([GREY, np.full_like(GREY, 128), np.full_like(GREY, 128)], axis=3),
}


def without_marker(jpeg):
    """A JPEG without its JFIF segment, as cameras and scanners write it."""
    return jpeg[:2] + jpeg[4 + int.from_bytes(jpeg[4:6], "big") :]


def jpeg(picture, stored):
    """A JPEG without markers whose components are RGB or YBR as they stand."""
    buffer = io.BytesIO()
    values = Image.fromarray(picture, "YCbCr")  # nothing is converted: these are the components
    values.save(buffer, "JPEG", quality=98, subsampling=0)
    assert stored in (RGB, YBR)
    return without_marker(buffer.getvalue())


def grey_and_said(ds, tmp_path, tolerance):
    clip = read_dicom(save(ds, tmp_path / "a.dcm"))
    assert np.abs(clip.frames.astype(int) - GREY).max() <= tolerance
    assert clip.chroma is None or clip.chroma.max() <= 8
    return [code for code in codes(clip) if code != "assumed_frame_rate"]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("stored", [RGB, YBR])
@pytest.mark.parametrize("kind", ["native", "rle", "jpeg", "jpeg-ls", "jpeg 2000"])
def test_grey_stays_grey(tmp_path, stored, label, kind):
    pictures = STORED[stored]
    ds = dicom(pictures, label)
    if kind == "rle":
        ds.PhotometricInterpretation = "RGB"
        ds.compress(uid.RLELossless)
        ds.PhotometricInterpretation = label
    elif kind == "jpeg":
        compressed(ds, uid.JPEGBaseline8Bit, [jpeg(picture, stored) for picture in pictures])
    elif kind == "jpeg-ls":
        ds.PhotometricInterpretation = "RGB"
        ds.compress(uid.JPEGLSLossless)
        ds.PhotometricInterpretation = label
    elif kind == "jpeg 2000":
        options = {"no_jp2": True, "irreversible": False, "mct": 0}
        compressed(ds, uid.JPEG2000Lossless, encoded(pictures, "JPEG2000", **options))
    said = grey_and_said(ds, tmp_path, 3 if kind == "jpeg" else 2)
    # Uncompressed, that label speaks of two values a pixel.
    expected = ["pixel_layout"] if (kind, label) == ("native", "YBR_FULL_422") else []
    assert said == expected + ([] if label.startswith(stored) else ["colour_space"])


@pytest.mark.parametrize("label", [*LABELS, "YBR_RCT", "YBR_ICT", "MONOCHROME2", "PALETTE COLOR"])
def test_a_colour_transform_in_jpeg_2000_is_undone_once(tmp_path, label):
    fragments = encoded(STORED[RGB], "JPEG2000", no_jp2=True, irreversible=False, mct=1)
    ds = compressed(dicom(STORED[RGB], label), uid.JPEG2000Lossless, fragments)
    grey_and_said(ds, tmp_path, 0)


@pytest.mark.parametrize("marker", [b"", b"JFIF", b"Adobe 0", b"Adobe 1"])
@pytest.mark.parametrize("stored", [RGB, YBR])
@pytest.mark.parametrize("label", ["RGB", "YBR_FULL_422", "MONOCHROME2", "MONOCHROME1"])
def test_markers_that_lie_do_not_colour_a_grey_jpeg(tmp_path, marker, stored, label):
    segments = {
        b"": b"",
        b"JFIF": b"\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0",
        b"Adobe 0": b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0\0",
        b"Adobe 1": b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0\x01",
    }
    frames = [jpeg(picture, stored) for picture in STORED[stored]]
    frames = [frame[:2] + segments[marker] + frame[2:] for frame in frames]
    grey_and_said(compressed(dicom(STORED[RGB], label), uid.JPEGBaseline8Bit, frames), tmp_path, 3)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("claimed", [0, 1])
@pytest.mark.parametrize("stored", [RGB, YBR])
def test_planar_configuration_is_seen(tmp_path, planar, claimed, stored):
    pictures = STORED[stored]
    data = pictures.transpose(0, 3, 1, 2) if planar else pictures
    ds = dicom(pictures, "RGB" if stored == RGB else "YBR_FULL", PixelData=data.tobytes())
    ds["PixelData"].VR, ds.PlanarConfiguration = "OB", claimed
    assert grey_and_said(ds, tmp_path, 2) == ([] if planar == claimed else ["pixel_layout"])


@pytest.mark.parametrize(
    ("pictures", "samples", "label"),
    [
        (STORED[RGB], 1, "MONOCHROME2"),
        (GREY, 3, "RGB"),
        (STORED[YBR], 3, "YBR_FULL_422"),
        (STORED[RGB], 3, "YBR_FULL_422"),
    ],
)
def test_the_number_of_values_is_seen(tmp_path, pictures, samples, label):
    ds = dicom(pictures, label)
    ds.SamplesPerPixel, ds.PlanarConfiguration = samples, 0
    assert "pixel_layout" in grey_and_said(ds, tmp_path, 2)


def test_the_number_of_bits_is_seen(tmp_path):
    ds = dicom(GREY, BitsAllocated=16, BitsStored=12, HighBit=11)
    assert grey_and_said(ds, tmp_path, 0) == ["pixel_layout"]


def test_a_stream_with_other_values_than_the_header_says(tmp_path):
    ds = compressed(dicom(STORED[RGB], "RGB"), uid.JPEG2000Lossless, encoded(GREY, "JPEG2000", no_jp2=True))
    assert grey_and_said(ds, tmp_path, 0) == ["pixel_layout"]


def test_frames_of_another_size_than_the_header_says_have_no_scale(tmp_path):
    ds = compressed(
        dicom(GREY, PixelSpacing=[0.3, 0.3]), uid.JPEGBaseline8Bit, encoded(GREY, "JPEG", quality=98)
    )
    ds.Rows, ds.Columns = 2 * HEIGHT, 2 * WIDTH
    clip = read_dicom(save(ds, tmp_path / "a.dcm"))
    assert (clip.frames.shape, clip.spacing) == (GREY.shape, None)
    assert "frame_size" in codes(clip)
    assert "128 x 96" in clip.spacing_note


@pytest.mark.parametrize(
    ("stored", "label", "said"),
    [
        (255 - GREY, "MONOCHROME1", []),
        (GREY, "MONOCHROME2", []),
        (GREY, "MONOCHROME1", ["inverted"]),
        (255 - GREY, "MONOCHROME2", ["inverted"]),
    ],
)
def test_the_ground_of_an_echo_is_black(tmp_path, stored, label, said):
    assert grey_and_said(dicom(stored, label), tmp_path, 0) == said


def test_a_palette_that_is_missing(tmp_path):
    assert "palette_missing" in grey_and_said(dicom(GREY, "PALETTE COLOR"), tmp_path, 0)


def test_colour_doppler_stays_what_its_header_says():
    flow = STORED[RGB][0].copy()
    flow[20:40, 20:44] = (180, 30, 20)
    assert detect_colour_space(flow, RGB) == RGB
    ybr = np.ascontiguousarray(cv2.cvtColor(flow, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]])
    assert detect_colour_space(ybr, YBR) == YBR
    assert detect_colour_space(np.zeros_like(flow), YBR) == YBR, "black decides nothing"


def test_stream_headers():
    picture = Image.fromarray(STORED[RGB][0])

    def header(kind, **options):
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        return read_stream_header(buffer.getvalue())

    assert header("JPEG") == (HEIGHT, WIDTH, 3, 8, YBR, YBR)
    assert header("JPEG2000", no_jp2=True, mct=1) == (HEIGHT, WIDTH, 3, 8, RGB, RGB)
    assert header("JPEG2000", no_jp2=False, mct=0) == (HEIGHT, WIDTH, 3, 8, "", "")
    bare = jpeg(STORED[YBR][0], YBR)
    assert read_stream_header(bare) == (HEIGHT, WIDTH, 3, 8, "", YBR)
    for cut in range(len(bare) // 4):
        read_stream_header(bare[:cut])
    assert read_stream_header(b"\x03\0\0\0\x40\0\0\0" + bytes(56)) == (0, 0, 3, 0, "", "")
    assert read_stream_header(b"anything else") is None
