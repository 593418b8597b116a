"""The keys of a report in JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any


class Keyed:
    """A report: a frozen dataclass, whose fields are its keys, unless it says otherwise."""

    __slots__ = ()

    def keys(self) -> dict[str, Any]:
        """The keys beside those that every command has."""
        return asdict(self)  # type: ignore[call-overload, no-any-return] # every report is a dataclass
