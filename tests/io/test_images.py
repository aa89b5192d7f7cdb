import zlib

import nibabel
import numpy as np
import pytest
from PIL import Image

from lvef.core.errors import DataError, VideoError
from lvef.io.images import IMAGE_NOTE, read_labels, read_still
from lvef.io.limits import SizeLimits
from lvef.io.open import open_clip
from lvef.io.probe import probe
from tests.bombs import vast_png
from tests.io.io_fabrication import codes, moving_grey

GREY = moving_grey(1)[0]
LABELS = np.zeros((20, 30), np.uint8)
LABELS[2:9, 4:20] = 1
LABELS[9:14, 6:28] = 2
LABELS[15:, 1:5] = 3


def picture(path, values, **options):
    Image.fromarray(values).save(path, **options)
    return path


class TestPictures:
    @pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
    def test_grey(self, tmp_path, suffix):
        clip = read_still(picture(tmp_path / f"a.{suffix}", GREY))
        np.testing.assert_array_equal(clip.frames, GREY[None])
        assert (clip.timing, clip.times_s.tolist(), clip.chroma) == ("still", [0.0], None)
        assert (clip.spacing, clip.spacing_note, clip.notices) == (None, IMAGE_NOTE, ())

    @pytest.mark.parametrize("suffix", ["jpg", "webp"])
    def test_lossy(self, tmp_path, suffix):
        clip = read_still(picture(tmp_path / f"a.{suffix}", GREY, quality=95))
        assert np.abs(clip.frames[0].astype(int) - GREY).max() <= 5

    def test_colour_and_transparency(self, tmp_path):
        rgba = np.zeros((40, 50, 4), np.uint8)
        rgba[..., :3], rgba[..., 3] = 90, 7
        rgba[10:30, 10:30, :3] = (200, 40, 30)
        clip = read_still(picture(tmp_path / "a.png", rgba))
        assert clip.frames[0, 0, 0] == 90
        assert abs(int(clip.frames[0, 20, 20]) - 87) <= 1
        assert clip.chroma[20, 20] > 60
        assert clip.chroma[0, 0] <= 1

    def test_palette(self, tmp_path):
        image = Image.fromarray(np.repeat(GREY[..., None], 3, 2)).convert("P", palette=Image.Palette.ADAPTIVE)
        image.save(tmp_path / "a.png", transparency=bytes([9, 255]))
        assert np.abs(read_still(tmp_path / "a.png").frames[0].astype(int) - GREY).max() <= 2

    @pytest.mark.parametrize("suffix", ["png", "tif"])
    def test_sixteen_bit_is_stretched(self, tmp_path, suffix):
        deep = GREY.astype(np.uint16) * 11 + 400
        clip = read_still(picture(tmp_path / f"a.{suffix}", deep))
        span = float(GREY.max()) - float(GREY.min())
        assert np.abs(clip.frames[0] - (GREY - float(GREY.min())) * 255 / span).max() <= 0.51

    def test_sixteen_bit_file_of_eight_bit_values_is_kept(self, tmp_path):
        np.testing.assert_array_equal(
            read_still(picture(tmp_path / "a.png", GREY.astype(np.uint16))).frames[0], GREY
        )

    def test_orientation_mark_is_obeyed(self, tmp_path):
        image = Image.fromarray(GREY)
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(tmp_path / "a.jpg", exif=exif, quality=95)
        clip = read_still(tmp_path / "a.jpg")
        assert np.abs(clip.frames[0].astype(int) - np.rot90(GREY, -1)).max() <= 5

    def test_an_image_with_smaller_copies_is_one_image(self, tmp_path):
        first = Image.fromarray(GREY)
        first.save(tmp_path / "a.tif", save_all=True, append_images=[first.resize((48, 32))])
        clip = read_still(tmp_path / "a.tif")
        np.testing.assert_array_equal(clip.frames, GREY[None])
        assert codes(clip) == ["first_page"]
        assert probe(tmp_path / "a.tif").n_frames == 1

    @pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "jpg"])
    def test_pixels_that_are_not_square(self, tmp_path, suffix):
        """An image whose dots are twice as dense down as across: pixels twice as wide as high."""
        clip = read_still(picture(tmp_path / f"a.{suffix}", GREY, dpi=(100, 200)))
        assert clip.pixel_aspect == pytest.approx(0.5, rel=0.01)
        assert clip.spacing_note == IMAGE_NOTE
        assert read_still(picture(tmp_path / f"b.{suffix}", GREY, dpi=(96, 96))).spacing is None

    def test_what_is_wholly_transparent_is_black(self, tmp_path):
        rgba = np.full((40, 50, 4), 255, np.uint8)
        rgba[10:30, 10:30, :3], rgba[:5, :, 3] = 90, 0
        frame = read_still(picture(tmp_path / "a.png", rgba)).frames[0]
        assert (frame[:5] == 0).all()
        assert (frame[5:10] == 255).all()
        rgba[..., 3] = 0
        frame = read_still(picture(tmp_path / "b.png", rgba)).frames[0]
        assert frame[20, 20] == 90, "a channel that was never filled hides nothing"

    @pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp"])
    def test_cut_off(self, tmp_path, suffix):
        path = picture(
            tmp_path / f"cut.{suffix}", np.random.default_rng(0).integers(0, 255, (90, 90), dtype=np.uint8)
        )
        path.write_bytes(path.read_bytes()[:2000])
        with pytest.raises(VideoError, match=rf"cut\.{suffix} is a \w+ image that is damaged or cut off"):
            read_still(path)

    def test_too_large(self, tmp_path):
        path = picture(tmp_path / "big.png", np.zeros((5000, 5000), np.uint8))
        with pytest.raises(VideoError, match=r"big\.png has frames of 5000 x 5000 pixels; at most 4096"):
            read_still(path)
        with pytest.raises(VideoError, match=r"big\.png"):
            read_labels(path)

    def test_another_kind(self, tmp_path):
        (tmp_path / "a.png").write_bytes(b"RIFF\0\0\0\0AVI LIST")
        with pytest.raises(VideoError, match=r"a\.png is a AVI video, not a still"):
            read_still(tmp_path / "a.png")


