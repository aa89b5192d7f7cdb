"""Recipes: those in the repository, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnx")

from lvef.core.errors import ConfigError
from lvef.core.terms import SEGMENTATION, VIEW
from lvef.models.families import settings_of
from lvef.training.camus_run import read_camus_recipe
from lvef.training.recipe import find_recipe, parse_change, read_recipe, read_values, with_changes
from lvef.training.segmentation import SegmentationRecipe
from lvef.training.view import ViewRecipe
from tests.conftest import ROOT

pytestmark = pytest.mark.training

RECIPES = sorted((ROOT / "recipes").glob("*.toml"))


def write(tmp_path, text):
    path = tmp_path / "r.toml"
    path.write_text('name = "r"\nfamily = "small-video"\n' + text)
    return path


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_a_recipe_of_the_repository_is_sound(path):
    if read_values(path)["family"] == SEGMENTATION:
        recipe = read_camus_recipe(SegmentationRecipe, path, {"fold": 0})
        assert path.stem.startswith(recipe.name) and recipe.input.size % 16 == 0
        return
    if read_values(path)["family"] == VIEW:
        assert read_camus_recipe(ViewRecipe, path, {"fold": 0}).name == path.stem
        return
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    settings_of(recipe.family, recipe.network)


def test_the_report_is_followed_to_the_letter():
    two = read_recipe(ROOT / "recipes" / "two-stream-report.toml")
    assert (two.optimiser.kind, two.optimiser.learning_rate, two.batch_size) == ("adam", 1e-3, 16)
    assert (two.epochs, two.patience, two.loss.kind, two.clip.frames) == (50, 10, "mse", 29)
    assert two.optimiser.schedule == "constant"
    lines = read_recipe(ROOT / "recipes" / "volume-trace-report.toml")
    assert (lines.optimiser.kind, lines.optimiser.learning_rate, lines.epochs) == ("adam", 1e-4, 200)
    assert (lines.loss.kind, lines.patience) == ("mae", 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 3", "unknown key colour"),
        ("[loss]\nkin = 'mse'", "unknown key kin"),
        ("[loss]\nkind = 'l3'", "'l3' found; mse, mae, smooth-l1"),
        ("epochs = 0", "epochs 0"),
        ("epochs = 'many'", "int was expected"),
        ("[clip]\nframes = 1", "1 frames"),
        ("[clip]\nstd = 0", "std 0"),
        ("[optimiser]\nlearning_rate = -1.0", "learning_rate -1"),
        ("[augmentation]\np_mirror = 2.0", "p_mirror 2"),
        ("[data]\nvalidation_fraction = 1.0", "validation_fraction 1"),
        ("epochs = ", "not valid TOML"),
    ],
)
def test_a_wrong_recipe_names_file_and_fault_in_one_sentence(tmp_path, text, said):
    with pytest.raises(ConfigError) as caught:
        read_recipe(write(tmp_path, text))
    sentence = str(caught.value)
    assert "r.toml" in sentence
    assert said in sentence
    assert "\n" not in sentence


def test_a_recipe_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read"):
        read_recipe(tmp_path / "none.toml")


def test_two_streams_have_scales_of_their_own(tmp_path):
    path = tmp_path / "t.toml"
    path.write_text('name = "t"\nfamily = "two-stream"\n[clip]\nmean = 0.2\n')
    with pytest.raises(ConfigError, match=r"t\.toml: .*two streams"):
        read_recipe(path)


def test_a_name_cannot_lead_out_of_the_folder(tmp_path):
    path = tmp_path / "t.toml"
    for name in ("../x", "", ".hidden", "a/b"):
        path.write_text(f'name = "{name}"\nfamily = "two-stream"\n')
        with pytest.raises(ConfigError, match="name"):
            read_recipe(path)


def test_settings_of_the_command_line_replace_those_of_the_file(tmp_path):
    path = write(tmp_path, "[loss]\nkind = 'mse'\nordinal = 2.0\n")
    recipe = read_recipe(path, dict([parse_change("loss.kind=mae"), parse_change("epochs=3")]))
    assert (recipe.loss.kind, recipe.loss.ordinal, recipe.epochs) == ("mae", 2.0, 3)
    with pytest.raises(ConfigError, match="no table"):
        with_changes({"epochs": 3}, {"epochs.more": 1})
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        parse_change("loss.kind")


def test_a_recipe_of_lvef_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in sorted((ROOT / "recipes").glob("*.toml")):
        for given in (path.stem, path.name):
            assert find_recipe(Path(given)).read_bytes() == path.read_bytes()
    assert read_recipe(Path("small-video")).family == "small-video"
    # What lies here under that name comes first, and a path is a path.
    (tmp_path / "small-video").write_text("x")
    assert find_recipe(Path("small-video")) == Path("small-video")
    assert find_recipe(Path("no/camus-seg")) == Path("no/camus-seg")
    with pytest.raises(
        ConfigError, match=r"no-such: is no file, and no recipe of lvef; there are camus-seg, .*small-video"
    ):
        find_recipe(Path("no-such"))
