"""Where options come from: the command line, variables, the config file; and every mistake in that file."""

from __future__ import annotations

import json

import pytest

from tests.cli.fakes import FakeMeasurer


@pytest.fixture
def config(here, monkeypatch):
    """Writes the config file that LVEF_CONFIG names."""
    path = here / "lvef.toml"
    monkeypatch.setenv("LVEF_CONFIG", "lvef.toml")
    return path.write_text


@pytest.fixture
def sex_of(run, fake, here):
    """Measures a clip and returns the sex that the measurer was given."""
    (here / "clip.avi").write_bytes(b"x")

    def measure(*words):
        result = run("measure", "clip.avi", "--json", *words)
        assert result.exit_code == 0, result.stderr
        return FakeMeasurer.made[-1].options.sex

    return measure


def test_command_line_before_variable_before_file_before_default(config, sex_of, monkeypatch):
    config("")
    assert sex_of() is None
    config('[measure]\nsex = "f"\n')
    assert sex_of() == "F"
    monkeypatch.setenv("LVEF_MEASURE_SEX", "m")
    assert sex_of() == "M"
    assert sex_of("--sex", "f") == "F"


def test_names_are_those_of_the_options(config, run, fake, here, monkeypatch):
    (here / "clip.avi").write_bytes(b"x")
    config("[measure]\njson = true\nframe_rate_hz = 40\njobs = 1\n[data.info]\njson = true\n")
    assert json.loads(run("measure", "clip.avi").stdout)["status"] == "ok"
    assert FakeMeasurer.made[-1].options.frame_rate_hz == 40.0
    assert json.loads(run("data", "info", "camus").stdout)["name"] == "camus"
    config("")
    monkeypatch.setenv("LVEF_MEASURE_JSON", "1")
    monkeypatch.setenv("LVEF_DATA_INFO_JSON", "true")
    assert json.loads(run("measure", "clip.avi").stdout)["status"] == "ok"
    assert json.loads(run("data", "info", "camus").stdout)["name"] == "camus"


def test_help_shows_the_values_of_the_file(config, run):
    config("[measure]\nmax-seconds = 20\n")
    assert "[default: 20" in " ".join(run("measure", "--help").stdout.split())


def test_a_list_for_an_option_that_may_be_given_several_times(config, run, here):
    config('[evaluate.synthetic]\nweights = ["a", "b"]\n')
    result = run("evaluate", "synthetic", "folder")
    assert result.exit_code == 2
    assert "Give one --weights" in result.stderr


def test_without_lvef_config_the_file_of_the_users_folder_counts(run, here, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(here / "settings"))
    said = " ".join(run("info").stdout.split())
    assert "Config file none" in said and "config.toml" in said
    (here / "settings" / "lvef").mkdir(parents=True)
    (here / "settings" / "lvef" / "config.toml").write_text("[data.info]\njson = true\n")
    assert json.loads(run("data", "info", "camus").stdout)["name"] == "camus"
    assert str(here / "settings" / "lvef" / "config.toml") in "".join(run("info").stdout.split("\n"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mesure]\n", "no command for the section [mesure]; did you mean measure?"),
        ("[data.chekc]\n", "no command for the section [data.chekc]; did you mean check?"),
        ("[zzz]\n", "no command for the section [zzz]; there are measure, demo"),
        ('[measure]\nwieghts = "x"\n', "[measure] has no option wieghts; did you mean weights?"),
        ("[measure]\nzzz = 1\n", "[measure] has no option zzz; there are a2c,"),
        ("[measure]\njobs = 2.5\n", "[measure] jobs: '2.5' is not a valid integer."),
        ("[measure]\njobs = -1\n", "[measure] jobs: -1 is not in the range x>=0."),
        ("[measure]\njobs = true\n", "[measure] jobs: 'True' is not a valid integer."),
        ("[measure]\njobs = [1]\n", "[measure] jobs: [1] found; one value was expected."),
        ('[train]\ndata = "x"\n', "[train] data: 'x' found; a list was expected."),
        ('[measure]\nresume = "perhaps"\n', "[measure] resume: 'perhaps' is not a valid boolean"),
        ('weights = "x"\n', "weights stands outside the section of a command"),
        ("[measure\n", "not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(config, run, text, said):
    config(text)
    result = run("measure", "clip.avi")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("lvef: lvef.toml")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert run("measure", "--help").exit_code == 0, "help works all the same"


def test_a_file_that_is_not_there(run, here, monkeypatch):
    monkeypatch.setenv("LVEF_CONFIG", "gone.toml")
    result = run("info")
    assert result.exit_code == 2
    assert (
        result.stderr
        == "lvef: gone.toml, which LVEF_CONFIG names, cannot be read (no such file or directory).\n"
    )


def test_a_wrong_value_in_a_variable_names_the_variable(run, here, monkeypatch):
    monkeypatch.setenv("LVEF_MEASURE_JOBS", "many")
    result = run("measure", "clip.avi")
    assert result.exit_code == 2
    assert (
        "'many' is not a valid integer. It stands in the environment variable LVEF_MEASURE_JOBS."
        in result.stderr
    )
