"""The numbers of the usual pose, and contours from three clicks beside masks."""

import numpy as np
import pytest

from lvef.core.terms import Phase
from lvef.datasets.camus import read_stills
from lvef.measure.options import MeasureOptions
from lvef.measure.predictors import load_predictor
from studies.three_clicks import NAMES, compare, pairs_of, pose_of, print_contours, print_pose
from tests.datasets import camus_folder


@pytest.fixture(scope="module")
def stills(tmp_path_factory):
    root = camus_folder.write(tmp_path_factory.mktemp("camus") / "camus", 4)
    names = sorted(path.name for path in (root / "database_nifti").iterdir())
    return list(read_stills(root, names[:2]))


def test_pose_of_a_mask(stills):
    values = dict(zip(NAMES, pose_of(stills[0]), strict=True))
    assert values["base y"] > values["apex y"]
    assert 0.1 < values["annulus"] < values["width"] < 1.5
    assert 45 < values["angle, degrees"] <= 90


def test_an_expert_has_dice_one_and_the_usual_shape_less(stills):
    pair = pairs_of(stills)[0]
    assert [still.phase for still in pair] == [Phase.ED, Phase.ES]
    for one in compare(pair, load_predictor(MeasureOptions(threads=1, precision="f32"))):
        assert one.dice["expert"] > 0.98
        assert 0.5 < one.dice["usual shape"] < 1
        assert np.isfinite(one.volume["three clicks"])


def test_tables(stills, capsys):
    print_pose(stills)
    print_contours(stills[:2], load_predictor(MeasureOptions(threads=1, precision="f32")))
    said = capsys.readouterr().out
    assert "both, 8 masks" in said
    assert "three clicks   Dice" in said
