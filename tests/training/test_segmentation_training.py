"""The network, its augmentation, its objective, a short run, the export: all with torch, skipped without."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnx")

from lvef.cli.train import train as train_command  # noqa: E402
from lvef.core.errors import ConfigError, DataError  # noqa: E402
from lvef.inference.session import open_session  # noqa: E402
from lvef.models.export import export_segmentation  # noqa: E402
from lvef.models.segmentation import SegNet, SegNetConfig  # noqa: E402
from lvef.training.cases import held_out  # noqa: E402
from lvef.training.image_augmentation import (  # noqa: E402
    AugmentConfig,
    _drop_out,
    _fog,
    _haze,
    _shadow,
    augment,
    contrast,
    papillary,
    trabeculae,
)
from lvef.training.losses import area_ratio_error, cross_entropy_and_dice, dice_per_case  # noqa: E402
from lvef.training.run_folder import RunOptions  # noqa: E402
from lvef.training.segmentation import (  # noqa: E402
    FramePairs,
    SegmentationRecipe,
    SegmentationTask,
    average_runs,
    fit_segmentation,
    load_start,
    mean_state,
)
from lvef.transforms.frames import brightness_gamma, normalise  # noqa: E402
from lvef.transforms.spec import InputSpec  # noqa: E402

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


def test_augmentation_keeps_image_and_labels_together_and_follows_its_generator():
    grey, labels = (array[:, None] for array in blobs(8, 96))
    grey = grey.float() / 255
    # With every grey change off, the disc must stay dark under its label wherever it went.
    still = AugmentConfig(
        p_plain=0, log_gamma=0, gain=0,
        p_curve=0, p_dark_blood=0, p_tissue=0, p_contrast=0, p_papillary=0, p_haze=0, p_crop=0,
        p_shadow=0, p_drop_out=0, p_resolution=0, p_blur=0, p_jpeg=0,
        p_speckle=0, p_overlay=0,
    )  # fmt: skip
    first, first_labels = augment(grey, labels.long(), 64, torch.Generator().manual_seed(3), still)
    assert first.shape == (8, 1, 64, 64)
    inside = first[first_labels == 1]
    ring = first[first_labels == 2]
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
    grey, labels = (array[:, None] for array in blobs(6, 64))
    grey = grey.float() / 255
    off = _drop_out(grey, labels.long(), torch.Generator().manual_seed(0), AugmentConfig(p_drop_out=0))
    assert torch.equal(off, grey)
    dark = _drop_out(grey, labels.long(), torch.Generator().manual_seed(0), AugmentConfig(p_drop_out=1))
    wall = labels == 2
    assert (dark <= grey + 1e-6).all()
    assert dark[wall].mean() < 0.9 * grey[wall].mean()


def test_raised_contrast_keeps_the_border_and_never_darkens_the_wall_next_to_blood():
    grey, labels = (array[:, None] for array in blobs(24, 64))
    grey, labels = grey.float() / 255, labels.long()
    raised = contrast(grey, labels, torch.Generator().manual_seed(0), 1)
    blood, wall = labels == 1, labels == 2
    assert raised[blood].mean() < 0.7 * grey[blood].mean()
    beside = wall & (torch.nn.functional.max_pool2d(blood.float(), 3, stride=1, padding=1) > 0)
    assert raised[beside].mean() > grey[beside].mean()
    off = contrast(grey, labels, torch.Generator().manual_seed(0), 0)
    assert torch.allclose(off, grey)


def test_papillary_muscles_lie_inside_the_cavity_and_move_with_it():
    labels = blobs(12, 64)[1][:, None]
    small = torch.nn.functional.interpolate(labels.float(), scale_factor=0.8, mode="nearest").long()
    small = torch.nn.functional.pad(small, (6, 7, 6, 7))
    both = torch.cat([labels.long(), small], 1)
    dark = torch.zeros(both.shape)
    drawn = papillary(dark, both, torch.Generator().manual_seed(1), 1)
    assert (drawn[both != 1] < 0.5).float().mean() > 0.99, "only the soft edge may lie outside"
    assert (drawn.amax((2, 3)) > 0.15).float().mean() > 0.8
    centre = (drawn * torch.arange(64.0)).sum((2, 3)) / drawn.sum((2, 3)).clamp_min(1e-6)
    assert (centre[:, 0] - centre[:, 1]).abs().median() < 8


def test_haze_brightens_blood_and_leaves_what_lies_outside_the_sector():
    dark = torch.full((16, 1, 64, 64), 0.02)
    dark[:, :, :8] = 0
    hazy = _haze(dark, torch.Generator().manual_seed(0), AugmentConfig(p_haze=1))
    assert (hazy >= dark).all()
    assert torch.equal(hazy[:, :, :8], dark[:, :, :8])
    assert (hazy.amax((1, 2, 3)) > 0.05).all()


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


def test_the_error_of_the_area_ratio_knows_a_right_and_a_wrong_pair():
    labels = torch.zeros(4, 16, 16, dtype=torch.long)
    labels[:2, :8] = 1  # first instants: 128 pixels
    labels[2:, :4] = 1  # second instants: 64 pixels
    exact = torch.nn.functional.one_hot(labels, 4).permute(0, 3, 1, 2).float() * 60
    assert area_ratio_error(exact, labels) < 1e-3
    same = exact[[0, 1, 0, 1]]
    assert float(area_ratio_error(same, labels)) == pytest.approx(np.log(129 / 65), abs=1e-3)
    assert float(area_ratio_error(exact, torch.zeros_like(labels))) == 0


def test_cases_hold_the_frames_around_two_instants():
    offsets = (-0.1, 0.0, 0.1)
    config = SegmentationRecipe(
        input=InputSpec(size=64, offsets_s=offsets), animated_share=0.5, still_context=1.0
    )
    frame = np.arange(24, dtype=np.uint8)[None, :, None, None]
    cines = np.broadcast_to(frame, (3, 24, 8, 8)).copy()
    stills = np.broadcast_to(np.array([100, 200], np.uint8)[None, :, None, None], (4, 2, 8, 8)).copy()
    cases = FramePairs((stills, stills), (cines, cines), config)
    assert len(cases) == 8
    images, labels = cases[0]
    assert images[:, 0, 0].tolist() == [200, 100, 200, 100, 200, 100]
    assert torch.equal(images, labels)
    for _ in range(50):
        images, _ = cases[5]
        first, second = images[:, 0, 0].int().tolist()[:3], images[:, 0, 0].int().tolist()[3:]
        for before, at, after in (first, second):
            assert before <= at <= after
            assert after - before <= 6, "a stretch of at most 1.35 of two frames either way"


def test_what_is_drawn_into_the_cavity_stays_there_and_leaves_the_labels():
    """Trabeculae lie in the cavity beside the wall, fog lies still; the label says where the border is."""
    grey, labels = (array[:, None] for array in blobs(6, 64))
    images = torch.where(labels == 1, 0.0, 0.4).expand_as(grey)
    rng = torch.Generator().manual_seed(4)
    drawn = trabeculae(images, labels.long(), rng, 1.0)
    brighter = drawn > images + 0.02
    assert brighter.any()
    near = torch.nn.functional.max_pool2d((labels > 0).float(), 5, stride=1, padding=2) > 0
    assert not brighter[~near].any(), "cavity and wall alone, but for a blur of a pixel"
    assert torch.equal(trabeculae(images, labels.long(), rng, 0.0), images)
    clip = images.repeat(1, 3, 1, 1)
    fog = _fog(clip, rng, AugmentConfig(p_fog=1.0)) - clip
    assert (fog >= 0).all() and float(fog.max()) > 0.05
    smooth = torch.nn.functional.avg_pool2d(fog, 16)
    assert torch.allclose(smooth[:, 0], smooth[:, 2], atol=0.05), "it does not move"


def test_cases_are_shown_in_the_brightness_that_a_clip_gets_in_use():
    recipe = SegmentationRecipe(input=InputSpec(brightness=0.36, size=64), network=SMALL)
    images = torch.randint(
        0, 180, (3, 4, 64, 64), generator=torch.Generator().manual_seed(1), dtype=torch.uint8
    )
    out = SegmentationTask(recipe).to_brightness(images.float() / 255)
    for case, shown in zip(images.numpy(), out.numpy(), strict=True):
        gamma = brightness_gamma(case, 0.36)
        served = normalise(case, replace(recipe.input, mean=0.0, std=1.0), gamma)[:, 0]
        assert np.abs(served - shown).max() < 0.02, "but for every fourth pixel that is counted"
    as_they_are = SegmentationTask(SegmentationRecipe(network=SMALL)).to_brightness(images)
    assert as_they_are is images


def test_a_run_starts_only_from_one_that_has_not_met_whom_it_holds_out(tmp_path):
    assert load_start(None, ["a"]) is None
    with pytest.raises(DataError, match="no run to start or learn from"):
        load_start(tmp_path, ["a"])
    (tmp_path / "held-out.txt").write_text("a\nb\n")
    torch.save({"state_dict": {"w": torch.ones(1)}}, tmp_path / "last.ckpt")
    assert set(load_start(tmp_path, ["a"])) == {"w"}
    with pytest.raises(ConfigError, match="has learned from 1 of the patients"):
        load_start(tmp_path, ["a", "c"])


def test_folds_are_disjoint_and_complete():
    patients = [f"p{i}" for i in range(23)]
    folds = [held_out(patients, k, 5, seed=1) for k in range(5)]
    assert sorted(p for fold in folds for p in fold) == sorted(patients)
    assert held_out(patients, 2, 5, seed=1) == folds[2]


@pytest.mark.slow
def test_a_short_run_learns_and_goes_on_where_it_stopped(tmp_path):
    shown, unseen = blobs(64, 64), blobs(8, 64, seed=9)
    locked = tuple(array.numpy().reshape(4, 2, 64, 64) for array in unseen)
    stills = tuple(array.numpy().reshape(32, 2, 64, 64) for array in shown)
    plain = AugmentConfig(p_plain=1)
    config = SegmentationRecipe(
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
        cases = FramePairs(stills, None, config)
        net = fit_segmentation(config, cases, locked, RunOptions(tmp_path))
        with torch.inference_mode():
            x = (unseen[0][:, None].float() / 255 - config.input.mean) / config.input.std
            dice = dice_per_case(net(x).argmax(1), unseen[1].long())
        assert dice[:, 0].mean() > 0.8
        checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=False)
        assert checkpoint["epoch"] == 11
        first = tmp_path / "metrics" / "version_0" / "metrics.csv"
        before = first.read_text()
        assert "dice_lv" in before
        again = fit_segmentation(config, cases, locked, RunOptions(tmp_path))
        assert first.read_text() == before, "a second start must keep what the first one logged"
        for a, b in zip(net.parameters(), again.parameters(), strict=True):
            assert torch.allclose(a, b)
        fit_segmentation(replace(config, epochs=13), cases, locked, RunOptions(tmp_path))
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


def test_the_mean_is_that_of_every_entry():
    states = [{"w": torch.full((2, 3), v), "n": torch.tensor(int(v))} for v in (1.0, 4.0)]
    found = mean_state(states)
    assert torch.equal(found["w"], torch.full((2, 3), 2.5))
    assert found["n"].dtype == torch.int64
    with pytest.raises(DataError, match="different models"):
        mean_state([states[0], {"w": torch.zeros(3), "n": torch.tensor(1)}])


def test_a_mean_of_runs_is_a_run_folder_and_names_whom_no_run_has_met(tmp_path):
    data = tmp_path / "camus"
    (data / "database_split").mkdir(parents=True)
    (data / "database_split" / "subgroup_training.txt").write_text("a\nb\nc\nd\n")
    recipe = SegmentationRecipe(network=SMALL, input=InputSpec(size=64))
    for k, held in enumerate(("a\nb\n", "b\nd\n")):
        run = tmp_path / str(k)
        run.mkdir()
        (run / "held-out.txt").write_text(held)
        (run / "run.json").write_text('{"minutes": 2.5}')
        torch.save({"state_dict": SegmentationTask(recipe).state_dict(), "epoch": k}, run / "last.ckpt")
    out = tmp_path / "mean"
    options = RunOptions(out, recipe_name="r.toml", command="lvef train")
    done = average_runs(recipe, [tmp_path / "0", tmp_path / "1"], data, options)
    assert (out / "held-out.txt").read_text() == "b\n"
    assert (done.network, done.epochs, done.minutes) == (out / "camus-seg", 3, 5.0)
    card = json.loads((done.network / "card.json").read_text())
    assert card["training"]["patients"] == 3
    assert (done.network / "model.onnx").is_file()


def test_a_folder_without_a_run_is_refused(tmp_path):
    data = tmp_path / "camus" / "database_split"
    data.mkdir(parents=True)
    (data / "subgroup_training.txt").write_text("patient0001\n")
    (tmp_path / "run.json").write_text(json.dumps({"minutes": 1}))
    with pytest.raises(DataError, match="no finished run"):
        average_runs(SegmentationRecipe(), [tmp_path], data.parent, RunOptions(tmp_path / "n"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["camus-seg", "--weight", "1"], "no --weight or --init"),
        (["camus-seg", "--folds", "5"], "give --fold beside --folds"),
        (["small-video", "--start", "run"], "family segmentation"),
    ],
)
def test_options_of_another_family_are_usage_errors(tmp_path, words, message):
    done = CliRunner().invoke(train_command, [*words, "--data", "CAMUS", "--out", str(tmp_path / "run")])
    assert done.exit_code == 2
    assert message in done.output
