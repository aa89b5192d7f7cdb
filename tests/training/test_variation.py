"""Variation, order, sampling, losses: closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from lvef.training.clip_augmentation import augment_clips, batch_generators, transform_points  # noqa: E402
from lvef.training.loading import EpochSampler, OrderedSampler  # noqa: E402
from lvef.training.losses import base_loss, ef_loss, ordinal_loss  # noqa: E402
from lvef.training.optimisers import optimiser, schedule  # noqa: E402
from lvef.training.recipe import AugmentationSettings, LossSettings, OptimiserSettings  # noqa: E402
from lvef.training.regression import streams_of, swap_chord_ends  # noqa: E402
from lvef.training.training_data import even_starts_s  # noqa: E402
from lvef.transforms.two_stream import two_streams  # noqa: E402

pytestmark = pytest.mark.training

CPU = torch.device("cpu")


def by(seed=1):
    return batch_generators((seed, 0), CPU)


def test_nothing_asked_for_changes_nothing():
    grey = torch.rand(3, 4, 16, 16)
    same, theta = augment_clips(grey, by(), AugmentationSettings())
    assert torch.equal(same, grey)
    assert torch.equal(theta, torch.eye(2, 3).expand(3, 2, 3))


def test_points_go_where_the_image_goes():
    points = torch.tensor([[[20.0, 12.0]], [[40.0, 45.0]]])
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    at = points[..., None, None]
    spots = torch.exp(-((x - at[:, :, 0]) ** 2 + (y - at[:, :, 1]) ** 2) / 8)
    for seed in range(4):
        settings = AugmentationSettings(shift=0.04, log_zoom=0.15, rotation_deg=20, p_mirror=0.5)
        seen, theta = augment_clips(spots, by(seed), settings)
        moved = transform_points(points, theta, 64)[:, 0]
        mass = seen.sum((2, 3))[:, 0]
        centre = torch.stack([(seen[:, 0] * x).sum((1, 2)), (seen[:, 0] * y).sum((1, 2))], 1) / mass[:, None]
        assert (centre - moved).abs().max() < 0.1


def test_what_comes_in_is_black_and_all_frames_move_alike():
    grey = torch.ones(2, 5, 32, 32)
    seen, _ = augment_clips(grey, by(3), AugmentationSettings(shift=0.3))
    assert seen.min() == 0.0
    assert (seen == seen[:, :1]).all()


def test_noise_needs_an_echo_and_follows_its_seed():
    grey = torch.rand(2, 3, 16, 16)
    grey[:, :, :8] = 0
    settings = AugmentationSettings(noise=0.3, gain=0.2, log_gamma=0.3, blur=1.0)
    first, second, other = (augment_clips(grey, by(seed), settings)[0] for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert ((first >= 0) & (first <= 1)).all()


def test_chords_of_a_mirrored_image_change_ends_and_the_axis_does_not():
    lines = torch.arange(84.0).view(1, 42, 2)
    swapped = swap_chord_ends(lines)
    assert torch.equal(swapped[:, :2], lines[:, :2])
    assert torch.equal(swapped[:, 2], lines[:, 3])
    assert torch.equal(swap_chord_ends(swapped), lines)


def test_streams_are_those_of_the_preparation():
    frames = np.random.default_rng(0).integers(0, 256, (6, 12, 10), dtype=np.uint8)
    frames[3] = frames[2]  # nothing moves
    frames[5] = np.minimum(frames[4], 254) + 1
    frames[4] = np.minimum(frames[4], 254)  # a constant change
    wanted = two_streams(frames)
    spatial, temporal = streams_of(torch.from_numpy(frames)[None].float() / 255)
    assert np.abs(spatial[0].numpy() - wanted.spatial).max() == 0
    assert np.abs(temporal[0].numpy() - wanted.temporal).max() < 1e-4
    assert not temporal[0, 2].any()
    assert not temporal[0, 4].any()


def test_every_case_comes_as_often_as_its_weight_says():
    sampler = EpochSampler([1, 1, 2, 0, 0.5, 0.5], seed=1)
    assert len(sampler) == 5
    counts = np.zeros(6)
    for epoch in range(200):
        sampler.set_epoch(epoch)
        drawn = list(sampler)
        assert len(drawn) == 5
        counts += np.bincount([d.case for d in drawn], minlength=6)
        assert len(set(drawn)) == 5, "two copies of one case are two draws"
    assert counts[:4].tolist() == [200, 200, 400, 0]
    assert np.abs(counts[4:] - 100).max() < 30


def test_the_order_is_the_epochs_and_nothing_before_it_matters():
    one, two = EpochSampler([1] * 20, seed=3), EpochSampler([1] * 20, seed=3)
    list(one)
    one.set_epoch(7)
    two.set_epoch(7)
    assert list(one) == list(two)
    two.set_epoch(8)
    assert list(one) != list(two)


def test_processes_share_the_cases_out():
    shares = [EpochSampler([1] * 7, seed=1, rank=r, world=2) for r in range(2)]
    drawn = [[d.case for d in share] for share in shares]
    assert [len(d) for d in drawn] == [4, 4]
    assert set(drawn[0]) | set(drawn[1]) == set(range(7))
    ordered = [d.case for r in range(2) for d in OrderedSampler(7, r, 2)]
    assert sorted(ordered) == list(range(7))


def test_several_clips_are_evenly_spaced_and_a_short_clip_gives_the_same_one():
    times = np.arange(101) / 50
    assert even_starts_s(times, 1.0, 3) == [0.0, 0.5, 1.0]
    assert even_starts_s(times, 1.0, 1) == [0.5]
    assert even_starts_s(times, 5.0, 2) == [0.0, 0.0]


def test_losses_are_what_they_are_called():
    p, w = torch.tensor([50.0, 60.0]), torch.tensor([40.0, 63.0])
    assert float(base_loss(p, w, LossSettings("mse"))) == pytest.approx((100 + 9) / 2)
    assert float(base_loss(p, w, LossSettings("mae"))) == pytest.approx(6.5)
    smooth = float(base_loss(p, w, LossSettings("smooth-l1", smooth_l1_beta=5.0)))
    assert smooth == pytest.approx(((10 - 2.5) + 9 / 10) / 2)


def test_the_ordinal_term_is_a_mean_of_logistic_questions():
    p, w = torch.tensor([47.0]), torch.tensor([44.0])
    found = float(ordinal_loss(p, w, [40.0, 50.0], 3.0))
    above = [1 / (1 + math.exp(-(47 - 40) / 3)), 1 / (1 + math.exp(-(47 - 50) / 3))]
    assert found == pytest.approx(-(math.log(above[0]) + math.log(1 - above[1])) / 2, rel=1e-5)


def test_an_error_over_a_cut_costs_more_than_one_beside_it():
    settings = LossSettings("mae", ordinal=10.0, ordinal_cuts=(50.0,), ordinal_width=2.0)
    over = float(ef_loss(torch.tensor([53.0]), torch.tensor([47.0]), settings))
    beside = float(ef_loss(torch.tensor([67.0]), torch.tensor([61.0]), settings))
    assert over > beside + 5
    plain = LossSettings("mae")
    assert float(ef_loss(torch.tensor([53.0]), torch.tensor([47.0]), plain)) == pytest.approx(6.0)


@pytest.mark.parametrize("kind", ["adam", "adamw", "muon"])
@pytest.mark.parametrize("planned", ["constant", "one-cycle", "cosine"])
def test_optimisers_learn_and_schedules_end_low(kind, planned):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    frozen = torch.nn.Linear(3, 3).requires_grad_(False)
    net.register_module("frozen", frozen)
    settings = OptimiserSettings(kind, 0.05, schedule=planned)
    chosen = optimiser(net, settings)
    assert not {id(p) for g in chosen.param_groups for p in g["params"]} & {
        id(p) for p in frozen.parameters()
    }
    plan = schedule(chosen, settings, 200)
    x = torch.randn(32, 4)
    rates, losses = [], []
    for _ in range(200):
        rates.append(chosen.param_groups[0]["lr"])
        loss = (net[2](torch.relu(net[0](x))) - x.sum(1, keepdim=True)).square().mean()
        chosen.zero_grad()
        loss.backward()
        chosen.step()
        if plan is not None:
            plan.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]
    assert max(rates) == pytest.approx(0.05, rel=1e-3)
    assert planned == "constant" or rates[-1] < 0.005