def animation(path, frames, durations, **options):
    """Frames as an animated image, each shown for so many milliseconds."""
    first, *others = (Image.fromarray(frame) for frame in frames)
    options = {"lossless": True} | options if path.suffix == ".webp" else options
    first.save(path, save_all=True, append_images=others, duration=durations, **options)
    return path


SMALL = moving_grey(12, 40, 60)


class TestAnimations:
    @pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
    def test_frames_and_times(self, tmp_path, suffix):
        path = animation(tmp_path / f"a.{suffix}", SMALL, 80)
        clip = read_still(path)
        assert np.abs(clip.frames.astype(int) - SMALL).max() <= (0 if suffix != "gif" else 1)
        np.testing.assert_allclose(clip.times_s, np.arange(12) * 0.08)
        assert (clip.timing, codes(clip)) == ("container", [])
        header = probe(path)
        assert (header.n_frames, header.height_px, header.width_px) == SMALL.shape
        assert header.frame_rate_hz == pytest.approx(12.5)
        assert open_clip(path).frames.shape == SMALL.shape

    @pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
    def test_uneven_times(self, tmp_path, suffix):
        shown = [60, 60, 120, 60, 60, 180, 60, 60, 60, 60, 60, 60]
        clip = read_still(animation(tmp_path / f"a.{suffix}", SMALL, shown))
        np.testing.assert_allclose(clip.times_s, np.concatenate([[0], np.cumsum(shown[:-1])]) / 1000)

    @pytest.mark.parametrize("suffix", ["gif", "png"])
    def test_no_times(self, tmp_path, suffix):
        clip = read_still(animation(tmp_path / f"a.{suffix}", SMALL, 0))
        assert (clip.timing, codes(clip)) == ("assumed", ["assumed_frame_rate"])
        assert clip.frame_rate_hz == pytest.approx(50)

    @pytest.mark.parametrize(("shown_ms", "wanted"), [(1, "1000 Hz"), (1000, "1 Hz")])
    def test_times_that_cannot_be(self, tmp_path, shown_ms, wanted):
        clip = read_still(animation(tmp_path / "a.webp", SMALL, shown_ms))
        assert codes(clip) == ["bad_timing", "assumed_frame_rate"]
        assert wanted in clip.notices[0].text

    def test_the_clock_of_a_gif_is_coarse(self, tmp_path):
        clip = read_still(animation(tmp_path / "a.gif", SMALL, 20))
        assert codes(clip) == ["coarse_times"]
        assert "50 Hz stand for 40 to 66.7 Hz" in clip.notices[0].text

    def test_palette_and_changed_parts_of_a_gif(self, tmp_path):
        frames = np.repeat(SMALL[:1], 6, axis=0)
        for i in range(6):
            frames[i, 5 : 10 + i, 8:20] = 200
        images = [Image.fromarray(np.repeat(f[..., None], 3, 2)).quantize(64) for f in frames]
        images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=60)
        clip = read_still(tmp_path / "a.gif")
        assert np.abs(clip.frames.astype(int) - frames).max() <= 12
        assert clip.chroma.max() <= 8

    def test_the_image_for_programs_without_apng_is_no_frame(self, tmp_path):
        path = animation(tmp_path / "a.png", [255 - SMALL[0], *SMALL], 60, default_image=True)
        np.testing.assert_array_equal(read_still(path).frames, SMALL)
        assert probe(path).n_frames == 12

    def test_pages_of_a_tiff_are_frames(self, tmp_path):
        deep = SMALL.astype(np.uint16) * 100
        path = animation(tmp_path / "a.tif", deep, 0)
        clip = read_still(path)
        low, high = float(SMALL.min()), float(SMALL.max())
        assert np.abs(clip.frames - (SMALL - low) * 255 / (high - low)).max() <= 0.51, "one stretch for all"
        assert (clip.timing, codes(clip)) == ("assumed", ["assumed_frame_rate"])
        assert probe(path).n_frames == 12

    def test_interval_of_imagej(self, tmp_path):
        text = "ImageJ=1.53t\nimages=12\nframes=12\nfinterval=0.02\nfps=7.0\n"
        clip = read_still(animation(tmp_path / "a.tif", SMALL, 0, description=text))
        assert (clip.timing, codes(clip)) == ("finterval", [])
        np.testing.assert_allclose(clip.times_s, np.arange(12) * 0.02)

    @pytest.mark.parametrize("suffix", ["gif", "png"])
    def test_cut_off(self, tmp_path, suffix):
        noise = np.random.default_rng(0).integers(0, 255, (12, 60, 60), dtype=np.uint8)
        path = animation(tmp_path / f"a.{suffix}", noise, 80)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        clip = read_still(path)
        assert 3 <= len(clip.frames) < 9
        assert codes(clip) == ["truncated"]
        path.write_bytes(data[:300])
        with pytest.raises(VideoError, match="damaged or cut off"):
            read_still(path)

    @pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
    def test_limits(self, tmp_path, suffix):
        path = animation(tmp_path / f"a.{suffix}", SMALL, 80)
        with pytest.raises(VideoError, match="has 12 frames or more; at most 5"):
            read_still(path, SizeLimits(5))
        with pytest.raises(VideoError, match="more than the 9,000 pixels"):
            read_still(path, SizeLimits(max_pixels=9000))

    def test_shape_of_a_gifs_pixels(self, tmp_path):
        path = animation(tmp_path / "a.gif", SMALL, 80)
        data = bytearray(path.read_bytes())
        data[12] = 113  # (113 + 15) / 64 = 2, width over height
        path.write_bytes(data)
        assert read_still(path).pixel_aspect == pytest.approx(0.5)

    def test_labels_keep_all_pages(self, tmp_path):
        path = animation(tmp_path / "a.tif", np.stack([LABELS, LABELS.T.reshape(20, 30)]), 0)
        np.testing.assert_array_equal(read_labels(path)[0], LABELS)
        assert read_labels(path).shape == read_still(path).frames.shape == (2, 20, 30)


