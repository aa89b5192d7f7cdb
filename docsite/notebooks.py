"""Scripts in percent format -> executed notebooks -> pages. The notebook beside each page has no outputs."""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pydicom

from docsite.pages import DOCS, ROOT, rewrite_links, write

NEEDS = re.compile(r"^# needs: (.+)$", re.M)
"""A line of a script that names packages which not every environment has."""

TIMEOUT_S = 900
"""Longest time of one cell."""


def scripts() -> list[Path]:
    """Tutorials and gallery."""
    return sorted(DOCS.rglob("*.py"))


def missing_packages(script: Path) -> list[str]:
    """Packages that a script needs and that are not installed."""
    found = NEEDS.search(script.read_text(encoding="utf-8"))
    return [name for name in found[1].split() if find_spec(name) is None] if found else []


def write_notebooks(out: Path, execute: bool = True) -> list[str]:
    """Execute all scripts and write their pages below ``out``.

    Args:
        out: Folder of the site's sources.
        execute: Without it the pages have no outputs.

    Returns:
        Names of those that were not executed, because a package is missing or because of ``execute``.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    import jupytext
    from nbclient import NotebookClient

    left = []
    for script in scripts():
        notebook = jupytext.read(script)
        place = out / script.relative_to(DOCS).with_suffix(".md")
        write(place.with_suffix(".ipynb"), jupytext.writes(notebook, fmt="ipynb"))
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = rewrite_links(cell.source, script.relative_to(ROOT).as_posix(), out)
            # So that a command that fails ends the build.
            cell.source = re.sub(r"\A%%bash\n", "%%bash -e\n", cell.source)
        missing = missing_packages(script)
        if missing or not execute:
            left.append(script.name)
        else:
            with tempfile.TemporaryDirectory() as folder:
                client = NotebookClient(
                    notebook,
                    timeout=TIMEOUT_S,
                    kernel_name="python3",
                    resources={"metadata": {"path": folder}},
                    extra_arguments=["--log-level=ERROR"],
                )
                client.execute()
                _hide_folders(notebook, folder)
        write(place, page(notebook, place, missing))
    return left


def page(notebook: Any, place: Path, missing: Sequence[str] = ()) -> str:  # noqa: ANN401
    """Markdown of an executed notebook; images are written beside ``place``.

    Args:
        notebook: With or without outputs.
        place: File of the page.
        missing: Packages that were missing, so that it was not executed.
    """
    parts = []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            if number == 0:
                parts.append(f"[Download this page as a notebook]({place.stem}.ipynb)")
            continue
        source, language = NEEDS.sub("", cell.source).strip(), "python"
        if source.startswith("%%bash -e\n"):
            source, language = source.partition("\n")[2], "sh"
        parts.append(f"```{language}\n{source}\n```")
        parts += [
            text
            for at, output in enumerate(_joined(cell.get("outputs", [])))
            if (text := _output(output, place.with_name(f"{place.stem}-{number}-{at}.png")))
        ]
    if not any(cell.get("outputs") for cell in notebook.cells):
        parts.insert(2, _why_no_outputs(missing))
    return "\n\n".join(parts) + "\n"


def _why_no_outputs(missing: Sequence[str]) -> str:
    if not missing:
        return "*This build of the site executed no notebooks, so the page has no outputs: `make docs` builds it with them.*"
    return (
        f"*This page has no outputs, because {' and '.join(missing)} "
        f"{'was' if len(missing) == 1 else 'were'} missing where the site was built: `make train-env`, then `make docs`, "
        "builds it with them. You can run it as a notebook.*"
    )


def _joined(outputs: list[Any]) -> list[Any]:
    """Outputs with the pieces of text that follow each other as one."""
    joined: list[Any] = []
    for output in outputs:
        if joined and output.output_type == joined[-1].output_type == "stream":
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _output(output: Any, image: Path) -> str:  # noqa: ANN401
    if output.output_type == "stream":
        return _block(output.text)
    data = output.get("data", {})
    if "image/png" in data:
        image.write_bytes(base64.b64decode(data["image/png"]))
        return f"![Output of the cell above]({image.name})"
    if "text/html" in data:
        # One line: a blank one would end the block for Markdown.
        html = re.sub(r"\s*\n\s*", " ", data["text/html"])
        # A table looks as all others do.
        html = re.sub(r'<style>.*?</style>| border="1" class="dataframe"', "", html)
        return f'<div class="output">{html}</div>'
    return _block(data["text/plain"]) if "text/plain" in data else ""


def _block(text: str) -> str:
    """Text of an output: of lines that a progress bar overwrote, the last."""
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    lines = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
    text = "\n".join(lines).strip("\n")
    return f"```{{.text .output}}\n{text}\n```" if text else ""


def _hide_folders(notebook: Any, folder: str) -> None:  # noqa: ANN401
    """Take folders of this machine out of the outputs: the one the notebook ran in, and that of installed packages."""
    packages = str(Path(pydicom.__file__).parents[1])

    def hidden(text: str) -> str:
        return text.replace(f"{packages}/", "").replace(f"{folder}/", "").replace(folder, ".")

    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "text" in output:
                output.text = hidden(output.text)
            for kind, value in output.get("data", {}).items():
                if isinstance(value, str):
                    output.data[kind] = hidden(value)
