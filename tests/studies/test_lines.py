"""The table of what 21 lines lose."""

import numpy as np
import pytest

from lvef.geometry.tracing import trace_labels
from studies.lines import STEPS, counted_disks, errors_of_mask, main, table
from tests.datasets import camus_folder
from tests.geometry.ventricle_shapes import labels, true_volume


def test_disks_counted_in_pixels_are_the_true_volume():
    mask = labels(size=256, centre=(128, 160), length=100.0, radius=32.0, turn=0.3)
    counted = counted_disks(mask == 1, trace_labels(mask))
    assert counted == pytest.approx(true_volume(100, 32), rel=0.02)
    wide = np.repeat(mask, 2, axis=1)
    assert counted_disks(wide == 1, trace_labels(wide, aspect=2.0), 2.0) == pytest.approx(
        8 * counted, rel=0.01
    )


def test_every_step_has_an_error_and_a_row():
    mask = labels(size=256, centre=(128, 160), length=100.0, radius=32.0, turn=0.3)
    found = errors_of_mask(mask)
    assert list(found) == list(STEPS)
    assert abs(found["lines"]) < 1e-6
    assert 0 < abs(found["lines in the 112 px square"]) < 0.2
    assert 0.985 < found["lines -> mask"] < 1
    text = table([found, found])
    assert text.count("\n") == 1 + len(STEPS)
    assert "| lines -> mask | overlap with the mask, Dice |" in text


def test_program(tmp_path, capsys):
    main(["--data", str(camus_folder.write(tmp_path / "camus", 4)), "--split", "validation"])
    said = capsys.readouterr().out
    assert "A4C: 4 expert masks" in said
    assert "A2C: 4 expert masks" in said
    assert "0 masks could not be taken all the way" in said


@pytest.mark.realdata
def test_expert_masks_keep_their_volume(camus_root, capsys):
    main(["--data", str(camus_root), "--split", "validation"])
    said = capsys.readouterr().out
    rows = [line.split("|") for line in said.splitlines() if line.startswith("| lines in the 112 px square")]
    assert len(rows) == 2
    assert all(float(row[-2]) < 2.0 for row in rows)
