"""Draws docs/pictures: what `usagefix demo` prints in a terminal, and a page of `usagefix dashboard`; each light and dark.

A picture that shows what is true now stays as it is. The dashboard takes Chromium, and stays as it is without.

python docs/pictures.py
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
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
EDGES = {LIGHT: "#d0d7de", DARK: "#30363d"}
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
    command = [sys.executable, "-m", "usagefix", "demo"]
    return subprocess.run(command, env=environment | told, stdout=subprocess.PIPE, text=True, check=True).stdout


def terminal(printed: str, theme: TerminalTheme) -> str:
    """An SVG of a terminal in which this was typed and printed."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    console.print(Text(TYPED, style="bold"), Text.from_ansi(printed.rstrip()), sep="\n")
    drawn = console.export_svg(title="", theme=theme, code_format=FRAME, font_aspect_ratio=0.602, unique_id="t")
    drawn = drawn.replace("rgba(255,255,255,0.35)", EDGES[theme])
    drawn = re.sub(r' clip-path="[^"]*"|<text [^>]*>\n</text>', "", drawn)
    return re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", drawn)


def shown(drawn: str) -> str:
    """What a picture of a terminal shows below what was typed, as :func:`compared` has it."""
    texts = ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")
    return compared(" ".join((text.text or "").replace("\xa0", " ") for text in texts).removeprefix(TYPED))


def compared(printed: str) -> str:
    """A text as far as it is the same in every run: no dates and durations, no colours, blanks or ends of lines."""
    text = " ".join(Text.from_ansi(printed).plain.split())
    return plain(re.sub(r"\d[\d.,]* (?:ms|s|min|h)\b", "DURATION", text)).replace(" ", "")


def dashboard() -> str:
    """A page with a year of uses."""
    return page([(USUAL, year())], TARGET, UNTIL.replace(hour=1))


def photographed(browser: str, theme: str) -> bytes:
    """The first screen of the page as a PNG, which holds what it was made of."""
    with tempfile.TemporaryDirectory() as folder:
        html, png = Path(folder, "page.html"), Path(folder, "page.png")
        html.write_text(dashboard(), encoding="utf-8")
        subprocess.run(
            [
                browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                f"--user-data-dir={folder}/profile", f"--blink-settings=preferredColorScheme={int(theme == 'light')}",
                "--window-size=1280,897", f"--screenshot={png}", html.as_uri(),
            ],
            capture_output=True, check=True, timeout=120,
        )  # fmt: skip
        return packed(png.read_bytes(), origin())


def origin() -> bytes:
    """What the pictures of the page are made of, as a checksum. It changes with the page, not with the version on it."""
    return hashlib.sha256(dashboard().replace(__version__, "").encode()).hexdigest().encode()


def packed(png: bytes, note: bytes) -> bytes:
    """The PNG, as small as it gets, with a note in it."""
    chunks = list(_chunks(png))
    pixels = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    wanted = [chunks[0], (b"tEXt", b"Source\0" + note), (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b"")]
    return png[:8] + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in wanted
    )


def note(png: bytes) -> bytes:
    """The note in a PNG that was :func:`packed`."""
    return next((data.partition(b"\0")[2] for kind, data in _chunks(png) if kind == b"tEXt"), b"")


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 8
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        yield png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        place += length + 12


def main() -> None:
    """Draw what is not true any more, and say what was drawn."""
    FOLDER.mkdir(exist_ok=True)
    printed = demo()
    for name, theme in THEMES.items():
        file = FOLDER / f"demo-{name}.svg"
        if not file.is_file() or shown(file.read_text(encoding="utf-8")) != compared(printed):
            file.write_text(terminal(printed, theme), encoding="utf-8")
            print(file.relative_to(FOLDER.parents[1]))
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    for name in THEMES:
        file = FOLDER / f"dashboard-{name}.png"
        if file.is_file() and note(file.read_bytes()) == origin():
            continue
        if browser is None:
            print(f"{file.relative_to(FOLDER.parents[1])} is not up to date, and stays so: it takes chromium on PATH")
        else:
            file.write_bytes(photographed(browser, name))
            print(file.relative_to(FOLDER.parents[1]))


if __name__ == "__main__":
    main()
