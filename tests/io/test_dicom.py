import base64
import logging
import warnings

import cv2
import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate

from lvef.core.errors import DicomError, MissingExtraError
from lvef.core.records import Box
from lvef.core.terms import Sex, View
from lvef.io.dicom import read_dicom
from lvef.io.limits import SizeLimits
from tests.io.io_fabrication import (
    PERSON,
    codes,
    compressed,
    dicom,
    encoded,
    moving_grey,
    region,
    regions,
    save,
    video_bytes,
)

HTJ2K = (
    "/0//UQApQAAAAAAgAAAAIAAAAAAAAAAAAAAAIAAAACAAAAAAAAAAAAABBwEB/1AACAACAAAAAv9SAAwAAgABAAUEBEAB/1wAEyBI"
    "UFBQUFBQUFBQUFBQSEhI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAPAAAf+TwCXbAId0AMASwBLAEYAiAYd0AOAA"
    "B3QAF3MAwBNAEsASgBT+AEFUAALUZLMAIOIwUwDAFVAFRAFSkC0Eouei9CFVAIoAzJT4ulUAcYnAw4CEkFUAwBakAWjAFeCCiv28"
    "SNkLdwDZ3v7npLCUMAJ4ACCBnsALBaKI5wDfsuBQ89kABuTAOjC6+OeD/RoMI9gAwC6WAWvAK4C247y+f3jvRW/+Xjjw93Fw+P13"
    "cPj/HRz5/gh2lC0g0T5HQn0A/sPjewCA/rliw6666666kABYECwAUQH+v7/+uWOAILgQLCBbAP/Z"
)
"""HTJ2K codestream of the 32 x 32 image (8 x + y) mod 256, lossless, written with OpenJPH."""

LOSSLESS_GREY = (
    "/9j/wwALCAAYACABAREA/8QAFgABAQEAAAAAAAAAAAAAAAAABAEI/9oACAEBAAEAAM/oQhCEIQhCEIQhCEIQhCEIQhCEIqEIQh"
    "CEIQhCEIQhCEIQhCEIQhCKhCEIQhCEIQhCEIQhCEIQhCEIQioQhCEIQhCEIQhCEIQhCEIQhCEIqEIQhCEIQhCEIQhCEIQhCEIQ"
    "hCKhCEIQhCEIQhCEIQhCEIQhCEIQioQhCEIQhCEIQhCEIQhCEIQhCEIqEIQhCEIQhCEIQhCEIQhCEIQhCKhCEIQhCEIQhCEIQh"
    "CEIQhCEIRgeoQhCEIQhCEIQhCEIQhCEIQhCEYHqEIQhCEIQhCEIQhCEIQhCEIQhGB6hCEIQhCEIQhCEIQhCEIQhCEIRgeoQhCE"
    "IQhCEIQhCEIQhCEIQhCEYHqEIQhCEIQhCEIQhCEIQhCEIQhGB6hCEIQhCEIQhCEIQhCEIQhCEIRgeoQhCEIQhCEIQhCEIQhCEI"
    "QhCEYHqEIQhCEIQhCEIQhCEIQhCEIQjA6KhCEIQhCEIQhCEIQhCEIQhCEIwOioQhCEIQhCEIQhCEIQhCEIQhCMDoqEIQhCEIQh"
    "CEIQhCEIQhCEIQjA6KhCEIQhCEIQhCEIQhCEIQhCEIwOioQhCEIQhCEIQhCEIQhCEIQhCMDoqEIQhCEIQhCEIQhCEIQhCEIQjA"
    "6KhCEIQhCEIQhCEIQhCEIQhCEIwOj/2Q=="
)
"""Lossless JPEG of ``STAIRS``, written with GDCM."""

