"""The network, its augmentation, its objective, a short run, the export: all with torch, skipped without."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnx")

from lvef.engine.session import open_session  # noqa: E402
from lvef.models.export import export_segmentation  # noqa: E402
from lvef.models.segmentation import SegNet, SegNetConfig  # noqa: E402
from lvef.preprocess.spec import InputSpec  # noqa: E402
from lvef.training.augment import AugmentConfig, _drop_out, _shadow, augment  # noqa: E402
from lvef.training.objective import cross_entropy_and_dice, dice_per_case  # noqa: E402
from lvef.training.segmentation import SegTrainConfig, held_out, train  # noqa: E402

pytestmark = pytest.mark.training

SMALL = SegNetConfig(widths=(8, 8, 16, 16), encoder_blocks=(1, 1, 1, 1))


def blobs(n, size, seed=0):
    """Dark discs (label 1) in grey rings (label 2)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    r = np.stack(
        [np.hypot(x - rng.uniform(0.4, 0.6) * size, y - rng.uniform(0.4, 0.6) * size) for _ in range(n)]
    )
    labels = np.where(r < 0.18 * size, 1, np.where(r < 0.26 * size, 2, 0)).astype(np.uint8)
    grey = np.choose(labels, [70, 15, 160]) + rng.normal(0, 10, labels.shape)
    return torch.from_numpy(grey.clip(0, 255).astype(np.uint8)), torch.from_numpy(labels)


def test_the_network_keeps_size_and_tells_its_classes():
    net = SegNet(SMALL).eval()
    assert net(torch.zeros(2, 1, 64, 96)).shape == (2, 4, 64, 96)


def test_augmentation_keeps_picture_and_labels_together_and_follows_its_generator():
    grey, labels = blobs(8, 96)
    grey = grey[:, None].float() / 255
    # With every grey change off, the disc must stay dark under its label wherever it went.
    still = AugmentConfig(
        p_plain=0, log_gamma=0, gain=0,
        p_curve=0, p_dark_blood=0, p_tissue=0, p_shadow=0, p_drop_out=0, p_resolution=0, p_blur=0, p_jpeg=0,
        p_speckle=0, p_overlay=0,
    )  # fmt: skip
    first, first_labels = augment(grey, labels.long(), 64, torch.Generator().manual_seed(3), still)
    assert first.shape == (8, 1, 64, 64)
    inside = first[:, 0][first_labels == 1]
    ring = first[:, 0][first_labels == 2]
    assert inside.mean() < 0.25 < 0.4 < ring.mean()
    second, second_labels = augment(grey, labels.long(), 64, torch.Generator().manual_seed(3), still)
    assert torch.equal(first, second)
    assert torch.equal(first_labels, second_labels)
    other, _ = augment(grey, labels.long(), 64, torch.Generator().manual_seed(4))
    assert not torch.equal(first, other)
    assert torch.isfinite(other).all()
    assert other.min() >= 0
    assert other.max() <= 1


def test_drop_out_darkens_walls_only_where_it_is_switched_on():
    grey, labels = blobs(6, 64)
    grey = grey[:, None].float() / 255
    off = _drop_out(grey, labels.long(), torch.Generator().manual_seed(0), AugmentConfig(p_drop_out=0))
    assert torch.equal(off, grey)
    dark = _drop_out(grey, labels.long(), torch.Generator().manual_seed(0), AugmentConfig(p_drop_out=1))
    wall = labels[:, None] == 2
    assert (dark <= grey + 1e-6).all()
    assert dark[wall].mean() < 0.9 * grey[wall].mean()