def nifti(path, array, zooms=None, units=("mm", "unknown"), fourth=None, kind=nibabel.Nifti1Image):
    image = kind(array, np.diag([-1.0, -1.0, 1.0, 1.0]))
    if zooms is not None:
        image.header["pixdim"][1:3] = zooms
    if fourth is not None:
        image.header["pixdim"][4] = fourth
    image.header.set_xyzt_units(*units)
    image.header["vox_offset"] = 0
    nibabel.save(image, path)
    return path


class TestNifti:
    @pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
    @pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
    def test_still_is_turned_over(self, tmp_path, suffix, kind):
        clip = read_still(nifti(tmp_path / f"a.{suffix}", GREY.T.copy(), (0.3, 0.15), kind=kind))
        np.testing.assert_array_equal(clip.frames, GREY[None])
        assert (clip.spacing.x_mm, clip.spacing.y_mm) == pytest.approx((0.3, 0.15))
        assert clip.spacing.source == "NIfTI pixdim"
        assert clip.timing == "still"

    @pytest.mark.parametrize(("zooms", "said"), [((1.0, 1.0), ["unit_spacing"]), ((1.0, 0.5), [])])
    def test_a_spacing_of_one_may_be_a_filler(self, tmp_path, zooms, said):
        assert codes(read_still(nifti(tmp_path / "a.nii", GREY.T.copy(), zooms))) == said

    @pytest.mark.parametrize(
        ("fourth", "time_unit", "source", "step"),
        [(20.0, "msec", "pixdim", 0.02), (0.04, "sec", "pixdim", 0.04), (1.0, "unknown", "assumed", 0.02)],
    )
    def test_sequence(self, tmp_path, fourth, time_unit, source, step):
        grey = moving_grey(6)
        path = nifti(tmp_path / "a.nii.gz", grey.transpose(2, 1, 0), (0.3, 0.3), ("mm", time_unit), fourth)
        clip = read_still(path)
        np.testing.assert_array_equal(clip.frames, grey)
        assert clip.timing == source
        np.testing.assert_allclose(clip.times_s, np.arange(6) * step, rtol=1e-6)
        assert codes(clip) == ([] if source == "pixdim" else ["assumed_frame_rate"])

    def test_sequence_with_a_third_axis_of_one(self, tmp_path):
        grey = moving_grey(6)
        path = nifti(
            tmp_path / "a.nii", grey.transpose(2, 1, 0)[:, :, None], (0.3, 0.3), ("mm", "msec"), 25.0
        )
        clip = read_still(path)
        np.testing.assert_array_equal(clip.frames, grey)
        np.testing.assert_allclose(clip.times_s, np.arange(6) * 0.025)

    def test_header_that_nobody_filled_is_no_scale(self, tmp_path):
        clip = read_still(nifti(tmp_path / "a.nii", GREY.T.copy(), units=("unknown", "unknown")))
        assert clip.spacing is None
        assert "not filled" in clip.spacing_note

    def test_metres(self, tmp_path):
        clip = read_still(nifti(tmp_path / "a.nii", GREY.T.copy(), (0.0003, 0.0004), ("meter", "sec")))
        assert (clip.spacing.x_mm, clip.spacing.y_mm) == pytest.approx((0.3, 0.4))

    def test_float_between_0_and_1(self, tmp_path):
        clip = read_still(nifti(tmp_path / "a.nii", (GREY.T / 255).astype(np.float32)))
        low, high = float(GREY.min()), float(GREY.max())
        assert np.abs(clip.frames[0] - (GREY - low) * 255 / (high - low)).max() <= 0.51

    def test_volume_is_refused(self, tmp_path):
        path = nifti(tmp_path / "vol.nii", np.zeros((4, 5, 6, 7), np.uint8))
        with pytest.raises(VideoError, match=r"vol\.nii has the shape \(4, 5, 6, 7\): expected an image"):
            read_still(path)

    @pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
    def test_cut_off(self, tmp_path, suffix):
        noise = np.random.default_rng(0).integers(0, 255, (90, 90), dtype=np.uint8)
        path = nifti(tmp_path / f"cut.{suffix}", noise)
        path.write_bytes(path.read_bytes()[:3000])
        with pytest.raises(VideoError, match=rf"cut\.{suffix} is .*(cut off|damaged).*[Cc]opy it again"):
            read_still(path)

    def test_declared_size_is_checked_first(self, tmp_path):
        path = nifti(tmp_path / "huge.nii", GREY.T.copy())
        data = bytearray(path.read_bytes())
        data[40:48] = np.array([3, 3000, 3000, 3000], "<i2").tobytes()
        path.write_bytes(data)
        with pytest.raises(VideoError, match=r"huge\.nii has 3000 frames of 3000 x 3000 pixels, more than"):
            read_still(path)