LOSSLESS_DEEP = (
    "/9j/xAAaAAEBAQEBAQEAAAAAAAAAAAAEBQMIDAEH/8MACwwAGAAgAQARAP/aAAgBAAAGAADz/wD0D0D0D0D0D0D0D0D0D0D0D0"
    "D0D0D0D+49A9A9A9A9A9A9A9A9A9A9A9A9A9A9A0UpSlKUpSlKUpwopSlKUpSlKUpThRSlKUpSlKUpThRSlKUpSlKUpSnCjRSl"
    "KUpSlKUpwopSlKUpSlKUpThRTRSlKUpSlKU4UUpSlKUpSlKUpwopTRSlKUpSlKcKKUpSlKUpSlKU4UUpTRSlKUpSlOFFKUpSlK"
    "UpSlKcKKUpTRSlKUpSnCilKUpSlKUpSlOFFKUpTRSlKUpThRSlKUpSlKUpSnCilKUp8ARRSlKUpwopSlKUpSlKUpThRSlKUpTR"
    "SlKU4UUpSlKUpSlKUpwopSlKUpTRSlKcKKUpSlKUpSlKU4UUpSlKUpTRSlOFFKUpSlKUpSlKcKKUpSlKUpTRSnCilKUpSlKUpS"
    "lOFFKUpSlKUpTRThRSlKUpSlKUpSnCilKUpSlKUpTRwopSlKUpSlKUpThRSlKUpSlKUpT9opSlKUpSlKUpThRSlKUpSlKUp8AR"
    "6AmilKUpSlKUpSlOFFKUpSlKUpSlKcKKUpSlKUpSlKcKKUpSlKUpSlKU4UaKUpSlKUpSlOFFKUpSlKUpSlKcKKaKUpSlKUpSnC"
    "ilKUpSlKUpSlOFFKaKUpSlKUpThRSlKUpSlKUpSnCilKaKUpSlKUpwopSlKUpSlKUpThRSlKaKUpSlKU4UUpSlKUpSlKUpwopS"
    "lKT/2Q=="
)
"""Lossless JPEG of 16 ``STAIRS`` + (x + y) mod 16 with 12 bits, written with imagecodecs."""

LOSSLESS_COLOUR = (
    "/9j/7gAOQWRvYmUAZAAAAAAA/8MAEQgAGAAgA1IRAEcRAEIRAP/EABoAAAMAAwEAAAAAAAAAAAAAAAIDBAABBwj/2gAMA1IARw"
    "BCAAEAAPP/ACfpFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDB3mUMCh"
    "g0MChgUMGhgUMChg0MChgUMGhgUMChg0MChgUMGhgUMChg0MChgUMGhgUMChg0MChgUMGhgUMDe8oYFDAoYNDAoYFDBoYFDAoY"
    "NDAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYG81QwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGD"
    "QwKGBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwd7yhgUMGhgUMChg0MChgUMGhgUMChg0MChgUMGhgUMChg0MChgUMGhgUMChg0"
    "MChgUMGhgUMChg0MChgbzKGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaG"
    "BveqGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGDvMoYFDBoYFDAoYNDA"
    "oYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYG95QwKGBQwaGBQwKGDQwKGBQwaGBQwKGDQwK"
    "GBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGD4H4H1LeaoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYN"
    "DAoYFDBoYFDAoYNDAoYFDBoYFDA8D8D6nveUMChg0MChgUMGhgUMChg0MChgUMGhgUMChg0MChgUMGhgUMChg0MChgUMGhgUMC"
    "hg0MChgUMGhgeB+B9T3mUMChgUMGhgUMChg0MChgUMGhgUMChg0MChgUMGhgUMChg0MChgUMGhgUMChg0MChgUMGhgUMChg+B+"
    "B9S3vVDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYHgfgfU95lDAoYNDAoY"
    "FDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYHgfgfU97yhgUMChg0MChgUMGhgUMChg0M"
    "ChgUMGhgUMChg0MChgUMGhgUMChg0MChgUMGhgUMChg0MChgUMHwPwPqW81QwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKG"
    "DQwKGBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGB4H4H1Pe8oYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFD"
    "AoYNDAoYFDBoYFDAoYPgfgfUqGDvMoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYND"
    "AoYHgfgfU6GBveqGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGB4H4H1OhgbzK"
    "GBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGD4H4H1Khg73lDAoYFDBoYFDAoYN"
    "DAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDAoYNDAoYFDBoYFDA8D8D6nQwN5qhg0MChgUMGhgUMChg0MChgUMGhgUMC"
    "hg0MChgUMGhgUMChg0MChgUMGhgUMChg0MChgUMGhgeB+B9ToYG95QwKGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGB"
    "QwKGDQwKGBQwaGBQwKGDQwKGBQwfA/A+pUMHeZQwKGBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGDQwKGBQwaGBQwKGD"
    "QwKGBQwaGBQwPA/A+p0MD/2QA="
)
"""Lossless JPEG of three components: s, s // 2 + 40 and 200 - s // 3 with s = ``STAIRS``."""

STAIRS = ((8 * np.mgrid[:24, :32][1] + np.mgrid[:24, :32][0]) % 256).astype(np.uint8)
"""The image (8 x + y) mod 256, ``(24, 32)``."""

RED = (200, 40, 30)
"""A colour whose grey (87) is another one after every mistaken conversion."""


