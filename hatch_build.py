"""The description for a package index: README.md with every link and picture of the repository made absolute.

An index shows README.md on a page of its own, where a relative link leads nowhere. The hook writes the address of each
file at the tag of this version, below ``Repository`` in ``project.urls``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

# [text](target) of Markdown, and src, srcset and href of HTML; not what has a scheme.
_TARGET = re.compile(r'(?P<before>\]\(|\b(?:src|srcset|href)=")(?P<target>(?![a-z][a-z0-9+.-]*:)[^)"\s]+)')
_PICTURES = (".svg", ".png")


def absolute(text: str, repository: str, version: str) -> str:
    """README.md as it can be read anywhere."""

    def replaced(match: re.Match[str]) -> str:
        target = match["target"]
        if target.startswith("#"):
            target = f"README.md{target}"
        kind = "raw" if target.endswith(_PICTURES) else "blob"
        return f"{match['before']}{repository}/{kind}/v{version}/{target}"

    return _TARGET.sub(replaced, text)


class DescriptionHook(MetadataHookInterface):
    """What hatchling calls for the dynamic field ``readme``."""

    def update(self, metadata: dict[str, Any]) -> None:
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        text = absolute(readme, metadata["urls"]["Repository"], metadata["version"])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
