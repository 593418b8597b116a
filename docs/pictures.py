"""Draws docs/pictures: what `usagefix demo` prints in a terminal, and a page of `usagefix dashboard`; each light and dark.

A picture that shows what is true now stays as it is. The dashboard takes Chromium, and stays as it is without.

python docs/pictures.py
"""

from __future__ import annotations

import hashlib
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from documents import plain
from year import TARGET, UNTIL, year

from usagefix import __version__
from usagefix.models.nouns import USUAL
from usagefix.render.page import page

FOLDER = Path(__file__).parent / "pictures"
COLUMNS = 100
TYPED = "$ make demo"
LIGHT = TerminalTheme(
    (255, 255, 255), (31, 35, 40),
    [(36, 41, 47), (190, 30, 40), (17, 99, 41), (138, 90, 0), (9, 105, 218), (130, 80, 223), (27, 124, 131), (87, 96, 106)],
)  # fmt: skip
DARK = TerminalTheme(
    (13, 17, 23), (230, 237, 243),
    [(72, 79, 88), (255, 123, 114), (86, 211, 100), (227, 179, 65), (121, 192, 255), (210, 168, 255), (86, 212, 221), (177, 186, 196)],
)  # fmt: skip
THEMES = {"light": LIGHT, "dark": DARK}
# That of rich without its fonts, which a browser would fetch. Each text has its length, so that any font of one width does.
FRAME = """\
<svg viewBox="0 0 {width} {height}" width="{width}" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="What usagefix demo prints">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }}
{styles}
</style>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def demo() -> str:
    """What the demo prints, with the codes of its colours."""
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    told = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    return subprocess.run(
        [sys.executable, "-m", "usagefix", "demo"], env=environment | told, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def terminal(printed: str, theme: TerminalTheme) -> str:
    """An SVG of a terminal that shows this."""
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"), color_system="truecolor", force_terminal=True)  # noqa: PTH123, SIM115
    console.print(Text.from_ansi(f"{TYPED}\n{printed.rstrip()}"), soft_wrap=True)
    drawn = console.export_svg(title="", theme=theme, code_format=FRAME, font_aspect_ratio=0.602, unique_id="t")
    edge = "#30363d" if theme is DARK else "#d0d7de"
    drawn = drawn.replace("rgba(255,255,255,0.35)", edge)
    return re.sub(r' clip-path="[^"]*"', "", drawn)


def shown(drawn: str) -> list[str]:
    """The lines that a picture of a terminal shows, as :func:`compared` has them."""
    texts = ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")
    lines = ["".join(map(str, each)) for _, each in groupby(texts, key=lambda text: text.get("y"))]
    return lines


def compared(printed: str) -> list[str]:
    """The lines of a text as far as they are the same in every run: no dates, no durations, no blanks."""
    lines = (re.sub(r"\s+", "", plain(line)) for line in Text.from_ansi(printed).plain.splitlines())
    return [line for line in lines if line]


def dashboard() -> str:
    """A page with a year of uses."""
    return page([(USUAL, year())], TARGET, UNTIL.replace(hour=1))