def coloured(n=4, height=32, width=48):
    """Smooth grey with a red block at [8:24, 16:32]: ``(n, height, width, 3)`` RGB."""
    rgb = np.repeat(moving_grey(n, height, width)[..., None], 3, axis=3)
    rgb[:, 8:24, 16:32] = RED
    return rgb


def grey_of(rgb):
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in rgb])


def check_red(clip, rgb, tolerance=0):
    assert clip.frames.shape == rgb.shape[:3]
    assert np.abs(clip.frames.astype(int) - grey_of(rgb)).max() <= tolerance
    assert abs(int(clip.frames[0, 16, 24]) - 87) <= tolerance
    assert clip.chroma[12:20, 20:28].min() > 60
    assert clip.chroma[:, 40:].max() <= 8


class TestUncompressed:
    @pytest.mark.parametrize(
        "syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian]
    )
    def test_rgb(self, tmp_path, syntax):
        rgb = coloured()
        check_red(read_dicom(save(dicom(rgb, syntax=syntax), tmp_path / "a.dcm")), rgb)

    def test_rgb_by_planes(self, tmp_path):
        rgb = coloured()
        ds = dicom(rgb, PlanarConfiguration=1, PixelData=rgb.transpose(0, 3, 1, 2).tobytes())
        ds["PixelData"].VR = "OB"
        check_red(read_dicom(save(ds, tmp_path / "a.dcm")), rgb)

    def test_ybr_full_is_converted_once(self, tmp_path):
        rgb = coloured()
        ybr = np.stack([cv2.cvtColor(f, cv2.COLOR_RGB2YCrCb) for f in rgb])[..., [0, 2, 1]]
        ds = dicom(np.ascontiguousarray(ybr), "YBR_FULL")
        check_red(read_dicom(save(ds, tmp_path / "a.dcm")), rgb, tolerance=2)

    def test_ybr_full_422_is_converted_once(self, tmp_path):
        rgb = coloured()
        ybr = np.stack([cv2.cvtColor(f, cv2.COLOR_RGB2YCrCb) for f in rgb])[..., [0, 2, 1]]
        pairs = np.stack(
            [ybr[:, :, ::2, 0], ybr[:, :, 1::2, 0], ybr[:, :, ::2, 1], ybr[:, :, ::2, 2]], axis=-1
        )
        ds = dicom(rgb, "YBR_FULL_422", PixelData=pairs.tobytes())
        ds["PixelData"].VR = "OB"
        check_red(read_dicom(save(ds, tmp_path / "a.dcm")), rgb, tolerance=3)

    def test_palette(self, tmp_path):
        index = (np.indices((32, 48)).sum(axis=0) % 4).astype(np.uint8)[None]
        ds = dicom(index, "PALETTE COLOR")
        table = np.array([[0, 50, 100, 200], [0, 50, 100, 40], [0, 50, 100, 30]])
        for name, column in zip(("Red", "Green", "Blue"), table, strict=True):
            setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [4, 0, 16])
            setattr(ds, f"{name}PaletteColorLookupTableData", (column * 257).astype("<u2").tobytes())
        clip = read_dicom(save(ds, tmp_path / "a.dcm"))
        np.testing.assert_array_equal(clip.frames[0], np.array([0, 50, 100, 87])[index[0]])
        assert clip.chroma is not None

    def test_monochrome(self, tmp_path):
        grey = moving_grey()
        clip = read_dicom(save(dicom(grey), tmp_path / "a.dcm"))
        np.testing.assert_array_equal(clip.frames, grey)
        assert clip.chroma is None
        inverse = read_dicom(save(dicom(grey, "MONOCHROME1"), tmp_path / "b.dcm"))
        np.testing.assert_array_equal(inverse.frames, 255 - grey)

    def test_deep_grey_takes_the_range_of_the_whole_clip(self, tmp_path):
        deep = moving_grey().astype(np.uint16) * 16 + 300
        clip = read_dicom(save(dicom(deep, BitsStored=12, HighBit=11), tmp_path / "a.dcm"))
        expected = (deep - float(deep.min())) * 255 / (float(deep.max()) - float(deep.min()))
        assert np.abs(clip.frames - expected).max() <= 0.51

    def test_deep_grey_takes_the_window(self, tmp_path):
        deep = np.tile(np.arange(0, 4096, 64, dtype=np.uint16), (1, 4, 1))
        ds = dicom(deep, BitsStored=12, HighBit=11, WindowCenter=2000.5, WindowWidth=1001)
        clip = read_dicom(save(ds, tmp_path / "a.dcm"))
        expected = np.clip((deep[0] - 1500.0) / 1000.0 * 255, 0, 255)
        assert np.abs(clip.frames[0] - expected).max() <= 0.51

    def test_window_counts_after_rescaling(self, tmp_path):
        deep = np.tile(np.arange(0, 4096, 64, dtype=np.uint16), (1, 4, 1))
        ds = dicom(deep, WindowCenter=200.5, WindowWidth=1001, RescaleSlope="0.5", RescaleIntercept="-300")
        clip = read_dicom(save(ds, tmp_path / "a.dcm"))
        expected = np.clip((deep[0] * 0.5 - 300.0 + 300.0) / 1000.0 * 255, 0, 255)
        assert np.abs(clip.frames[0] - expected).max() <= 0.51

    def test_deep_colour(self, tmp_path):
        rgb = coloured()
        ds = dicom(rgb.astype(np.uint16) << 2, BitsStored=10, HighBit=9)
        check_red(read_dicom(save(ds, tmp_path / "a.dcm")), rgb)

    def test_big_endian(self):
        path = get_testdata_file("ExplVR_BigEnd.dcm", download=False)
        theirs = pydicom.dcmread(path).pixel_array
        np.testing.assert_array_equal(read_dicom(path).frames, grey_of(theirs.reshape(-1, 60, 80, 3)))


