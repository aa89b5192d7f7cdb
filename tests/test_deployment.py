"""The image, the compose file, Heroku, units, proxies and AWS: what can be told without an engine that runs them."""

from __future__ import annotations

import fnmatch
import importlib.util
import json
import re
import shlex
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path

import click
import pytest
import yaml

from lvef.cli.main import main
from tests.house import ROOT, canonical, locked

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
NOBODY = "10001:10001"


def instructions(text: str) -> list[tuple[str, str]]:
    """Instructions of a Dockerfile: word and rest, continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (w[0].upper(), w[1]) for w in (line.split(None, 1) for line in joined.splitlines() if line.strip())
    ]


def stages(found: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """The same, cut at each FROM."""
    cut: list[list[tuple[str, str]]] = [[]]
    for word, rest in found:
        if word == "FROM":
            cut.append([])
        cut[-1].append((word, rest))
    return cut


IMAGE = instructions((ROOT / "Dockerfile").read_text(encoding="utf-8"))
BUILD, FINAL = stages(IMAGE)[1:]


def let_in(path: str) -> bool:
    """Whether .dockerignore lets a path into the build: the last line that matches it or a folder above it decides."""
    allowed = True
    for raw in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!").rstrip("/")
        parts = path.split("/")
        above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        if pattern.startswith("**/"):
            hit = any(fnmatch.fnmatchcase(part, pattern[3:]) for part in parts)
        else:
            hit = any(fnmatch.fnmatchcase(p, pattern) and p.count("/") == pattern.count("/") for p in above)
        if hit:
            allowed = line.startswith("!")
    return allowed


def copied() -> list[str]:
    """Paths of the repository that the image is made of."""
    found = []
    for word, rest in IMAGE:
        if word == "COPY" and "--from=" not in rest:
            found += [w for w in rest.split()[:-1] if not w.startswith("--")]
    return found


def check_command(words: list[str]) -> dict[str, str]:
    """A command of ours exists with all its options; gives the options with their values."""
    assert words[0] in {"lvef", "/opt/lvef/bin/lvef"}
    command = main.get_command(click.Context(main), words[1])
    assert command is not None, words[1]
    options = {o: p for p in command.params for o in (*p.opts, *p.secondary_opts)}
    given, rest = {}, words[2:]
    while rest:
        name, is_joined, value = rest.pop(0).partition("=")
        if name.startswith("$"):
            continue
        assert name in options, f"lvef {words[1]} has no option {name}"
        option = options[name]
        assert isinstance(option, click.Option)
        if not option.is_flag:
            given[name] = value if is_joined else rest.pop(0)
        else:
            given[name] = ""
    return given


def serves(words: list[str], verb: str, port: str, host: str = "0.0.0.0") -> None:
    assert words[1] == verb
    given = check_command(words)
    assert given["--host"] == host
    assert given["--port"] == port


# The image


def test_base_images_are_pinned_and_one():
    names = {rest.split()[0] for word, rest in IMAGE if word == "FROM"}
    defaults = dict(rest.split("=", 1) for word, rest in IMAGE if word == "ARG")
    assert names == {"${PYTHON_IMAGE}"}
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", defaults["PYTHON_IMAGE"])


def test_packages_come_from_the_lock_with_hashes():
    installs = [
        command
        for word, rest in IMAGE
        if word == "RUN"
        for command in rest.split("&&")
        if re.search(r"\bpip (install|wheel)\b", command)
    ]
    assert len(installs) == 3
    fetching = [c for c in installs if "--no-index" not in c]
    assert len(fetching) == 1
    for word in ("--require-hashes", "--no-deps", "--only-binary :all:", "-r requirements/serve.txt"):
        assert word in fetching[0]
    assert any("pip wheel" in c and "--no-build-isolation" in c for c in installs)


def test_nothing_is_fetched_otherwise():
    assert not [rest for word, rest in IMAGE if word == "ADD"]
    assert not [rest for word, rest in IMAGE if word == "RUN" and re.search(r"https?:|curl|wget|apt", rest)]
    assert not [rest for word, rest in IMAGE if word in {"ENV", "ARG"} and re.search("KEY|TOKEN|PASS", rest)]


def test_the_final_stage_runs_as_nobody_with_a_health_check():
    words = [word for word, _ in FINAL]
    last = dict(FINAL)
    assert last["USER"] == NOBODY
    assert words.index("USER") > max(i for i, word in enumerate(words) if word == "COPY")
    assert "curl" not in last["HEALTHCHECK"] and "healthcheck.py" in last["HEALTHCHECK"]
    assert last["STOPSIGNAL"] == "SIGTERM"
    assert "VOLUME" not in words, "an unnamed volume would keep results of patients"
    serves(json.loads(last["CMD"]), "app", "8501")
    assert "--no-open" in last["CMD"]


def test_only_tmp_is_written_to():
    settings = dict(pair.split("=", 1) for word, rest in FINAL if word == "ENV" for pair in shlex.split(rest))
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "MPLCONFIGDIR"):
        assert settings[name].split("/")[1] == "tmp", name
    assert settings["PYTHONDONTWRITEBYTECODE"] == "1"


def test_licences_are_on_the_label():
    (label,) = (rest for word, rest in FINAL if word == "LABEL")
    words = dict(pair.split("=", 1) for pair in shlex.split(label))
    licences = words["org.opencontainers.image.licenses"].split(" AND ")
    assert {"Apache-2.0", "CC-BY-NC-SA-4.0", "GPL-2.0-or-later"} <= set(licences)


def test_what_is_thrown_out_is_needed_by_nothing_that_stays():
    (words,) = re.findall(
        r"pip uninstall --yes ([\w -]+?) *&&", " && ".join(r for w, r in BUILD if w == "RUN")
    )
    gone = set(words.split())
    staying = locked("serve").keys() - gone
    needed = set()
    for name in staying:
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        needed |= {canonical(r) for r in requires if "extra ==" not in r}
    assert "numpy" in needed
    assert not gone & needed


def test_what_the_image_is_made_of_is_there_and_let_in():
    paths = copied()
    # The wheel that the image is built of holds the recipes too.
    packed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    assert packed["force-include"] == {"recipes": "lvef/recipes"}
    assert {"src", "weights", "requirements/serve.txt", *packed["force-include"]} <= set(paths)
    for path in paths:
        assert (ROOT / path).exists(), path
        files = [p for p in (ROOT / path).rglob("*") if p.is_file()] or [ROOT / path]
        assert any(let_in(p.relative_to(ROOT).as_posix()) for p in files), path
    for path in (
        "src/lvef/cli/main.py",
        "weights/lvef-weights-camus/src/lvef_weights_camus/camus-seg/model.onnx",
    ):
        assert (ROOT / path).is_file() and let_in(path)


@pytest.mark.parametrize(
    "path",
    [
        "film.dcm",
        ".git/config",
        "out/demo/measurement.json",
        "deploy/secrets/api-key",
        "requirements/train.txt",
        "tests/house.py",
        "src/lvef/cli/__pycache__/main.cpython-313.pyc",
        ".venv/bin/python",
    ],
)
def test_what_has_no_place_in_the_image_stays_out(path):
    assert not let_in(path)


# Its programs


def test_entrypoint_gives_matplotlib_its_folder_and_runs_the_command(tmp_path):
    text = (DEPLOY / "entrypoint.sh").read_text(encoding="utf-8")
    assert "/opt/lvef/share/matplotlib" in text
    made = tmp_path / "made"
    made.mkdir()
    (made / "fontlist.json").write_text("{}")
    script = tmp_path / "entrypoint.sh"
    script.write_text(text.replace("/opt/lvef/share/matplotlib", str(made)))
    done = subprocess.run(
        ["sh", str(script), "sh", "-c", 'echo "$1"; umask', "-", "two words"],
        env={"PATH": "/usr/bin:/bin", "MPLCONFIGDIR": str(tmp_path / "own")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["two words", "0077"]
    assert (tmp_path / "own" / "fontlist.json").is_file()
    assert (DEPLOY / "entrypoint.sh").stat().st_mode & 0o111


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/good" else 503)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def answering():
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("paths", "code"), [(["/good"], 0), (["/bad"], 1), (["/bad", "/good"], 0)])
def test_health_check(answering, paths, code):
    done = subprocess.run(
        [sys.executable, str(DEPLOY / "healthcheck.py"), *(answering + p for p in paths)],
        env={"http_proxy": "http://127.0.0.1:9", "PATH": ""},
        check=False,
    )
    assert done.returncode == code


# Compose

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["page", "service"])
def test_each_container_is_a_closed_box(name):
    box = COMPOSE["services"][name]
    assert box["read_only"] is True
    assert box["cap_drop"] == ["ALL"]
    assert box["security_opt"] == ["no-new-privileges:true"]
    assert box["user"] == NOBODY
    assert [t.split(":")[0] for t in box["tmpfs"]] == ["/tmp"]
    assert set(box["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert all(port.startswith("127.0.0.1:") for port in box["ports"])
    assert not {"privileged", "network_mode", "pid", "devices", "cap_add"} & box.keys()
    assert box["image"] == "lvef:local"
    for volume in box.get("volumes", []):
        assert volume.split(":")[0] in COMPOSE["volumes"], "no folder of the machine is let in"
    for network in box["networks"]:
        options = COMPOSE["networks"][network]["driver_opts"]
        assert options["com.docker.network.bridge.enable_ip_masquerade"] == "false"


@pytest.mark.parametrize(("name", "verb", "port"), [("page", "app", "8501"), ("service", "serve", "8000")])
def test_compose_runs_what_there_is(name, verb, port):
    box = COMPOSE["services"][name]
    serves(box["command"], verb, port)
    assert box["ports"] == [f"127.0.0.1:{port}:{port}"]
    check = box["healthcheck"]["test"]
    assert check[:3] == ["CMD", "/opt/lvef/bin/python", "/opt/lvef/share/healthcheck.py"]
    assert f"127.0.0.1:{port}/" in check[3]


def test_the_key_is_a_secret_file_outside_the_repository():
    given = check_command(COMPOSE["services"]["service"]["command"])
    (secret,) = COMPOSE["services"]["service"]["secrets"]
    assert given["--api-key-file"] == f"/run/secrets/{secret}"
    assert given["--data"] == "/data"
    path = COMPOSE["secrets"][secret]["file"].removeprefix("./")
    ignore = (ROOT / path).parent / ".gitignore"
    assert "*" in ignore.read_text(encoding="utf-8").splitlines()


# Heroku, platforms without Docker, AWS


def test_heroku_runs_the_page_on_its_own_port():
    file = yaml.safe_load((ROOT / "heroku.yml").read_text(encoding="utf-8"))
    assert file["build"] == {"docker": {"web": "Dockerfile"}}
    serves(file["run"]["web"].split(), "app", "$PORT")
    assert file["run"].keys() == {"web"}


def test_root_requirements_are_those_of_the_lock():
    spec = importlib.util.spec_from_file_location("root_requirements", DEPLOY / "root_requirements.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert text == module.text(), "python deploy/root_requirements.py > requirements.txt"
    pins = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))
    assert {canonical(name): version for name, version in pins.items()} == locked("serve")
    folders = [line for line in text.splitlines() if line.startswith(".")]
    assert [(ROOT / f / "pyproject.toml").is_file() for f in folders] == [True, True]


def test_task_of_aws():
    task = json.loads((DEPLOY / "aws" / "task-definition.json").read_text(encoding="utf-8"))
    (box,) = task["containerDefinitions"]
    serves(box["command"], "app", "8501")
    assert box["user"] == NOBODY
    assert box["linuxParameters"]["capabilities"]["drop"] == ["ALL"]
    assert [p["containerPort"] for p in box["portMappings"]] == [8501]
    assert box["healthCheck"]["command"][0] == "CMD"
    assert task["networkMode"] == "awsvpc" and task["requiresCompatibilities"] == ["FARGATE"]


# Without Docker


def unit(path: Path) -> dict[str, str]:
    """Settings of the [Service] part."""
    part = path.read_text(encoding="utf-8").split("[Service]")[1].split("[Install]")[0]
    return dict(line.split("=", 1) for line in part.splitlines() if "=" in line and not line.startswith("#"))


def test_there_are_units_for_both():
    assert [p.stem for p in UNITS] == ["lvef-app", "lvef-serve"]


@pytest.mark.parametrize("path", UNITS, ids=lambda p: p.stem)
def test_units_run_what_there_is_and_reach_no_other_machine(path):
    verb = path.stem.removeprefix("lvef-")
    settings = unit(path)
    serves(settings["ExecStart"].split(), verb, {"app": "8501", "serve": "8000"}[verb], "127.0.0.1")
    assert settings["DynamicUser"] == "yes"
    assert settings["ProtectSystem"] == "strict"
    assert (settings["IPAddressDeny"], settings["IPAddressAllow"]) == ("any", "localhost")
    assert "MemoryDenyWriteExecute" not in settings, "the engine writes its own machine code"
    for extra in re.findall(r"--[\w-]+", path.read_text(encoding="utf-8")):
        assert check_command(["lvef", verb, f"{extra}="]).keys() == {extra}


def test_proxies_lead_to_both_and_take_what_both_take():
    limit = check_command(COMPOSE["services"]["service"]["command"])["--max-upload-mb"]
    nginx = (DEPLOY / "proxy" / "nginx.conf").read_text(encoding="utf-8")
    caddy = (DEPLOY / "proxy" / "Caddyfile").read_text(encoding="utf-8")
    assert f"client_max_body_size {limit}m;" in nginx
    assert f"max_size {limit}MB" in caddy
    for text in (nginx, caddy):
        assert {"127.0.0.1:8501", "127.0.0.1:8000"} <= set(re.findall(r"127\.0\.0\.1:\d+", text))
    assert "proxy_request_buffering off;" in nginx
    assert "ssl_certificate " in nginx and "tls " in caddy
