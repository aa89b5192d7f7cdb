"""The group: help without heavy imports, errors as sentences, exit codes."""

from __future__ import annotations

import errno
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import lvef
from lvef.cli.data import data
from lvef.cli.main import SECTIONS, VERBS, main
from lvef.core.errors import DataError, QualityRefusal, WeightsError, was_interrupted


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=300, check=False)


def test_help_names_every_verb(run):
    result = run("--help")
    assert result.exit_code == 0
    for verb, (_, _, line) in VERBS.items():
        assert verb in result.stdout
        assert line in result.stdout
    assert "Not a medical device" in result.stdout


def test_without_arguments_it_says_what_to_type_next(run):
    result = run()
    assert (result.exit_code, result.stdout) == (2, "")
    assert [line.split()[1] for line in result.stderr.splitlines() if line.startswith("  lvef ")] == [
        "measure", "demo", "app", "--help",
    ]  # fmt: skip
    assert max(map(len, result.stderr.splitlines())) <= 80


def test_help_is_grouped_by_purpose(run):
    grouped = [verb for verbs in SECTIONS.values() for verb in verbs]
    assert sorted(grouped) == sorted(VERBS)
    text = run("--help").stdout
    assert [text.index(f"\n{heading}:") for heading in SECTIONS] == sorted(
        text.index(f"\n{heading}:") for heading in SECTIONS
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["measuer"], "There is no command 'measuer'; did you mean measure?"),
        (["data", "chekc"], "There is no command 'chekc'; did you mean check?"),
        (["data", "prepare", "clip"], "There is no command 'clip'; did you mean clips?"),
        (["weights", "verfiy"], "There is no command 'verfiy'; did you mean verify?"),
        (["evaluate", "sills"], "There is no command 'sills'; did you mean stills?"),
        (["zzz"], "There is no command 'zzz'; there are measure, demo"),
        (["data", "info", "camsu"], "no dataset is called 'camsu'; did you mean camus?"),
    ],
)
def test_did_you_mean(run, words, said):
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_did_you_mean_an_option(run):
    result = run("measure", "--wieghts", "x", "clip.avi")
    assert result.exit_code == 2
    assert "There is no option --wieghts; did you mean --weights?" in result.stderr
    assert "There is no option --zzzz.\n" in run("measure", "--zzzz").stderr


def test_a_file_in_place_of_a_verb(run, here):
    (here / "clip.avi").write_bytes(b"x")
    assert "to measure that file: lvef measure clip.avi" in run("clip.avi").stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_clicks_script(run, shell):
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_LVEF_COMPLETE" in result.stdout
    assert shell in result.stdout or shell == "bash"


def test_a_shell_completes_verbs_options_and_models(monkeypatch):
    def complete(*words):
        shown = {
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
            "_LVEF_COMPLETE": "bash_complete",
        }
        return CliRunner().invoke(main, [], prog_name="lvef", env=shown).stdout.split()

    assert complete("lvef", "me") == ["plain,measure"]
    assert complete("lvef", "data", "che") == ["plain,check"]
    assert complete("lvef", "measure", "--weights") == ["plain,--weights"]
    assert "plain,camus-seg" in complete("lvef", "measure", "--weights", "camus")


def test_help_of_a_group_names_its_verbs(run):
    result = run("data", "--help")
    assert result.exit_code == 0
    said = " ".join(result.stdout.split())
    for verb, command in data.commands.items():
        assert f"{verb} {command.short_help}" in said


def every_command(group=main, words=()):
    """The words of every command, groups among them."""
    yield words
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            yield from every_command(group.get_command(context, name), (*words, name))


@pytest.mark.parametrize("verb", ["measure", "report"])
def test_options_of_measuring_stand_under_headings(run, verb):
    text = run(verb, "--help").stdout
    headings = [f"\n{heading}:\n" for heading in ("Input", "Output", "Model", "Frames", "Scale", "Options")]
    places = [text.index(heading) for heading in headings]
    assert places == sorted(places)
    assert places[2] < text.index("\n  --weights") < places[3]
    assert "--scale-line X1,Y1,X2,Y2,MM" in text