def metaimage(path, values, data_name=None, keys="", compress=False, dtype="MET_UCHAR"):
    frames, height, width = values.shape
    data = zlib.compress(values.tobytes()) if compress else values.tobytes()
    header = (
        f"ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = {compress}\n"
        f"DimSize = {width} {height} {frames}\nElementSpacing = 0.308 0.154 1\n{keys}"
        f"ElementType = {dtype}\nElementDataFile = {data_name or 'LOCAL'}\n"
    ).encode()
    path.write_bytes(header if data_name else header + data)
    if data_name:
        (path.parent / data_name).write_bytes(data)
    return path


class TestMetaImage:
    @pytest.mark.parametrize("compress", [False, True])
    @pytest.mark.parametrize("data_name", [None, "a.raw"])
    def test_still(self, tmp_path, compress, data_name):
        clip = read_still(metaimage(tmp_path / "a.mhd", GREY[None], data_name, compress=compress))
        np.testing.assert_array_equal(clip.frames, GREY[None])
        assert (clip.spacing.x_mm, clip.spacing.y_mm) == (0.308, 0.154)
        assert clip.timing == "still"

    def test_sequence(self, tmp_path):
        grey = moving_grey(5)
        clip = read_still(metaimage(tmp_path / "a.mha", grey))
        np.testing.assert_array_equal(clip.frames, grey)
        assert codes(clip) == ["assumed_frame_rate"]

    def test_big_endian_sixteen_bit(self, tmp_path):
        deep = GREY[None].astype(">u2")
        clip = read_still(
            metaimage(tmp_path / "a.mha", deep, keys="ElementByteOrderMSB = True\n", dtype="MET_USHORT")
        )
        np.testing.assert_array_equal(clip.frames, GREY[None])

    def test_missing_data_file(self, tmp_path):
        path = metaimage(tmp_path / "lost.mhd", GREY[None], "lost.raw")
        (tmp_path / "lost.raw").unlink()
        with pytest.raises(VideoError, match=r"lost\.mhd needs its data file lost\.raw, which is missing"):
            read_still(path)

    def test_short_data_file(self, tmp_path):
        path = metaimage(tmp_path / "short.mhd", GREY[None], "short.raw")
        (tmp_path / "short.raw").write_bytes(b"123")
        with pytest.raises(VideoError, match=r"short\.mhd declares 6144 bytes of data, but only 3 are there"):
            read_still(path)

    @pytest.mark.parametrize("name", ["../secret.raw", "/etc/passwd", "sub/a.raw"])
    def test_data_file_elsewhere_is_refused(self, tmp_path, name):
        path = metaimage(tmp_path / "a.mhd", GREY[None])
        text = path.read_bytes().split(b"ElementDataFile")[0] + f"ElementDataFile = {name}\n".encode()
        path.write_bytes(text)
        with pytest.raises(
            VideoError, match=r"a\.mhd names its data file .*expected a file in the same folder"
        ):
            read_still(path)

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ("MET_UCHAR", "MET_LONG", "MET_LONG"),
            ("DimSize = 96 64 1", "DimSize = 96 x 1", "where numbers were expected"),
            ("DimSize = 96 64 1", "DimSize = 96 64 5 6", "DimSize"),
            ("DimSize = 96 64 1", "DimSize = 30000 30000 1", "30000 x 30000"),
        ],
    )
    def test_odd_headers(self, tmp_path, old, new, words):
        path = metaimage(tmp_path / "odd.mha", GREY[None])
        path.write_bytes(path.read_bytes().replace(old.encode(), new.encode()))
        with pytest.raises(VideoError, match=rf"odd\.mha .*{words}"):
            read_still(path)


