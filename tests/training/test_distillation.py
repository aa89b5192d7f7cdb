"""Teachers of a segmentation network."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("lightning")

import torch

from lvef.core.errors import ConfigError, DataError
from lvef.models.segmentation import SegNetConfig
from lvef.training.distillation import distillation_loss, load_teachers
from lvef.training.run_folder import RunOptions
from lvef.training.segmentation import SegmentationRecipe, SegmentationTask, average_runs, load_start
from lvef.transforms.spec import InputSpec

pytestmark = pytest.mark.training

SMALL = SegNetConfig(widths=(4, 6, 8, 8), encoder_blocks=(1, 1, 1, 1))
RECIPE = SegmentationRecipe(network=SMALL, input=InputSpec(size=64, offsets_s=(-0.1, 0.0, 0.1)))


def run_of(folder, recipe, seed=0):
    """A run folder as ``lvef train --average`` leaves it, of one network with random weights; patient b was held out."""
    data, run = folder / "camus", folder / f"run-{seed}"
    (data / "database_split").mkdir(parents=True, exist_ok=True)
    (data / "database_split" / "subgroup_training.txt").write_text("a\nb\nc\n")
    run.mkdir()
    (run / "held-out.txt").write_text("b\n")
    (run / "run.json").write_text('{"minutes": 1}')
    torch.manual_seed(seed)
    task = SegmentationTask(recipe)
    # A new network has the same probability everywhere.
    torch.nn.init.normal_(task.net.head.weight, std=0.5)
    torch.save({"state_dict": task.state_dict(), "epoch": 0}, run / "last.ckpt")
    return average_runs(recipe, [run], data, RunOptions(folder / f"mean-{seed}")).out


def test_a_network_that_is_its_teachers_mean_has_no_loss(tmp_path):
    runs = [run_of(tmp_path, RECIPE, seed) for seed in (1, 2)]
    teachers = load_teachers(runs, "camus-seg", RECIPE.input, ["b"])
    task = SegmentationTask(RECIPE, teachers)
    task.load_state_dict(load_start(runs[0], ["b"]))
    task.eval()
    shown = task.shown(torch.rand(2, 3, 64, 64))
    logits = task.net(shown)
    assert distillation_loss(logits, shown, teachers[:1]).item() == pytest.approx(0, abs=1e-5)
    mean = torch.stack([teacher.net(shown).softmax(1) for teacher in teachers]).mean(0)
    assert distillation_loss(mean.log(), shown, teachers).item() == pytest.approx(0, abs=1e-5)
    apart = distillation_loss(logits, shown, teachers)
    expected = (mean * (mean.log() - logits.log_softmax(1))).sum(1).mean()
    assert apart.item() == pytest.approx(expected.item(), rel=1e-4)
    assert apart.item() > 0.01
    apart.backward()
    assert all(p.grad is None for teacher in teachers for p in teacher.net.parameters())
    assert not any("teacher" in name for name in task.state_dict())


def test_a_teacher_of_fewer_frames_is_shown_its_own(tmp_path):
    single = replace(RECIPE, input=replace(RECIPE.input, offsets_s=(0.0,)))
    [teacher] = load_teachers([run_of(tmp_path, single)], "camus-seg", RECIPE.input, [])
    assert teacher.channels == (1,)
    shown = torch.rand(2, 3, 64, 64)
    logits = teacher.net(shown[:, 1:2])
    assert distillation_loss(logits, shown, [teacher]).item() == pytest.approx(0, abs=1e-5)


def test_teachers_who_know_more_or_see_otherwise_are_refused(tmp_path):
    run = run_of(tmp_path, RECIPE)
    with pytest.raises(ConfigError, match="has learned from 1 of the patients"):
        load_teachers([run], "camus-seg", RECIPE.input, ["b", "c"])
    for other in (replace(RECIPE.input, offsets_s=(0.0, 0.1)), replace(RECIPE.input, mean=0.5)):
        with pytest.raises(ConfigError, match="shown other images"):
            load_teachers([run], "camus-seg", other, ["b"])
    (run / "last.ckpt").unlink()
    with pytest.raises(DataError, match="no run to start or learn from"):
        load_teachers([run], "camus-seg", RECIPE.input, ["b"])


def test_the_loss_of_labels_and_teachers_has_their_weights(tmp_path):
    teachers = load_teachers([run_of(tmp_path, RECIPE)], "camus-seg", RECIPE.input, [])
    images = torch.randint(0, 255, (2, 6, 64, 64), dtype=torch.uint8)
    labels = torch.randint(0, 4, (2, 6, 64, 64), dtype=torch.uint8)

    def loss(recipe, teachers):
        torch.manual_seed(3)
        task = SegmentationTask(recipe, teachers)
        seen = {}
        task.log_dict = lambda values, **_: seen.update(values)
        total = task.training_step([images, labels], 0).item()
        return total, {name: float(value.detach()) for name, value in seen.items()}

    recipe = replace(RECIPE, area_ratio_weight=0.0)
    alone, seen = loss(recipe, ())
    assert alone == pytest.approx(seen["overlap"])
    assert "teachers" not in seen
    total, seen = loss(replace(recipe, label_weight=0.25, teacher_weight=3.0), teachers)
    assert total == pytest.approx(0.25 * seen["overlap"] + 3.0 * seen["teachers"], rel=1e-5)
    assert total == pytest.approx(seen["loss"])
