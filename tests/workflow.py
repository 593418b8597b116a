"""What the runner of GitHub Actions makes of the output of a step, by the rules of its own parser."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

KNOWN = frozenset(
    "error warning notice debug group endgroup add-mask add-matcher remove-matcher echo stop-commands set-env add-path "
    "set-output save-state internal-set-repo-path".split()
)


@dataclass(frozen=True)
class Command:
    """A command that the runner obeys."""

    name: str
    message: str
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.properties["title"]


def obeyed(*streams: str) -> list[Command]:
    """Every command in what a step printed."""
    lines = [line for stream in streams for line in re.split(r"\r\n|\r|\n", stream)]
    return [command for line in lines if (command := _new(line) or _old(line)) is not None]


def _new(line: str) -> Command | None:
    """``::name key=value,key=value::message``, where a line begins so once its white space is gone."""
    line = line.lstrip()
    end = line.find("::", 2)
    if not line.startswith("::") or end < 0:
        return None
    name, _, said = line[2:end].partition(" ")
    if name not in KNOWN:
        return None
    properties = {}
    for pair in filter(None, said.strip().split(",")):
        key, equals, value = pair.partition("=")
        if equals:
            properties[key] = _unescaped(value, "%3A:", "%2C,")
    return Command(name, _unescaped(line[end + 2 :]), properties)


def _old(line: str) -> Command | None:
    """``##[name]message``, anywhere in a line."""
    found = re.search(r"##\[(?P<name>[\w-]+)[^]]*\](?P<message>.*)", line)
    return Command(found["name"], found["message"]) if found and found["name"] in KNOWN else None


def _unescaped(text: str, *more: str) -> str:
    for pair in ("%0D\r", "%0A\n", *more, "%25%"):
        text = text.replace(pair[:3], pair[3:])
    return text
