"""The table of what is decided of each file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from lvef.core.errors import DataError
from studies.decisions import files_of, main


def test_a_row_for_each_file_with_view_decision_ef_and_reason(tmp_path, capsys):
    for name in ("examples_ybr_color.dcm", "examples_rgb_color.dcm"):
        shutil.copy(Path(str(get_testdata_file(name, download=False))), tmp_path)
    (tmp_path / "README.md").write_text("no clip")
    main([str(tmp_path)])
    still, cine = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert cine[1:4] == ["30", "A4C (0.89)", "caution"]
    assert cine[4].startswith("65 % (")
    assert still[1] == "1"
    assert still[3:5] == ["refused", "-"]
    assert "as a view refused as well: not an A4C or A2C view" in still[5]


def test_without_a_folder_the_ultrasound_files_of_pydicom_are_listed(tmp_path):
    names = {path.name for path in files_of([])}
    assert {"examples_ybr_color.dcm", "examples_rgb_color.dcm"} <= names
    assert "CT_small.dcm" not in names
    with pytest.raises(DataError, match="no file found"):
        files_of([tmp_path])