@pytest.mark.parametrize("words", list(every_command()))
def test_every_help_has_an_example_and_fits_80_columns(run, words):
    result = run(*words, "--help")
    assert result.exit_code == 0, result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "Example" in result.stdout
    assert " ".join(("lvef", *(words or ("measure",)))) in result.stdout.split("Example", 1)[1]
    assert run(*words, "-h").stdout == result.stdout


def test_help_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from lvef.cli.main import main\n"
        "from lvef.cli.main import VERBS\n"
        "from lvef.cli.data import data\n"
        "calls = [['--version'], [], *([verb] for verb in VERBS), *(['data', verb] for verb in data.commands)]\n"
        "for words in calls:\n"
        "    done = CliRunner().invoke(main, words if words == ['--version'] else [*words, '--help'])\n"
        "    assert done.exit_code == 0, (words, done.output)\n"
        "heavy = {'numpy', 'cv2', 'av', 'openvino', 'matplotlib', 'scipy', 'pydicom', 'torch', 'rich', 'PIL', 'polars'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = python("-c", code)
    assert done.stdout.strip() == "[]", done.stderr


def test_version(run):
    assert run("--version").stdout == f"lvef {lvef.__version__}\n"


@pytest.mark.parametrize(
    "words", [["measuer"], ["--nope"], ["info", "--nope"], ["measure", "--sex", "x", "a"]]
)
def test_wrong_words_are_2(run, words):
    result = run(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error" in result.stderr


def verb_that_raises(monkeypatch, error: BaseException):
    @click.command()
    def broken() -> None:
        raise error

    import lvef.cli.info

    monkeypatch.setattr(lvef.cli.info, "info", broken)
    return CliRunner().invoke(main, ["info"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DataError("clip.avi is empty."), 1),
        (WeightsError("No model named x."), 1),
        (QualityRefusal("no_fan", "No fan was found."), 3),
    ],
)
def test_errors_of_ours_are_one_sentence(monkeypatch, error, code):
    result = verb_that_raises(monkeypatch, error)
    assert result.exit_code == code
    assert result.stderr == f"lvef: {error}\n"
    assert result.stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ("train", "r.toml", "--data", ".", "--out", "run"),
        ("tune", "r.toml", "--data", ".", "--out", "run"),
        ("weights", "import", "echonet-ef", "r.toml", "--out", "net"),
    ],
)
def test_without_torch_a_sentence_says_what_to_install(run, here, monkeypatch, words):
    (here / "r.toml").write_text('name = "r"\nfamily = "small-video"\n')
    for name in [n for n in sys.modules if n.startswith(("lvef.training", "lvef.models"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "lightning", None)
    done = run(*words)
    assert done.exit_code == 1
    assert 'pip install "lvef[train]"' in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_stop_by_the_user_is_130(monkeypatch):
    result = verb_that_raises(monkeypatch, KeyboardInterrupt())
    assert result.exit_code == 130
    assert "same command resumes" in result.stderr


def test_a_file_that_the_system_loses_is_no_bug(monkeypatch):
    result = verb_that_raises(
        monkeypatch, OSError(errno.ESTALE, "Stale file handle", "/share/store/frames.u8")
    )
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "lvef: /share/store/frames.u8: cannot be used (stale file handle). Check the disk"
    )
    assert result.stderr.count("\n") == 1


def test_a_disk_that_is_gone_while_a_file_is_read_is_no_bug(monkeypatch):
    result = verb_that_raises(monkeypatch, OSError(errno.EIO, "Input/output error"))
    assert result.exit_code == 1 and result.stderr.startswith(
        "lvef: a file: cannot be used (input/output error)."
    )


def test_causes_in_a_circle_end():
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__context__ = second, first
    assert not was_interrupted(first)
    second.__cause__ = KeyboardInterrupt()
    assert was_interrupted(first)


def test_what_goes_wrong_after_a_stop_signal_does_not_hide_the_stop(monkeypatch):
    monkeypatch.setattr("lvef.cli.main._stopped_by", [15])
    result = verb_that_raises(monkeypatch, DataError("A worker process was ended."))
    assert result.exit_code == 143
    assert result.stderr == "lvef: A worker process was ended.\n"


@pytest.mark.parametrize(
    "error", [RuntimeError("no iterator"), ImportError("no module"), DataError("No model.")]
)
def test_a_stop_that_a_library_turns_into_an_error_is_a_stop(monkeypatch, error):
    try:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise error from None
    except type(error) as turned:
        result = verb_that_raises(monkeypatch, turned)
    assert result.exit_code == 130
    assert "bug" not in result.stderr and "\n" in result.stderr


def test_an_error_after_a_stop_signal_is_a_stop(monkeypatch):
    monkeypatch.setattr("lvef.cli.main._stopped_by", [15])
    result = verb_that_raises(monkeypatch, RuntimeError("iterator is gone"))
    assert result.exit_code == 143 and "same command resumes" in result.stderr


def test_a_bug_is_one_sentence_that_says_so_and_tells_nothing_of_a_person(monkeypatch):
    result = verb_that_raises(monkeypatch, ValueError("Patient^Name"))
    assert result.exit_code == 1
    assert "bug in lvef" in result.stderr
    assert "LVEF_DEBUG=1" in result.stderr
    assert "Patient" not in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1


class PanicException(BaseException):
    """As libraries in Rust raise it."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("can't start new thread"),
        ImportError("libm.so: failed to map segment from shared object"),
        PanicException("memory allocation of 8 bytes failed: Cannot allocate memory"),
    ],
)
def test_want_of_memory_is_called_so(monkeypatch, error):
    result = verb_that_raises(monkeypatch, error)
    assert result.exit_code == 1
    assert result.stderr.startswith("lvef: there was not enough memory. Finished files stay")
    assert result.stderr.count("\n") == 1


def test_debug_shows_the_traceback(monkeypatch):
    monkeypatch.setenv("LVEF_DEBUG", "1")
    result = verb_that_raises(monkeypatch, ValueError("inner"))
    assert "Traceback" in result.stderr
    assert "inner" in result.stderr


def test_a_closed_pipe_is_no_bug(monkeypatch):
    result = verb_that_raises(monkeypatch, OSError(errno.EPIPE, "Broken pipe"))
    assert "bug" not in result.stderr


@pytest.mark.parametrize(("code", "number"), [(None, 0), (1, 1), ("a sentence", 1)])
def test_a_program_with_abandoned_threads_ends_at_once_with_its_exit_code(monkeypatch, code, number):
    from lvef.cli import main as module
    from lvef.core import workers

    ended = []
    monkeypatch.setattr(module, "_exit_now", ended.append)
    monkeypatch.setattr(module._thread, "start_new_thread", lambda *_: None)
    module._exit_soon(code)
    assert not ended
    monkeypatch.setattr(workers, "_abandoned", {"work"})
    module._exit_soon(code)
    assert ended == [number]


def test_a_program_that_gets_no_thread_ends_at_once(monkeypatch):
    from lvef.cli import main as module

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    ended = []
    monkeypatch.setattr(module, "_exit_now", ended.append)
    monkeypatch.setattr(module._thread, "start_new_thread", refuse)
    module._exit_soon(1)
    assert ended == [1]


def test_a_thread_that_dies_as_it_begins_does_not_keep_a_program_from_ending():
    # What memory that runs out at this moment does; Thread.start() would wait for it for ever.
    code = (
        "import sys, _thread, threading\nfrom lvef.cli.main import main\nreal = _thread.start_new_thread\n"
        "def die(*_): raise MemoryError\n"
        "for module in (_thread, threading):\n"
        "    name = 'start_new_thread' if module is _thread else '_start_new_thread'\n"
        "    setattr(module, name, lambda *_: real(die, ()))\n"
        "sys.argv = ['lvef', '--version']\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode == 0 and done.stdout.startswith("lvef, version")) or done.stdout.startswith(
        "lvef "
    )


def test_the_plotting_backend_of_a_notebook_is_not_inherited(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://not_installed_here")
    code = (
        # Else a timer ends the process some seconds after the command: on a busy machine, before matplotlib is imported.
        "import sys, contextlib\nfrom lvef.cli.main import main\nsys.modules['lvef.cli.main'].CLOSING_S = 600\n"
        "sys.argv = ['lvef', '--version']\nwith contextlib.suppress(SystemExit):\n    main()\n"
        "import matplotlib\nprint(matplotlib.get_backend())"
    )
    done = python("-c", code)
    assert done.stdout.splitlines()[-1] == "agg", done.stderr
