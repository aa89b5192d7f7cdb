import pytest
from pydicom.dataset import Dataset

from lvef.core.records import Box, PixelAspect, PixelSpacing
from lvef.io.dicom_header import read_tissue_scale
from tests.io.io_fabrication import region, regions

HEIGHT, WIDTH = 100, 120


def scale(*items, **elements):
    ds = Dataset()
    if items:
        ds.SequenceOfUltrasoundRegions = regions(*items)
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return read_tissue_scale(ds, HEIGHT, WIDTH)


def codes(found):
    return [notice.code for notice in found.notices]


def test_tissue_region():
    found = scale(region((10, 5, 109, 94), delta=(0.05, 0.04)))
    assert found.region == Box(10, 5, 110, 95), "the last row and column belong to the region"
    assert (found.spacing.x_mm, found.spacing.y_mm) == pytest.approx((0.5, 0.4))
    assert (found.spacing.source, found.note, found.notices) == ("Sequence of Ultrasound Regions", "", ())


def test_sign_of_the_delta_is_ignored():
    found = scale(region(delta=(-0.05, -0.04)))
    assert (found.spacing.x_mm, found.spacing.y_mm) == pytest.approx((0.5, 0.4))


@pytest.mark.parametrize("box", [(0, 0, 119, 99), (0, 0, 120, 100)])
def test_whole_frame_fits_also_when_written_one_too_far(box):
    found = scale(region(box))
    assert found.region == Box(0, 0, WIDTH, HEIGHT)
    assert found.spacing is not None


@pytest.mark.parametrize("box", [(10, 5, 121, 60), (10, 5, 60, 101), (60, 5, 10, 60), (84, 31, 595, 414)])
def test_region_that_does_not_fit_voids_the_scale(box):
    found = scale(region(box), PixelSpacing=[0.3, 0.3])
    assert (found.spacing, found.region) == (None, None)
    assert f"({box[0]},{box[1]})-({box[2]},{box[3]})" in found.note
    assert "does not fit the 120 x 100 frame" in found.note


@pytest.mark.parametrize(
    ("told", "found", "said"),
    [
        ({"PixelAspectRatio": [1, 2]}, PixelAspect(0.5, "Pixel Aspect Ratio"), []),
        ({"PixelAspectRatio": [1, 1]}, None, []),
        ({"PixelAspectRatio": [0, 1]}, None, ["bad_aspect"]),
        ({"PixelAspectRatio": [1, 20]}, None, ["bad_aspect"]),
        (
            {"PixelAspectRatio": [2, 1], "PixelSpacing": [0.6, 0.3]},
            PixelSpacing(0.3, 0.6, "Pixel Spacing"),
            [],
        ),
        (
            {"PixelAspectRatio": [1, 2], "PixelSpacing": [0.3, 0.3]},
            PixelSpacing(0.3, 0.3, "Pixel Spacing"),
            ["contradictory_aspect"],
        ),
    ],
)
def test_the_shape_of_a_pixel(told, found, said):
    got = scale(**told)
    assert (got.spacing, codes(got)) == (found, said)
    assert bool(got.note) == (not isinstance(found, PixelSpacing))


def test_a_region_that_pixel_spacing_contradicts_is_assumed():
    found = scale(region(delta=(0.05, 0.05)), PixelSpacing=[0.3, 0.3])
    assert (found.spacing.x_mm, codes(found)) == (0.5, ["contradictory_scale"])
    assert codes(scale(region(delta=(0.05, 0.05)), PixelSpacing=[0.501, 0.501])) == []


def test_pixels_too_long_to_be_true_are_no_scale():
    assert "too long" in scale(region(delta=(0.5, 0.05))).note


def test_the_other_regions_are_reported():
    found = scale(region((0, 0, 99, 69)), region((0, 70, 99, 99), spatial=3, kind=3))
    assert (found.region, found.other_regions) == (Box(0, 0, 100, 70), (Box(0, 70, 100, 100),))