class TestCompressed:
    def test_rle(self, tmp_path):
        rgb = coloured()
        ds = dicom(rgb)
        ds.compress(uid.RLELossless)
        check_red(read_dicom(save(ds, tmp_path / "a.dcm")), rgb)

    def test_jpeg_ls(self, tmp_path):
        grey = moving_grey(3)
        ds = dicom(grey)
        ds.compress(uid.JPEGLSLossless)
        np.testing.assert_array_equal(read_dicom(save(ds, tmp_path / "a.dcm")).frames, grey)

    @pytest.mark.parametrize("interpretation", ["YBR_FULL_422", "YBR_FULL", "RGB"])
    @pytest.mark.parametrize("has_bot", [True, False])
    def test_jpeg_baseline(self, tmp_path, interpretation, has_bot):
        """With ``RGB`` the header lies: the JPEG itself says that it holds YCbCr."""
        rgb = coloured(20)
        ds = compressed(
            dicom(rgb, interpretation),
            uid.JPEGBaseline8Bit,
            encoded(rgb, "JPEG", quality=95),
            has_bot=has_bot,
        )
        clip = read_dicom(save(ds, tmp_path / "a.dcm"))
        assert clip.frames.shape == rgb.shape[:3]
        edge = np.ones((32, 48), bool)
        edge[4:28, 12:36] = False
        edge[12:20, 20:28] = True
        difference = np.abs(clip.frames.astype(int) - grey_of(rgb))[:, edge]
        assert difference.max() <= 6
        assert clip.chroma[14:18, 22:26].min() > 60

    def test_jpeg_baseline_grey(self, tmp_path):
        grey = moving_grey(3)
        ds = compressed(dicom(grey), uid.JPEGBaseline8Bit, encoded(grey, "JPEG", quality=95))
        clip = read_dicom(save(ds, tmp_path / "a.dcm"))
        assert np.abs(clip.frames.astype(int) - grey).max() <= 4
        assert clip.chroma is None

    @pytest.mark.parametrize("interpretation", ["YBR_RCT", "RGB"])
    def test_jpeg_2000(self, tmp_path, interpretation):
        rgb = coloured(2)
        fragments = encoded(
            rgb, "JPEG2000", no_jp2=True, irreversible=False, mct=int(interpretation == "YBR_RCT")
        )
        ds = compressed(dicom(rgb, interpretation), uid.JPEG2000Lossless, fragments)
        check_red(read_dicom(save(ds, tmp_path / "a.dcm")), rgb)

    def test_htj2k(self, tmp_path):
        y, x = np.mgrid[:32, :32]
        picture = ((8 * x + y) % 256).astype(np.uint8)
        ds = compressed(dicom(picture[None]), uid.HTJ2KLossless, [base64.b64decode(HTJ2K)])
        np.testing.assert_array_equal(read_dicom(save(ds, tmp_path / "a.dcm")).frames[0], picture)

    @pytest.mark.parametrize("syntax", [uid.JPEGLosslessSV1, uid.JPEGLossless])
    def test_jpeg_lossless(self, tmp_path, syntax):
        ds = compressed(dicom(STAIRS[None]), syntax, [base64.b64decode(LOSSLESS_GREY)])
        clip = read_dicom(save(ds, tmp_path / "a.dcm"))
        np.testing.assert_array_equal(clip.frames[0], STAIRS)
        assert clip.chroma is None

    def test_jpeg_lossless_deep(self, tmp_path):
        x_plus_y = np.add(*np.mgrid[:24, :32])
        deep = STAIRS.astype(np.uint16) * 16 + x_plus_y % 16
        ds = dicom(
            deep[None].astype(np.uint16), BitsStored=12, HighBit=11, WindowCenter=2048, WindowWidth=4096
        )
        ds = compressed(ds, uid.JPEGLosslessSV1, [base64.b64decode(LOSSLESS_DEEP)])
        clip = read_dicom(save(ds, tmp_path / "a.dcm"))
        assert np.abs(clip.frames[0] - deep * 255 / 4095).max() <= 0.51

    def test_jpeg_lossless_of_16_bits_is_refused_rather_than_misread(self, tmp_path):
        data = base64.b64decode(LOSSLESS_DEEP)
        assert data.count(b"\xff\xc3\x00\x0b\x0c") == 1
        data = data.replace(b"\xff\xc3\x00\x0b\x0c", b"\xff\xc3\x00\x0b\x10")
        ds = compressed(dicom(STAIRS[None].astype(np.uint16)), uid.JPEGLosslessSV1, [data])
        with pytest.raises(DicomError, match=r"a\.dcm has no frame that could be decoded as JPEG Lossless"):
            read_dicom(save(ds, tmp_path / "a.dcm"))

    @pytest.mark.parametrize("interpretation", ["RGB", "YBR_FULL"])
    def test_jpeg_lossless_colour(self, tmp_path, interpretation):
        stored = np.stack([STAIRS, STAIRS // 2 + 40, 200 - STAIRS // 3], axis=-1)
        ds = compressed(
            dicom(stored[None], interpretation), uid.JPEGLosslessSV1, [base64.b64decode(LOSSLESS_COLOUR)]
        )
        clip = read_dicom(save(ds, tmp_path / "a.dcm"))
        rgb = stored if interpretation == "RGB" else cv2.cvtColor(stored[..., [0, 2, 1]], cv2.COLOR_YCrCb2RGB)
        np.testing.assert_array_equal(clip.frames, grey_of(rgb[None]))
        assert clip.chroma.max() > 40

    def test_damaged_jpeg_lossless(self, tmp_path, capfd):
        data = base64.b64decode(LOSSLESS_GREY)
        path = save(
            compressed(dicom(STAIRS[None]), uid.JPEGLosslessSV1, [data[:100] + b"\xff\xd9"]),
            tmp_path / "bad.dcm",
        )
        with pytest.raises(DicomError, match=r"bad\.dcm has no frame that could be decoded as JPEG Lossless"):
            read_dicom(path)
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize(
        ("syntax", "codec", "container"),
        [
            (uid.MPEG4HP41, "libx264", "h264"),
            (uid.MPEG4HP41, "libx264", "mp4"),
            (uid.MPEG4HP42STEREO, "libx264", "mpegts"),
            (uid.HEVCMP51, "libx265", "hevc"),
            (uid.MPEG2MPML, "mpeg2video", "mpeg2video"),
        ],
    )
    def test_video_streams(self, tmp_path, syntax, codec, container):
        grey = moving_grey(10)
        stream = video_bytes(grey, codec, "yuv420p", container)
        half = len(stream) // 2
        half -= half % 2
        ds = compressed(
            dicom(np.repeat(grey[..., None], 3, 3), "YBR_PARTIAL_420", FrameTime="40"),
            syntax,
            [stream[:half] + stream[half:]],
        )
        ds.PixelData = encapsulate([stream[:half], stream[half:]], has_bot=False)
        ds["PixelData"].is_undefined_length = True
        clip = read_dicom(save(ds, tmp_path / "a.dcm"))
        assert clip.frames.shape == grey.shape
        assert np.abs(clip.frames.astype(int) - grey).mean() < 4
        assert clip.timing == "FrameTime"
        np.testing.assert_allclose(clip.times_s, np.arange(10) * 0.04)

    def test_video_stream_without_dicom_times_keeps_its_own(self, tmp_path):
        grey = moving_grey(10)
        ds = dicom(np.repeat(grey[..., None], 3, 3), "YBR_PARTIAL_420")
        ds = compressed(ds, uid.MPEG4HP41, [video_bytes(grey, "libx264", "yuv420p", "mp4")])
        clip = read_dicom(save(ds, tmp_path / "a.dcm"))
        assert clip.timing == "container"
        np.testing.assert_allclose(clip.times_s, np.arange(10) / 25, atol=1e-6)

    def test_damaged_video_stream(self, tmp_path):
        ds = dicom(np.repeat(moving_grey(4)[..., None], 3, 3), "YBR_PARTIAL_420")
        path = save(compressed(ds, uid.MPEG4HP41, [b"\x11" * 400]), tmp_path / "a.dcm")
        with pytest.raises(DicomError, match=r"a\.dcm"):
            read_dicom(path)


class TestDamaged:
    def test_cut_uncompressed(self, tmp_path):
        grey = moving_grey(10)
        path = save(dicom(grey, FrameTime="20"), tmp_path / "a.dcm")
        path.write_bytes(path.read_bytes()[: -3 * grey[0].size - 100])
        clip = read_dicom(path)
        np.testing.assert_array_equal(clip.frames, grey[:6])
        assert codes(clip) == ["truncated"]
        assert clip.notices[0].text.startswith("6 of 10 frames")
        np.testing.assert_allclose(clip.times_s, np.arange(6) * 0.02)

    @pytest.mark.parametrize("has_bot", [True, False])
    def test_cut_compressed(self, tmp_path, has_bot):
        grey = moving_grey(10)
        fragments = encoded(grey, "JPEG", quality=95)
        ds = compressed(dicom(grey), uid.JPEGBaseline8Bit, fragments, has_bot=has_bot)
        path = save(ds, tmp_path / "a.dcm")
        path.write_bytes(path.read_bytes()[: -len(fragments[-1]) - len(fragments[-2]) - 40])
        clip = read_dicom(path)
        assert len(clip.frames) == 7
        assert "truncated" in codes(clip)

    def test_frame_count_that_is_too_high(self, tmp_path):
        grey = moving_grey(5)
        ds = compressed(dicom(grey), uid.JPEGBaseline8Bit, encoded(grey, "JPEG"), has_bot=False)
        ds.NumberOfFrames = 9
        clip = read_dicom(save(ds, tmp_path / "a.dcm"))
        assert len(clip.frames) == 5
        assert "truncated" in codes(clip)

    def test_frame_of_another_size_ends_the_clip(self, tmp_path):
        rgb = coloured(4)
        fragments = encoded([rgb[0], rgb[1], rgb[2, :16], rgb[3]], "JPEG", quality=95)
        ds = compressed(dicom(rgb, "YBR_FULL_422"), uid.JPEGBaseline8Bit, fragments)
        clip = read_dicom(save(ds, tmp_path / "a.dcm"))
        assert clip.frames.shape == (2, 32, 48)
        assert clip.chroma.shape == (32, 48)
        assert "truncated" in codes(clip)

    def test_nothing_decodes(self, tmp_path):
        grey = moving_grey(3)
        path = save(compressed(dicom(grey), uid.JPEGBaseline8Bit, [b"\x00" * 50] * 3), tmp_path / "bad.dcm")
        with pytest.raises(DicomError, match=r"bad\.dcm has no frame that could be decoded as JPEG Baseline"):
            read_dicom(path)

    def test_cut_before_the_first_frame_ends(self, tmp_path):
        path = save(dicom(moving_grey(3)), tmp_path / "bad.dcm")
        path.write_bytes(path.read_bytes()[: -3 * 64 * 96 + 100])
        with pytest.raises(DicomError, match=r"bad\.dcm has no frame .* cut off or damaged"):
            read_dicom(path)

    def test_cut_before_the_pixel_data(self, tmp_path):
        path = save(dicom(moving_grey(3)), tmp_path / "bad.dcm")
        path.write_bytes(path.read_bytes()[: -3 * 64 * 96 - 12])
        with pytest.raises(DicomError, match=r"bad\.dcm .* pixel data is missing"):
            read_dicom(path)

    def test_cut_in_the_header(self, tmp_path):
        path = save(dicom(moving_grey(3)), tmp_path / "bad.dcm")
        path.write_bytes(path.read_bytes()[:300])
        with pytest.raises(DicomError, match=r"bad\.dcm"):
            read_dicom(path)

    def test_element_of_the_wrong_length(self, tmp_path):
        """pydicom's complaint quotes the bytes that follow: here they are the person's."""
        path = save(dicom(moving_grey(3)), tmp_path / "bad.dcm")
        data = path.read_bytes()
        tag = b"\x28\x00\x10\x00US\x02\x00"
        assert data.count(tag) == 1
        path.write_bytes(data.replace(tag, b"\x28\x00\x10\x00US\x03\x00"))
        with pytest.raises(DicomError, match=r"bad\.dcm is a DICOM file without an image"):
            read_dicom(path)

    def test_cut_deflated(self, tmp_path):
        path = save(dicom(moving_grey(3), syntax=uid.DeflatedExplicitVRLittleEndian), tmp_path / "bad.dcm")
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(DicomError, match=r"bad\.dcm"):
            read_dicom(path)

    def test_compressed_frames_with_an_uncompressed_syntax(self, tmp_path):
        grey = moving_grey(2)
        ds = compressed(dicom(grey), uid.JPEGBaseline8Bit, encoded(grey, "JPEG"))
        path = save(ds, tmp_path / "lie.dcm")
        data = path.read_bytes()
        path.write_bytes(data.replace(b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.1\0\0\0"))
        with pytest.raises(DicomError, match=r"lie\.dcm holds compressed frames"):
            read_dicom(path)


class TestRefused:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("reportsi.dcm", r"without an image \(Basic Text SR Storage\)"),
            ("rtplan.dcm", r"without an image \(RT Plan Storage\)"),
            ("DICOMDIR", "DICOMDIR"),
        ],
    )
    def test_not_an_image(self, name, words):
        path = get_testdata_file(name, download=False)
        with pytest.raises(DicomError, match=f"{name} is a .*{words}"):
            read_dicom(path)

    def test_unknown_transfer_syntax(self, tmp_path):
        ds = compressed(dicom(moving_grey(2)), uid.UID("1.3.6.1.4.1.99999.7"), [b"ab", b"cd"])
        with pytest.raises(
            DicomError, match=r"a\.dcm has the transfer syntax 1\.3\.6\.1\.4\.1\.99999\.7 .* not supported"
        ):
            read_dicom(save(ds, tmp_path / "a.dcm"))

    def test_missing_decoder(self, tmp_path, monkeypatch):
        from pydicom.pixels.decoders.base import Decoder

        monkeypatch.setattr(Decoder, "is_available", property(lambda self: False))
        ds = dicom(moving_grey(2))
        ds.compress(uid.JPEGLSLossless)
        with pytest.raises(MissingExtraError) as caught:
            read_dicom(save(ds, tmp_path / "a.dcm"))
        assert "a.dcm: decoding the transfer syntax JPEG-LS Lossless" in str(caught.value)
        assert 'pip install "lvef[dicom]"' in str(caught.value)

    def test_declared_size_is_checked_before_decoding(self, tmp_path):
        ds = dicom(moving_grey(2))
        ds.NumberOfFrames = 100_000
        path = save(ds, tmp_path / "many.dcm")
        # What the header says is not believed: the data holds two.
        assert (len(read_dicom(path).frames), codes(read_dicom(path))) == (
            2,
            ["truncated", "assumed_frame_rate"],
        )
        with pytest.raises(DicomError, match=r"many\.dcm has 2 frames or more; at most 1"):
            read_dicom(path, SizeLimits(1))
        with pytest.raises(DicomError, match=r"many\.dcm has 2 frames of 96 x 64 pixels, more than"):
            read_dicom(path, SizeLimits(max_pixels=10_000))
        ds.NumberOfFrames, ds.Rows = 2, 5000
        with pytest.raises(DicomError, match=r"tall\.dcm has frames of 96 x 5000 pixels; at most 4096"):
            read_dicom(save(ds, tmp_path / "tall.dcm"))
        ds.NumberOfFrames, ds.Rows, ds.Columns = 4000, 4000, 4000
        with pytest.raises(DicomError, match=r"huge\.dcm has no frame .* cut off or damaged"):
            read_dicom(save(ds, tmp_path / "huge.dcm"))


class TestFacts:
    def test_sex_rate_view_and_r_waves(self, tmp_path):
        view = pydicom.Dataset()
        view.CodeValue, view.CodingSchemeDesignator = "399232001", "SCT"
        ds = dicom(
            moving_grey(),
            PatientSex="F",
            HeartRate="72",
            FrameTime="20",
            RWaveTimeVector=[40.0, 200.0, 900.0],
            ViewCodeSequence=regions(view),
        )
        clip = read_dicom(save(ds, tmp_path / "a.dcm"))
        assert (clip.sex, clip.heart_rate_bpm, clip.view) == (Sex.FEMALE, 72.0, View.A2C)
        assert clip.r_wave_times_s == pytest.approx((0.04, 0.2))

    @pytest.mark.parametrize(("sex", "rate"), [("O", "0"), ("", ""), ("M ", "900")])
    def test_fillers_are_unknown(self, tmp_path, sex, rate):
        clip = read_dicom(save(dicom(moving_grey(), PatientSex=sex, HeartRate=rate), tmp_path / "a.dcm"))
        assert clip.heart_rate_bpm is None
        assert clip.sex == (Sex.MALE if sex == "M " else None)
        assert clip.view is View.UNKNOWN

    def test_other_modality_is_noticed(self, tmp_path):
        clip = read_dicom(save(dicom(moving_grey(1), Modality="CT"), tmp_path / "a.dcm"))
        assert codes(clip) == ["modality"]
        assert "CT" in clip.notices[0].text

    def test_without_preamble(self, tmp_path):
        grey = moving_grey(2)
        for implicit in (True, False):
            ds = dicom(grey)
            path = tmp_path / f"bare{implicit}"
            bare = pydicom.Dataset()
            bare.update(ds)
            bare.save_as(path, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
            np.testing.assert_array_equal(read_dicom(path).frames, grey)


class TestPydicomsCine:
    @pytest.fixture
    def clip(self):
        return read_dicom(get_testdata_file("examples_ybr_color.dcm", download=False))

    def test_grey_is_luma(self, clip):
        theirs = grey_of(
            pydicom.dcmread(get_testdata_file("examples_ybr_color.dcm", download=False)).pixel_array
        )
        assert clip.frames.shape == (30, 240, 320)
        assert np.abs(clip.frames.astype(int) - theirs).mean() < 0.5

    def test_times(self, clip):
        assert clip.timing == "FrameTime"
        np.testing.assert_allclose(clip.times_s, np.arange(30) * 0.033333)

    def test_scale_of_another_size_is_void(self, clip):
        assert clip.spacing is None
        assert clip.region is None
        assert "(84,31)-(595,414)" in clip.spacing_note
        assert "does not fit the 320 x 240 frame" in clip.spacing_note

    def test_unknown_facts(self, clip):
        assert (clip.heart_rate_bpm, clip.sex, clip.r_wave_times_s, clip.notices) == (None, None, (), ())


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("examples_rgb_color.dcm", 0),
        ("examples_jpeg2k.dcm", 0),
        ("SC_rgb_jpeg.dcm", 0),
        ("SC_jpeg_no_color_transform.dcm", 0),
        ("SC_rgb_jpeg_dcmtk.dcm", 2),
        ("SC_ybr_full_422_uncompressed.dcm", 0),
        ("SC_rgb_rle_16bit.dcm", 1),
    ],
)
def test_grey_of_pydicoms_colour_examples(name, tolerance):
    path = get_testdata_file(name, download=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = pydicom.dcmread(path).pixel_array
    theirs = theirs if theirs.dtype == np.uint8 else (theirs >> 8).astype(np.uint8)
    assert np.abs(read_dicom(path).frames.astype(int) - grey_of(theirs[None])).max() <= tolerance


def test_nothing_of_a_person_comes_out(tmp_path, caplog, capfd):
    """Names, numbers and places stay in the file, even where pydicom would complain by quoting them."""
    caplog.set_level(logging.DEBUG)
    base = moving_grey(6)
    with pydicom.config.disable_value_validation():
        good = dicom(base, SequenceOfUltrasoundRegions=regions(region()), FrameTime="20", Modality=PERSON[0])
        odd = dicom(base, PatientBirthDate=PERSON[0], PatientSex=PERSON[0])
        odd.add_new("CineRate", "LO", PERSON[0])
        odd.add_new("HeartRate", "LO", PERSON[1])
        files = [save(ds, tmp_path / f"{number}.dcm") for number, ds in enumerate([good, odd])]
    said = []
    for path in files:
        data = path.read_bytes()
        for cut in (0, 200, 20_000, len(data) - 900, len(data) - 700):
            path.write_bytes(data[: len(data) - cut])
            try:
                clip = read_dicom(path)
                said += [repr(clip), str(clip.spacing_note), *(notice.text for notice in clip.notices)]
            except DicomError as error:
                said += [str(error), repr(error.__cause__), str(error.__suppress_context__)]
    assert len(said) >= 20
    text = "\n".join(said) + caplog.text + "".join(capfd.readouterr())
    for word in PERSON:
        assert word not in text
    assert "Traceback" not in text


def test_region_and_scale_reach_the_clip(tmp_path):
    ds = dicom(moving_grey(), SequenceOfUltrasoundRegions=regions(region()))
    clip = read_dicom(save(ds, tmp_path / "a.dcm"))
    assert clip.region == Box(10, 5, 91, 61)
    assert (clip.spacing.x_mm, clip.spacing.y_mm) == pytest.approx((0.5, 0.4))
    assert clip.spacing_note == ""
