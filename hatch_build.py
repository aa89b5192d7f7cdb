"""The description that a package index shows, made of README.md when a wheel or sdist is built.

README.md has relative links, which lead somewhere in every checkout, fork and forge, and nowhere on a package index.
The project has no public address yet, and an invented one would be worse than none. Once it has one, it stands in one
place: ``Source`` under ``[project.urls]`` in pyproject.toml, as ``https://HOST/OWNER/lvef``. With it, links lead to
the files of the released version, in the way of GitHub and Gitea; without it, they are plain text and images are left
out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_CODE = re.compile(r"(^```.*?^```$)", re.M | re.S)
_IMAGE = re.compile(r"!\[([^\]]*)\]\((?![a-z]+:)([^)\s]+)\)\n*")
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)")

WITHOUT_ADDRESS = (
    "The pages that this text names are in the source distribution of lvef, in the folder `docs`."
)
"""Last line where links are plain text."""


def description(readme: str, address: str, version: str) -> str:
    """README as a package index can show it.

    Args:
        readme: Markdown with links relative to the repository.
        address: Where the repository is on the web; empty without one.
        version: Its tag is ``v`` and the version.
    """
    parts = _CODE.split(readme)
    # Every second part is a block of code.
    for number in range(0, len(parts), 2):
        text = parts[number]
        if address:
            text = _IMAGE.sub(rf"![\1]({address}/raw/v{version}/\2)\n\n", text)
            text = _LINK.sub(rf"[\1]({address}/blob/v{version}/\2)", text)
        else:
            text = _LINK.sub(r"\1", _IMAGE.sub("", text))
        parts[number] = text
    return "".join(parts) + ("" if address else f"\n{WITHOUT_ADDRESS}\n")


class ReadmeHook(MetadataHookInterface):  # type: ignore[misc]
    """Called by hatchling."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the description.

        Args:
            metadata: Of the project; holds the version already.
        """
        address = str(metadata.get("urls", {}).get("Source", "")).rstrip("/")
        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        text = description(readme, address, metadata["version"])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
