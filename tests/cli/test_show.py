"""The table of several clips on wide, narrow and plain terminals."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest

from lvef.cli.show import MIN_NOTE, print_models, print_table
from lvef.core.short_wording import SHORT_TEXT
from lvef.measure.serializers import RESULT_COLUMNS

WORDS = {word for text in SHORT_TEXT.values() for word in text.split()}


def row(path, **values):
    found = dict.fromkeys(RESULT_COLUMNS, "") | {
        "path": path, "status": "ok", "ef_percent": "58.2", "ef_low_percent": "48.1", "ef_high_percent": "66.4",
        "edv_ml": "120.4", "esv_ml": "48", "beats": "3", "decision": "accepted",
    }  # fmt: skip
    return found | values


NONE = dict.fromkeys(("ef_percent", "ef_low_percent", "ef_high_percent", "edv_ml", "esv_ml", "decision"), "")
ROWS = [
    row("study/a.avi"),
    row(
        "study/deep/1.2.840.113619.2.300.7348.dcm",
        warnings="edit_list; weak_walls; single_beat",
        decision="caution",
    ),
    row("study/menu.avi", status="refused", reason_code="no_fan", beats="0", **NONE),
    row("study/gone.avi", status="failed", reason_code="unreadable", beats="0", **NONE),
]


def test_a_pipe_gets_no_spaces_at_line_ends(capsys):
    print_table(ROWS, None)
    print_models(MODELS)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > len(ROWS) + len(MODELS)
    assert [line for line in lines if line != line.rstrip()] == []


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def model(name, kind, licence="CC-BY-NC-SA-4.0", **values):
    facts = {
        "name": name,
        "version": "1",
        "kind": kind,
        "licence": licence,
        "experimental": False,
        "external": [],
    }
    return facts | values


MODELS = [
    model("camus-seg", "segmentation", version="1.2.0"),
    model(
        "small",
        "ef-clip",
        experimental=True,
        external=[
            {
                "name": "ef_mae", "value": 11.5, "unit": "points", "low": 11.5, "high": 11.5, "level": 0.95, "n": 9,
                "split": "clips of another hospital", "reference": "clinical report",
            }
        ],
    ),
]  # fmt: skip


@pytest.fixture
def printed_models(printed):
    return lambda width: printed(width, show=lambda: print_models(MODELS))


@pytest.fixture
def printed(monkeypatch):
    def print_all(width, encoding="utf-8", show=lambda: print_table(ROWS, None)):
        terminal = Terminal()
        terminal.encoding = encoding
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys, "stdout", terminal)
        show()
        text = terminal.getvalue()
        # Bold and faint are no colours.
        assert set(re.findall(r"\x1b\[([0-9;]*)m", text)) <= {"0", "1", "2"}
        return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()]

    return print_all


def test_eighty_columns_hold_a_line_a_clip_in_words(printed):
    assert printed(80) == [
        "File         EF           EDV ml ESV ml Beats Decision Warning or reason",
        "a.avi        58 % (48-66)    120     48     3 accepted",
        "…00.7348.dcm 58 % (48-66)    120     48     3 caution  walls hardly visible (+2)",
        "menu.avi     -                 -      -     - refused  no ultrasound sector",
        "gone.avi     -                 -      -     - failed   cannot be read",
        "Research and teaching use only. Not a medical device.",
    ]


def test_models_are_sentences_where_a_table_does_not_fit(printed_models):
    assert printed_models(80)[1] == "camus-seg 1.2.0 segmentation not validated externally  CC-BY-NC-SA-4.0"
    assert printed_models(60)[:2] == [
        "camus-seg 1.2.0: segmentation, not validated externally,",
        "CC-BY-NC-SA-4.0",
    ]
    assert "small 1: ef-clip, external EF error 11.5 points," in printed_models(60)


@pytest.mark.parametrize("width", [60, 48, 40])
def test_a_narrow_terminal_has_fewer_columns_and_no_torn_words(printed, width):
    lines = printed(width)
    assert all(len(line) <= width for line in lines)
    text = " ".join(" ".join(lines).split())
    assert "58 % (48-66)" in text
    for word in ["walls", "hardly", "visible", "(+2)", "no", "ultrasound", "sector", "cannot", "be", "read"]:
        assert word in text
    assert ("Decision" in text) is (width == 60)
    assert "EDV" not in text


def test_a_terminal_without_unicode(printed):
    assert printed(80, "ascii")[2].startswith("...0.7348.dcm 58 %") or printed(80, "ascii")[2].startswith(
        "..."
    )
    assert all("…" not in line for line in printed(80, "ascii"))


def test_a_pipe_shortens_nothing(capsys):
    print_table(ROWS, None)
    out = capsys.readouterr().out
    assert (
        "deep/1.2.840.113619.2.300.7348.dcm  58 % (48-66)     120      48      3  caution   walls hardly"
        in out
    )
    assert "\x1b" not in out


def test_words_fit_the_narrowest_column():
    assert max(map(len, WORDS)) <= MIN_NOTE
    assert max(map(len, SHORT_TEXT.values())) <= 30


def test_letters_that_stdout_does_not_know_end_no_run(tmp_path):
    code = (
        "import sys; from lvef.cli.main import main; sys.argv = ['lvef', 'data', 'info', 'no-such-é']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PATH": "", "HOME": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 2
    assert b"no-such-" in done.stderr
    assert b"Traceback" not in done.stderr
