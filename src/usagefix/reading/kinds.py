"""Which files of an application usagefix reads, and why it does not read the others."""

from __future__ import annotations

import re
from pathlib import PurePath

OTHERS = "a folder of others' or made files, not entered"
TESTS = "tests"
LEFT_OUT = {"node_modules", ".git", ".hg", ".svn", ".venv", "venv", "dist", "build", ".next", "__pycache__", "coverage"}
LEFT_OUT |= {".turbo", "out", "vendor", ".mypy_cache", ".pytest_cache", "target", "deps", "_build", "Pods", ".gradle"}
LEFT_OUT |= {"bower_components", ".nuxt", ".svelte-kit", ".cache", ".idea", ".terraform", ".bundle", ".ruff_cache"}
_TEST_FOLDERS = {"test", "tests", "__tests__", "spec", "specs", "__mocks__", "__fixtures__", "fixtures", "testdata"}
_TEST_FOLDERS |= {"cypress", "e2e"}
_TEST_FILE = re.compile(
    r"(?:\.|_)(?:test|spec)s?\.\w+$|^test_\w+\.py$|^conftest\.py$|Tests?\.(?:java|kt|cs|php|swift)$|\.(?:stories|snap)\b"
)
_DOCUMENTS = {".md", ".mdx", ".markdown", ".rst", ".adoc", ".txt", ".org", ".tex"}
_BINARY = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".ico", ".bmp", ".tiff", ".pdf", ".zip", ".gz", ".tgz"}
_BINARY |= {".bz2", ".xz", ".7z", ".jar", ".war", ".class", ".pyc", ".so", ".dll", ".dylib", ".exe", ".o", ".a"}
_BINARY |= {".wasm", ".woff", ".woff2", ".ttf", ".otf", ".eot", ".mp3", ".mp4", ".mov", ".webm", ".ogg", ".wav"}
_BINARY |= {".sqlite", ".db", ".node", ".bin"}


def why_not_entered(folder: str) -> str | None:
    """Why a folder of this name is passed over; None if it is entered."""
    if folder in LEFT_OUT:
        return OTHERS
    return f"{TESTS}, not entered" if folder in _TEST_FOLDERS else None


def why_not_read(path: PurePath) -> str | None:
    """Why a file of this name is passed over; None if it is read."""
    suffix = path.suffix.lower()
    if path.name.startswith(".env"):
        return "may hold secrets"
    if suffix in _DOCUMENTS:
        return "documentation"
    if suffix in _BINARY:
        return "binary"
    return TESTS if _TEST_FILE.search(path.name) else None
