"""The rules of the house that no other tool checks."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys

import pytest

import lvef
from tests.house import ROOT, SOURCE, WEIGHTS, canonical, declared, locked, project, repository_files

MODULES = sorted(SOURCE.rglob("*.py"))
MOST_LINES = 400
HEAVY = (
    "torch",
    "lightning",
    "openvino",
    "onnxruntime",
    "cv2",
    "av",
    "matplotlib",
    "scipy",
    "pydicom",
    "nibabel",
    "polars",
    "python_calamine",
    "streamlit",
    "fastapi",
    "uvicorn",
)
MEASURING = (
    "core",
    "geometry",
    "stats",
    "io",
    "datasets",
    "preparation",
    "synthesis",
    "preprocess",
    "preparation",
    "engine",
    "measure",
    "cli",
)
WITHOUT_TORCH = """
import sys
from importlib.machinery import ModuleSpec
class Refuse:
    # Packages may look whether torch is there (polars does); only importing it is refused.
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name.partition(".")[0] in {"torch", "lightning", "torchvision"} else None
    def create_module(self, spec):
        raise ImportError(f"{spec.name} was asked for")
    def exec_module(self, module):
        pass
sys.meta_path.insert(0, Refuse())
"""
LOCKS = ("run", "serve", "test", "check", "train")


def loaded_by(code: str) -> set[str]:
    """Top-level packages in memory after ``code`` ran in a fresh interpreter."""
    tail = "\nimport sys; print('loaded:', *sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize(
    "code",
    [
        "import lvef",
        "import lvef.cli.main",
        "import lvef.cli.measure",
        "import lvef.cli.report",
        "import lvef.cli.app",
        "import lvef.cli.serve",
        "import lvef.cli.evaluate",
        "import lvef.cli.evaluate_synthetic",
        "import lvef.cli.evaluate_manifest",
        "import lvef.cli.train",
        "import lvef.cli.tune",
        "import lvef.cli.weights",
        "import lvef.cli.synthesize",
        "import lvef.cli.synthesize_phantom",
        "import lvef.cli.synthesize_motion",
        "import lvef.cli.explore",
        "import lvef.cli.data",
        "import lvef.cli.data_info",
        "import lvef.cli.data_import",
        "import lvef.cli.data_check",
        "import lvef.cli.data_convert",
        "import lvef.cli.data_prepare",
    ],
)
def test_import_is_light(code):
    assert not loaded_by(code) & set(HEAVY)


def test_the_engine_sends_nothing(tmp_path):
    # `import openvino` reports itself to its maker where the package openvino-telemetry can be imported. Here it can,
    # and this stand-in leaves a mark.
    stand_in = tmp_path / "openvino_telemetry"
    stand_in.mkdir()
    (stand_in / "__init__.py").write_text(
        f"open({str(tmp_path / 'mark')!r}, 'w').close()\nraise ImportError\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", "from lvef.engine.session import bf16_available; bf16_available()"],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0
    assert {p.name for p in tmp_path.iterdir()} == {"openvino_telemetry"}


def test_measuring_imports_without_torch():
    names = [
        ".".join(("lvef", *p.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
        for p in MODULES
        if p.relative_to(SOURCE).parts[0] in MEASURING
    ]
    assert len(names) > 20
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH + "\n".join(f"import {name}" for name in names)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_module(path):
    text = path.read_text(encoding="utf-8")
    assert path.name not in {"utils.py", "util.py", "helpers.py", "misc.py", "common.py"}
    assert len(text.splitlines()) <= MOST_LINES
    assert ast.get_docstring(ast.parse(text)), "a module says in its docstring what it is for"


def test_every_source_folder_is_a_package():
    folders = {p.parent for p in MODULES}
    assert all((folder / "__init__.py").is_file() for folder in folders)


def test_version_stands_once():
    table = project()
    assert "version" in table["project"]["dynamic"]
    assert "version" not in table["project"]
    assert importlib.metadata.version("lvef") == lvef.__version__
    assert f"## [{lvef.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_no_machine_is_named():
    # Folders of one machine and addresses of registries; the patterns below do not match themselves.
    pattern = re.compile(
        r"(?<![\w.:/-])/(?:home|root|work|Users)/\w|[A-Z]:\\Users|pypi[.]org/simple|files[.]pythonhosted|extra-index[-]url"
    )
    found = []
    for path in repository_files():
        data = path.read_bytes()
        if b"\0" in data[:4096] and path.suffix != ".onnx":
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}")
    assert not found


def test_no_large_or_foreign_files():
    files = repository_files()
    assert not [
        p
        for p in files
        if p.suffix in {".nii", ".gz", ".mhd", ".raw", ".avi", ".dcm", ".pt", ".pth", ".pkl", ".ckpt"}
    ]
    large = [p for p in files if p.stat().st_size > 3_000_000 and p.suffix != ".onnx"]
    assert not large


@pytest.mark.parametrize("name", LOCKS)
def test_lock_is_plain_and_hashed(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|--index|--find-links| @ ", text)
    entries = re.split(r"\n(?=[A-Za-z0-9])", text[text.index("\n", text.index("make lock")) + 1 :])
    assert len(entries) > 20
    assert all("--hash=sha256:" in entry for entry in entries)


def test_locks_agree_and_hold_what_is_declared():
    locks = {name: locked(name) for name in LOCKS}
    wanted = declared()
    assert locks["run"].items() <= locks["test"].items() <= locks["check"].items()
    assert locks["run"].items() <= locks["serve"].items() <= locks["test"].items()
    assert locks["run"].items() <= locks["train"].items()
    assert wanted["run"] <= locks["run"].keys()
    assert wanted["test"] | wanted["onnx"] | wanted["dicom"] <= locks["test"].keys()
    assert wanted["app"] | wanted["service"] | wanted["dicom"] <= locks["serve"].keys()
    assert wanted["check"] <= locks["check"].keys()
    assert wanted["train"] - {"torch"} <= locks["train"].keys()
    assert "torch" not in locks["train"], "builds of torch differ by machine: it stands in torch.txt"
    assert locked("torch").keys() == {"torch"}


def test_build_backend_is_one_pin():
    pins = {tuple(project(folder)["build-system"]["requires"]) for folder in (ROOT, WEIGHTS)}
    backend = f"hatchling=={locked('run')['hatchling']}"
    assert pins == {(backend,)}
    assert backend in (ROOT / "requirements" / "build.in").read_text(encoding="utf-8").splitlines()


def test_every_dependency_is_explained():
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = {canonical(name) for name in re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)}
    wanted = set().union(*declared().values()) | {"hatchling"}
    assert rows == wanted, "docs/dependencies.md lists the direct dependencies, no fewer and no others"


def test_weights_carry_their_own_licence():
    table = project(WEIGHTS)["project"]
    assert table["license"] == "CC-BY-NC-SA-4.0"
    assert project()["project"]["license"] == "Apache-2.0"
    assert not table["dependencies"]
    for name in ("LICENSE", "README.md"):
        assert "10.1109/TMI.2019.2900516" in (WEIGHTS / name).read_text(encoding="utf-8")
