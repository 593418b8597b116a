"""The name of a counter: the parent's table in the singular, ``_``, the column. All that usagefix creates for the
counter contains the name, so it is short and plain, and no two counters have the same one."""

from __future__ import annotations

import hashlib
import re

LONGEST = 34  # bytes: the longest name made of one is trigger_auto_adjust_ + name + _truncate, with 63
USUAL = ("presets", "usage_count")  # whose name nobody else gets: it is the one that the bundled SQL is written in
_NAME = re.compile(r"[^\W\d]\w*")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"(.*?)([^\W\d_]+)", re.DOTALL)  # what is before the last word, and this

_IRREGULAR_WORDS = """
    people:person children:child men:man women:woman mice:mouse feet:foot teeth:tooth geese:goose
    criteria:criterion indices:index vertices:vertex matrices:matrix quizzes:quiz movies:movie cookies:cookie
    zombies:zombie ties:tie pies:pie lies:lie calories:calorie aliases:alias biases:bias canvases:canvas
    atlases:atlas gases:gas lenses:lens heroes:hero echoes:echo tomatoes:tomato potatoes:potato vetoes:veto
    leaves:leaf lives:life wives:wife knives:knife shelves:shelf wolves:wolf halves:half caches:cache niches:niche
    axes:axis analyses:analysis theses:thesis crises:crisis hypotheses:hypothesis excuses:excuse abuses:abuse
    buses:bus menus:menu taxis:taxi
"""
_IRREGULAR = dict(pair.split(":") for pair in _IRREGULAR_WORDS.split())
_ALIKE = frozenset(
    (
        "news",
        "series",
        "species",
        "analytics",
        "lens",
        "alias",
        "bias",
        "canvas",
        "atlas",
        "gas",
        "sms",
        "dns",
        "css",
        "always",
        "chaos",
    )
)
_ENDINGS = (
    (re.compile(r"ies$"), "y"),  # categories
    (re.compile(r"(?<=x)es$|(?<=ss|zz|sh|ch)es$"), ""),  # boxes, classes, dishes, matches
    (re.compile(r"(?<=atus|irus|onus|mpus|nsus)es$"), ""),  # statuses, but houses
    (re.compile(r"(?<=[^sui])s$"), ""),  # likes; but address, status, analysis stay
)


def singular(word: str) -> str:
    """A table's name in the singular: the last word of ``group_members``, by simple rules; unchanged if no rule
    fits."""
    if (found := _WORD.fullmatch(word)) is None:
        return word
    before, last = found.groups()
    plain = last.lower()
    if plain in _ALIKE:
        return word
    if plain in _IRREGULAR:
        return before + _IRREGULAR[plain]
    for ending, instead in _ENDINGS:
        if ending.search(plain):
            return before + ending.sub(instead, last)
    return word


def is_name(text: str) -> bool:
    """Whether a person may give a counter this name: lower-case letters, digits and ``_``, at most ``LONGEST``
    bytes."""
    return bool(_NAME.fullmatch(text)) and text == text.lower() and len(text.encode()) <= LONGEST


def named(parent: str, column: str) -> str:
    """The plain name of a counter: ``preset_usage_count`` of ``presets.usage_count``; it may be too long."""
    return f"{_plain(singular(parent))}_{_plain(column)}"


def fitting(schema: str | None, parent: str, column: str, taken: frozenset[str] = frozenset()) -> str:
    """The name of a counter, different from those that are ``taken``; shortened with a hash if it is too long or
    taken."""
    name = named(parent, column)
    if not name[0].isalpha() and name[0] != "_":
        name = f"_{name}"
    usual = (parent, column) == USUAL or name != named(*USUAL)
    if usual and name not in taken and len(name.encode()) <= LONGEST:
        return name
    whole = "\0".join((schema or "", parent, column))
    while True:
        digest = hashlib.sha256(whole.encode("utf-8", "surrogateescape")).hexdigest()[:6]
        short = name.encode()[: LONGEST - 7].decode(errors="ignore").rstrip("_")
        if f"{short}_{digest}" not in taken:
            return f"{short}_{digest}"
        whole += "\0"


def _plain(name: str) -> str:
    """A name in small letters, digits and ``_``."""
    return re.sub(r"\W+", "_", _HUMP.sub("_", name)).lower().strip("_") or "_"