class TestLabels:
    def test_every_format_gives_the_same_labels(self, tmp_path):
        palette = Image.fromarray(LABELS).convert("P")
        palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
        palette.save(tmp_path / "palette.png")
        paths = [
            picture(tmp_path / "a.png", LABELS),
            picture(tmp_path / "deep.png", LABELS.astype(np.uint16)),
            picture(tmp_path / "rgb.png", np.repeat(LABELS[..., None], 3, 2)),
            tmp_path / "palette.png",
            nifti(tmp_path / "a.nii.gz", LABELS.T.copy()),
            nifti(tmp_path / "float.nii.gz", LABELS.T.astype(np.float32)),
            metaimage(tmp_path / "a.mhd", LABELS[None], "a.raw"),
        ]
        for path in paths:
            found = read_labels(path)
            assert found.dtype == np.uint8
            np.testing.assert_array_equal(found, LABELS[None], err_msg=path.name)

    def test_sequence(self, tmp_path):
        stack = np.stack([LABELS, np.roll(LABELS, 2, axis=1)])
        np.testing.assert_array_equal(
            read_labels(nifti(tmp_path / "a.nii.gz", stack.transpose(2, 1, 0))), stack
        )

    def test_fractions_are_no_labels(self, tmp_path):
        path = nifti(tmp_path / "soft.nii.gz", LABELS.T.astype(np.float32) * 0.5)
        with pytest.raises(DataError, match=r"soft\.nii\.gz has values from 0 to 1\.5: expected labels"):
            read_labels(path)

    def test_large_values_are_no_labels(self, tmp_path):
        path = picture(tmp_path / "big.png", LABELS.astype(np.uint16) * 200)
        with pytest.raises(DataError, match=r"big\.png has values from 0 to 600"):
            read_labels(path)

    def test_colours_are_no_labels(self, tmp_path):
        rgb = np.zeros((9, 9, 3), np.uint8)
        rgb[4, 4] = (1, 2, 3)
        with pytest.raises(DataError, match=r"overlay\.png is a colour image"):
            read_labels(picture(tmp_path / "overlay.png", rgb))


def test_an_image_that_claims_more_pixels_than_a_machine_holds(tmp_path):
    path = tmp_path / "vast.png"
    path.write_bytes(vast_png())
    with pytest.raises(VideoError, match=r"vast\.png is a PNG image that claims far more pixels"):
        read_still(path)
    path.write_bytes(vast_png(10_000))
    with pytest.raises(VideoError, match="10000 x 10000 pixels; at most 4096"):
        read_still(path)
