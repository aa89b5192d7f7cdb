"""What the house tests read: the files of the repository, the lists in pyproject and the locks."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "lvef"
WEIGHTS = ROOT / "weights" / "lvef-weights-camus"

_NOT_OURS = {".git", ".venv", "out", "runs", "dist", "__pycache__"}


def project(folder: Path = ROOT) -> dict:
    """pyproject.toml as a mapping."""
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def repository_files() -> list[Path]:
    """Files that git tracks or would add; all but the ignored folders where there is no git."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout.decode()
        found = [ROOT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        found = [
            p
            for p in ROOT.rglob("*")
            if not any(
                part in _NOT_OURS or part.startswith(".venv") or part.endswith("_cache")
                for part in p.relative_to(ROOT).parts
            )
        ]
    return sorted(p for p in found if p.is_file())


def canonical(requirement: str) -> str:
    """A package's name as registries compare it, from any requirement line."""
    name = re.split(r"[\s\[;<>=!~(]", requirement.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> dict[str, set[str]]:
    """Direct dependencies by extra; run-time ones under ``run``."""
    table = project()["project"]
    groups = {"run": table["dependencies"], **table["optional-dependencies"]}
    return {name: {canonical(r) for r in rows} - {"lvef"} for name, rows in groups.items()}


def locked(name: str) -> dict[str, str]:
    """Pinned versions of ``requirements/NAME.txt``."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    return {canonical(n): v for n, v in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)}


def markdown_files() -> list[Path]:
    """Every page of the repository."""
    return [p for p in repository_files() if p.suffix == ".md"]


def shell_lines(page: Path) -> list[str]:
    """Command lines of a page's ``sh`` blocks, without prompts and comments, continued lines joined."""
    lines: list[str] = []
    for block in re.findall(
        r"^```(?:sh|bash|console)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S
    ):
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"(^|\s)#.*$", "", line).strip().removeprefix("$ ")
            if line:
                lines.append(line)
    return lines
