"""The view family: even batches, grain and turned images, a short run that resumes, its card."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnx")


from lvef.core.records import Box  # noqa: E402
from lvef.core.terms import RECOGNISED_VIEWS, View  # noqa: E402
from lvef.inference.card import VIEW_OUTPUTS, read_card  # noqa: E402
from lvef.models.view import ViewNetConfig  # noqa: E402
from lvef.training.image_augmentation import AugmentConfig  # noqa: E402
from lvef.training.run_folder import RunOptions  # noqa: E402
from lvef.training.view import (  # noqa: E402
    BalancedBatches,
    ViewRecipe,
    ViewTask,
    exchange_grain,
    fit_distance,
    fit_view,
    turn,
    write_view,
)
from lvef.training.view_images import SECTOR_ASPECT, ViewImages, same_sector  # noqa: E402
from lvef.transforms.spec import InputSpec  # noqa: E402

pytestmark = pytest.mark.training

PLACES = {view: RECOGNISED_VIEWS.index(view) for view in RECOGNISED_VIEWS}
SMALL = ViewRecipe(
    epochs=2,
    steps=30,
    ema_decay=0.5,
    batch_size=16,
    precision="32-true",
    p_turned=0.0,
    network=ViewNetConfig(widths=(8, 16), blocks=(1, 1), features=8, dropout=0.0),
    input=InputSpec(size=48),
    augmentation=AugmentConfig(p_plain=1.0, p_upside_down=0.0, rotation_deg=0.0),
)


def bars(n: int = 60, side: int = 48) -> ViewImages:
    """A4C: a bright bar at the top; A2C: one at the bottom; PLAX: everything bright."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (n, side, side)).astype(np.uint8)
    views = np.array([PLACES[v] for v in (View.A4C, View.A2C, View.PLAX)])[np.arange(n) % 3]
    images[views == PLACES[View.A4C], 5:15] = 220
    images[views == PLACES[View.A2C], -15:-5] = 220
    images[views == PLACES[View.PLAX]] += 150
    return ViewImages(images, np.zeros_like(images), views, np.array(["a", "b", "c"])[np.arange(n) % 3])


def test_batches_are_half_apical_whatever_the_counts_and_follow_the_epoch():
    views = np.repeat([PLACES[v] for v in (View.A4C, View.A2C, View.PLAX, View.PSAX)], [1000, 100, 30, 10])
    groups = np.array([f"{v}" for v in views], dtype="U8")
    groups[:10] = "rare"
    recipe = replace(SMALL, steps=60, batch_size=50)
    sampler = BalancedBatches(groups, views, recipe)
    drawn = np.concatenate(list(sampler))
    shares = [np.mean(views[drawn] == PLACES[v]) for v in (View.A4C, View.A2C, View.PLAX, View.PSAX)]
    assert shares == pytest.approx([0.25] * 4, abs=0.03)
    assert np.mean(groups[drawn] == "rare") == pytest.approx(0.125, abs=0.03)
    assert np.array_equal(drawn, np.concatenate(list(sampler)))
    sampler.set_epoch(1)
    assert not np.array_equal(drawn, np.concatenate(list(sampler)))


def test_grain_is_exchanged_and_the_coarse_image_stays():
    rng = np.random.default_rng(1)
    smooth = np.linspace(0.2, 0.6, 48)[None, None, :, None] * np.ones((2, 1, 48, 48))
    rough = smooth[:1, :, ::-1] * (1 + 0.3 * rng.standard_normal((1, 1, 48, 48)))
    images = torch.tensor(np.concatenate([smooth[:1], rough])).float().clamp(0, 1)
    for seed in range(20):
        mixed = exchange_grain(images, torch.Generator().manual_seed(seed), 1.0)
        if (mixed[0] - images[0]).std() > 0.03:
            break
    assert (mixed[0].mean(2) - images[0].mean(2)).abs().max() < 0.05
    assert torch.equal(exchange_grain(images, torch.Generator().manual_seed(0), 0.0), images)


def test_turned_images_are_no_echo_and_the_others_stay():
    images = torch.rand(40, 1, 8, 8)
    turned, views = turn(images, torch.zeros(40, dtype=torch.long), torch.Generator().manual_seed(2), 0.5)
    changed = (turned != images).flatten(1).any(1)
    assert 10 < changed.sum() < 30
    assert torch.equal(views, torch.where(changed, PLACES[View.NOT_ECHO], 0))


@pytest.mark.parametrize(("width", "height"), [(300, 200), (190, 190), (100, 220)])
def test_every_sector_gets_the_same_aspect(width, height):
    frames = np.full((1, height, width), 200, np.uint8)
    lit = same_sector(frames, Box(0, 0, width, height), 128)[0] > 0
    assert lit.any(0).sum() / lit.any(1).sum() == pytest.approx(SECTOR_ASPECT, abs=0.02)


def stop_in_second_epoch(task, begin=ViewTask.on_train_epoch_start):
    if task.current_epoch == 1:
        raise RuntimeError("stopped")
    begin(task)


def test_a_run_learns_resumes_to_the_same_weights_and_writes_its_card(tmp_path, monkeypatch):
    images = bars()
    whole = fit_view(SMALL, images, RunOptions(tmp_path / "whole"))
    with monkeypatch.context() as patch:
        patch.setattr(ViewTask, "on_train_epoch_start", stop_in_second_epoch)
        with pytest.raises(RuntimeError, match="stopped"):
            fit_view(SMALL, images, RunOptions(tmp_path / "parts"))
    resumed = fit_view(SMALL, images, RunOptions(tmp_path / "parts"))
    for one, other in zip(whole.net.parameters(), resumed.net.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    grey = torch.from_numpy(images.images[:, None]).float() / 255
    fit_distance(whole, images, rounds=4)
    with torch.no_grad():
        found = whole.net(whole.shown(grey)).numpy()
    assert np.mean(found[:, :-1].argmax(1) == images.views) > 0.9
    apical = np.isin(images.views, [PLACES[View.A4C], PLACES[View.A2C]])
    assert np.median(found[~apical, -1]) > 2 * np.median(found[apical, -1])
    options = RunOptions(tmp_path, recipe_name="camus-view.toml", command="lvef train camus-view")
    write_view(whole, (), ["p1"], 0.1, options, tmp_path / "camus-view")
    card = read_card(tmp_path / "camus-view")
    assert (card.kind, card.classes, card.input.size) == ("view", VIEW_OUTPUTS, 48)
    assert json.loads((tmp_path / "camus-view" / "card.json").read_text())["architecture"]["family"] == "view"
