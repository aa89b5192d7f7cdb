"""The small video network: views of memory, time steps, sizes, and that a case does not depend on its batch."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from lvef.models.small_video import SmallVideoConfig, SmallVideoNet, _as_courses, _as_images  # noqa: E402
from tests.models.fabricated import lived  # noqa: E402

pytestmark = pytest.mark.training

TINY = SmallVideoConfig(stem=4, widths=(6, 8), blocks=(1, 2), time_strides=(1, 2))


def test_space_and_time_are_views_of_one_another():
    pictures = torch.rand(6, 5, 4, 3).contiguous(memory_format=torch.channels_last)
    courses = _as_courses(pictures, 3)
    assert courses.shape == (2, 5, 3, 12)
    assert courses.data_ptr() == pictures.data_ptr()
    assert courses[1, 2, 0, 3 * 2 + 1] == pictures[3, 2, 2, 1]
    assert torch.equal(_as_images(courses, 4), pictures)


def test_a_filter_over_time_is_that_of_a_three_dimensional_convolution():
    torch.manual_seed(0)
    block = lived(SmallVideoNet(TINY)).blocks[1]  # time is halved here
    x = torch.rand(10, 6, 6, 6)
    inside = block.space(x).unflatten(0, (2, 5)).transpose(1, 2)
    weight = block.time.weight[..., None]
    by_hand = torch.nn.functional.conv3d(inside, weight, stride=(2, 1, 1), padding=(1, 0, 0))
    found = block.time(_as_courses(block.space(x), 5)).unflatten(3, inside.shape[-2:])
    assert torch.allclose(found, by_hand, atol=1e-5)


@pytest.mark.parametrize(("frames", "size"), [(2, 16), (7, 24), (32, 40)])
def test_clips_of_any_length_and_size(frames, size):
    net = SmallVideoNet(TINY).eval()
    assert net(torch.rand(2, 1, frames, size, size)).shape == (2,)
    assert net.features(torch.rand(2, 1, frames, size, size)).shape == (2, 16)


def test_a_case_does_not_depend_on_its_batch():
    torch.manual_seed(0)
    net = lived(SmallVideoNet(TINY))
    clips = torch.rand(3, 1, 8, 24, 24)
    together = net(clips)
    assert together.std() > 1e-5
    assert torch.allclose(net(clips[1:2]), together[1:2], atol=1e-6)


def test_order_in_time_counts():
    torch.manual_seed(0)
    net = lived(SmallVideoNet(TINY))
    clip = torch.rand(1, 1, 8, 24, 24)
    assert not torch.allclose(net(clip), net(clip[:, :, torch.randperm(8)]), atol=1e-6)


def test_the_output_starts_where_it_is_reported():
    net = SmallVideoNet().eval()
    net.set_output_bias(61.0)
    assert net(torch.zeros(1, 1, 4, 32, 32)).item() == pytest.approx(61, abs=1)