def test_a_shadow_is_a_sector_from_the_probe_and_leaves_the_rest():
    lit = torch.zeros(40, 1, 64, 64)
    lit[:, :, 10:] = 0.5  # the sector begins at row 10
    assert torch.equal(_shadow(lit, torch.Generator().manual_seed(0), AugmentConfig(p_shadow=0)), lit)
    dark = _shadow(lit, torch.Generator().manual_seed(0), AugmentConfig(p_shadow=1))
    assert (dark <= lit + 1e-6).all()
    in_shadow = (dark[:, 0, 10:] < 0.25).float().mean((1, 2))
    assert 0.02 < in_shadow.mean() < 0.4
    assert in_shadow.max() < 0.7
    # A sector widens with depth, so its lowest row is darker than a row near the probe in most cases.
    wide = (dark[:, 0, 60] < 0.25).float().sum(1) >= (dark[:, 0, 25] < 0.25).float().sum(1)
    assert wide.float().mean() > 0.8


def test_objective_and_dice_on_known_answers():
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    labels[0, :4] = 1
    labels[0, 4:, 4:] = 2
    labels[0, 6:, :2] = 3
    right = torch.nn.functional.one_hot(labels, 4).permute(0, 3, 1, 2).float() * 40
    assert cross_entropy_and_dice(right, labels) < 1e-3
    assert cross_entropy_and_dice(-right, labels) > 2
    shifted = torch.roll(labels, 1, dims=1)
    dice = dice_per_case(shifted, labels)
    assert dice[0, 0] == pytest.approx(2 * 24 / 64)
    assert torch.isnan(dice_per_case(torch.zeros_like(labels), torch.zeros_like(labels))).all()


def test_folds_are_disjoint_and_complete():
    patients = [f"p{i}" for i in range(23)]
    folds = [held_out(patients, k, 5, seed=1) for k in range(5)]
    assert sorted(p for fold in folds for p in fold) == sorted(patients)
    assert held_out(patients, 2, 5, seed=1) == folds[2]


@pytest.mark.slow
def test_a_short_run_learns_and_goes_on_where_it_stopped(tmp_path):
    data, unseen = blobs(32, 64), blobs(8, 64, seed=9)
    plain = AugmentConfig(p_plain=1)
    config = SegTrainConfig(
        epochs=12,
        batch_size=8,
        ema_decay=0.8,
        network=SMALL,
        input=InputSpec(size=64),
        augmentation=plain,
        learning_rate=1e-2,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the trainer warns of few workers and of small runs
        net = train(config, data, unseen, tmp_path, progress=False)
        with torch.inference_mode():
            x = (unseen[0][:, None].float() / 255 - config.input.mean) / config.input.std
            dice = dice_per_case(net(x).argmax(1), unseen[1].long())
        assert dice[:, 0].mean() > 0.8
        checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=False)
        assert checkpoint["epoch"] == 11
        first = tmp_path / "metrics" / "version_0" / "metrics.csv"
        before = first.read_text()
        assert "dice_lv" in before
        again = train(config, data, unseen, tmp_path, progress=False)
        assert first.read_text() == before, "a second start must keep what the first one logged"
        for a, b in zip(net.parameters(), again.parameters(), strict=True):
            assert torch.allclose(a, b)
        train(replace(config, epochs=13), data, unseen, tmp_path, progress=False)
    assert torch.load(tmp_path / "last.ckpt", weights_only=False)["epoch"] == 12, "it goes on beyond its end"


def test_export_gives_the_same_probabilities(tmp_path):
    torch.manual_seed(0)
    net = SegNet(SMALL).eval()
    x = torch.randn(3, 1, 64, 64)
    truth = net(x).softmax(1).detach().numpy()
    for half, tolerance in ((False, 1e-5), (True, 5e-3)):
        path = tmp_path / f"{half}.onnx"
        export_segmentation(net, 64, path, half=half)
        out = open_session(path, precision="f32").start(x.numpy())()
        assert np.abs(out - truth).max() < tolerance
    assert str(Path(__file__).parents[2]).encode() not in (tmp_path / "True.onnx").read_bytes()
    assert (tmp_path / "True.onnx").stat().st_size < 0.7 * (tmp_path / "False.onnx").stat().st_size
