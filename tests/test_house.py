"""The rules of the house that no other tool checks."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import lvef
from tests.house import ROOT, SOURCE, WEIGHTS, canonical, declared, locked, project, repository_files

MODULES = sorted(SOURCE.rglob("*.py"))
MOST_LINES = 500
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
    "fastapi",
    "uvicorn",
)
MEASURING = (
    "core",
    "geometry",
    "stats",
    "io",
    "datasets",
    "stores",
    "synthesis",
    "transforms",
    "inference",
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
TRAINING = {"torch", "torchvision", "lightning", "onnx", "onnxscript", "optuna", "tensorboard"}
"""What `make train-env` adds, and the tests' own environment is without."""
LOCKS = ("run", "serve", "test", "check", "docs", "train", "ray")


@cache
def parsed(path: Path) -> list[ast.stmt]:
    """The statements that importing a module runs, those inside ``if`` and ``try`` among them."""
    todo, found = ast.parse(path.read_text(encoding="utf-8")).body, []
    while todo:
        statement = todo.pop(0)
        found.append(statement)
        for_types = isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test)
        if isinstance(statement, ast.If | ast.Try) and not for_types:
            todo = [*statement.body, *statement.orelse, *todo]
    return found


def asked_for(statements: list[ast.stmt]) -> set[str]:
    """Packages that ``pytest.importorskip`` asks for, anywhere below these statements."""
    calls = (n for s in statements for n in ast.walk(s) if isinstance(n, ast.Call))
    asking = (c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == "importorskip")
    return {c.args[0].value for c in asking}


@cache
def unasked(path: Path) -> frozenset[str]:
    """Packages of the training extra that importing a module imports, itself or by others of ours, without asking first."""
    found: set[str] = set()
    asked: set[str] = set()
    for statement in parsed(path):
        if isinstance(statement, ast.Expr | ast.Assign):
            asked |= asked_for([statement])
        names: list[str] = []
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            names = [f"{statement.module}.{alias.name}" for alias in statement.names]
        for name in names:
            top = name.partition(".")[0]
            found |= {top} & TRAINING - asked
            while name.startswith(("tests.", "lvef.models.", "lvef.training.")):
                module = (
                    (ROOT if top == "tests" else ROOT / "src").joinpath(*name.split(".")).with_suffix(".py")
                )
                if module.is_file() and module != path:
                    found |= unasked(module) - asked
                name = name.rpartition(".")[0]
    return frozenset(found)


def test_a_command_loads_nothing_heavy_before_it_is_needed():
    # `show` and its kin write answers, so they are loaded when there is one.
    names = [f"lvef.cli.{p.stem}" for p in (SOURCE / "cli").glob("[!_]*.py") if not p.stem.startswith("show")]
    code = f"""
import importlib, sys
for name in {names!r}:
    importlib.import_module(name)
    found = {set(HEAVY)!r} & {{n.partition(".")[0] for n in sys.modules}}
    if found:
        sys.exit(f"{{name}} loads {{', '.join(sorted(found))}}")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_engine_sends_nothing(tmp_path):
    # `import openvino` reports itself to its maker where the package openvino-telemetry can be imported. Here it can,
    # and this stand-in leaves a mark.
    stand_in = tmp_path / "openvino_telemetry"
    stand_in.mkdir()
    (stand_in / "__init__.py").write_text(
        f"open({str(tmp_path / 'mark')!r}, 'w').close()\nraise ImportError\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", "from lvef.inference.session import bf16_available; bf16_available()"],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(SOURCE.parent)]),
            "HOME": str(tmp_path),
        },
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


def test_every_module_is_short_named_for_what_it_does_and_says_what_it_is_for():
    wrong = []
    for path in MODULES:
        text, name = path.read_text(encoding="utf-8"), path.relative_to(SOURCE)
        if path.name in {"utils.py", "util.py", "helpers.py", "misc.py", "common.py"}:
            wrong.append(f"{name}: a name that says nothing")
        if len(text.splitlines()) > MOST_LINES:
            wrong.append(f"{name}: {len(text.splitlines())} lines, at most {MOST_LINES}")
        if not ast.get_docstring(ast.parse(text)):
            wrong.append(f"{name}: no docstring")
    assert not wrong, "\n".join(wrong)


def test_tests_ask_for_an_extra_before_they_import_it_and_are_marked():
    # A helper that imports it needs no question of its own: whoever imports the helper has asked.
    wrong = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if missing := unasked(path):
            wrong.append(f"{path.relative_to(ROOT)}: imports {', '.join(sorted(missing))} unasked")
        text = path.read_text(encoding="utf-8")
        asks = "importorskip" in text and asked_for(parsed(path)) & TRAINING
        if asks and "pytest.mark.training" not in text:
            wrong.append(f"{path.relative_to(ROOT)}: is not marked training")
    assert not wrong, "\n".join(wrong)


def test_every_source_folder_is_a_package():
    folders = {p.parent for p in MODULES}
    assert all((folder / "__init__.py").is_file() for folder in folders)


def test_version_stands_once():
    table = project()
    assert "version" in table["project"]["dynamic"]
    assert "version" not in table["project"]
    installed = importlib.metadata.distribution("lvef")
    # In a second working tree, the environment of the first has that one's version.
    if ROOT.as_uri() in (installed.read_text("direct_url.json") or ""):
        assert installed.version == lvef.__version__
    assert f"## [{lvef.__version__}] - " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


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


def test_locks_are_plain_and_hashed():
    wrong = []
    for name in LOCKS:
        text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        entries = re.split(r"\n(?=[A-Za-z0-9])", text[text.index("\n", text.index("make lock")) + 1 :])
        assert len(entries) > 20
        if re.search(r"https?:|file:|--index|--find-links| @ ", text):
            wrong.append(f"{name}: names an address")
        wrong += [f"{name}: {e.splitlines()[0]}" for e in entries if "--hash=sha256:" not in e]
    assert not wrong, "\n".join(wrong)


def test_locks_agree_and_hold_what_is_declared():
    locks = {name: locked(name) for name in LOCKS}
    wanted = declared()
    assert locks["run"].items() <= locks["test"].items() <= locks["check"].items()
    assert locks["run"].items() <= locks["serve"].items() <= locks["test"].items()
    assert locks["run"].items() <= locks["train"].items()
    assert locks["run"].items() <= locks["ray"].items()
    both = locks["ray"].keys() & locks["check"].keys()
    assert {n: locks["ray"][n] for n in both} == {n: locks["check"][n] for n in both}
    assert wanted["ray"] <= locks["ray"].keys()
    assert locks["run"].items() <= locks["docs"].items()
    both = locks["docs"].keys() & (locks["check"] | locks["train"]).keys()
    assert {n: locks["docs"][n] for n in both} == {n: (locks["check"] | locks["train"])[n] for n in both}
    assert wanted["run"] <= locks["run"].keys()
    assert wanted["test"] | wanted["onnx"] | wanted["dicom"] <= locks["test"].keys()
    assert wanted["app"] | wanted["service"] | wanted["dicom"] <= locks["serve"].keys()
    assert wanted["check"] <= locks["check"].keys()
    assert wanted["docs"] <= locks["docs"].keys()
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