def test_a_pixel_spacing_of_one_is_a_filler():
    found = scale(PixelSpacing=[1, 1])
    assert (found.spacing, found.note[:31]) == (None, "The Pixel Spacing of 1 x 1 is w")


@pytest.mark.parametrize("units", [0, 4, 7])
def test_other_units_are_no_scale(units):
    found = scale(region(units=units))
    assert found.spacing is None
    assert f"units are {units} and {units}, expected 3 (cm)" in found.note
    assert found.region is not None


@pytest.mark.parametrize("delta", [(0.0, 0.04), (0.05, 0.0)])
def test_zero_delta_is_no_scale(delta):
    found = scale(region(delta=delta))
    assert (found.spacing, found.note) == (None, "The 2-D region's physical delta is missing or zero.")


def test_impossible_delta_is_no_scale():
    found = scale(region(delta=(5.0, 5.0)))
    assert found.spacing is None
    assert "50 x 50 mm per pixel" in found.note


def test_largest_tissue_region_is_used():
    found = scale(region((0, 0, 20, 20), delta=(0.1, 0.1)), region((30, 0, 90, 90)), region((0, 50, 20, 70)))
    assert found.region == Box(30, 0, 91, 91)
    assert found.spacing.x_mm == pytest.approx(0.5)
    assert codes(found) == ["several_regions"]
    assert "3 2-D regions" in found.notices[0].text


def test_colour_flow_is_noticed_and_tissue_preferred():
    found = scale(region((0, 0, 100, 90), kind=2, delta=(0.1, 0.1)), region((10, 5, 90, 60)))
    assert found.region == Box(10, 5, 91, 61)
    assert codes(found) == ["colour_flow_region"]


def test_colour_flow_alone_still_has_a_scale():
    found = scale(region(kind=2))
    assert found.spacing.x_mm == pytest.approx(0.5)
    assert codes(found) == ["colour_flow_region"]


@pytest.mark.parametrize(("spatial", "kind"), [(3, 3), (3, 4), (2, 1)])
def test_only_doppler_or_m_mode(spatial, kind):
    found = scale(region(spatial=spatial, kind=kind, units=4))
    assert codes(found) == ["doppler_region"]
    assert (found.spacing, found.region) == (None, None)
    assert "no 2-D tissue region" in found.note


def test_doppler_beside_an_image():
    found = scale(region((0, 0, 100, 50)), region((0, 55, 100, 95), spatial=3, kind=3, units=4))
    assert codes(found) == ["trace_region"]
    assert found.spacing is not None


def test_pixel_spacing_is_row_then_column():
    found = scale(PixelSpacing=[0.3, 0.2])
    assert (found.spacing.x_mm, found.spacing.y_mm, found.spacing.source) == (0.2, 0.3, "Pixel Spacing")


def test_pixel_spacing_stands_in_for_a_region_without_units():
    found = scale(region(units=0), PixelSpacing=[0.3, 0.2])
    assert (found.spacing.x_mm, found.spacing.y_mm, found.note) == (0.2, 0.3, "")


def test_nothing():
    found = scale()
    assert (found.spacing, found.region, found.notices) == (None, None, ())
    assert found.note == "The file has no scale (ultrasound region or Pixel Spacing)."


def test_empty_and_broken_items():
    broken = Dataset()
    broken.RegionSpatialFormat = 1
    broken.RegionDataType = 1
    found = scale(broken)
    assert found.spacing is None
    assert "does not fit" in found.note


def test_the_shape_of_a_video_streams_pixels():
    ds = Dataset()
    assert read_tissue_scale(ds, HEIGHT, WIDTH, 0.5).spacing == PixelAspect(0.5, "sample aspect ratio")
    ds.PixelSpacing = [0.3, 0.3]
    found = read_tissue_scale(ds, HEIGHT, WIDTH, 0.5)
    assert (found.spacing, codes(found)) == (
        PixelSpacing(0.3, 0.3, "Pixel Spacing"),
        ["contradictory_aspect"],
    )
