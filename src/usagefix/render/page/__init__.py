"""One page of HTML with all that is known of some counters: opens from disk, without a script, without a network."""

from __future__ import annotations

import base64
import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from functools import cache, partial

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from usagefix import __version__
from usagefix.errors import UsagefixError
from usagefix.models.insight import Insight
from usagefix.models.nouns import Nouns
from usagefix.models.outcome import NONE, Given
from usagefix.models.target import Target
from usagefix.render.page.figures import clock, name, together, zone
from usagefix.render.page.heat import shades
from usagefix.render.page.periods import Detail
from usagefix.render.page.sections import CHART_HEIGHT, Section, section

MOST_BYTES = 300_000

Told = tuple[Nouns, Insight | UsagefixError]


def page(told: Sequence[Told], target: Target, made_at: datetime, given: Given = NONE) -> str:
    """The page, of at most 300 KB. What would make it larger is left out, the least needed first: single days in
    tables and under the pointer, then weeks, then tables and pointer; at last the counters behind, which it names.
    ``given``: the options that say where, and which counters."""
    write = partial(_written, told, target, made_at, given)
    for detail in Detail:
        text = write(detail)
        if _small(text):
            return text
    # Of how many there is room for: with each further one the page grows.
    room = bisect_left(range(1, len(told)), True, key=lambda shown: not _small(write(Detail.PICTURES, shown)))
    return write(Detail.PICTURES, max(1, room))


def _small(text: str) -> bool:
    return len(text.encode()) <= MOST_BYTES


def _written(
    told: Sequence[Told], target: Target, made_at: datetime, given: Given, detail: Detail, most: int | None = None
) -> str:
    environment = _environment()
    css = environment.get_template("page.css").render()
    sections = [
        section(number, nouns, found, detail, given)
        for number, (nouns, found) in enumerate(told, start=1)
        if isinstance(found, Insight)
    ]
    failures = [
        (name(nouns.counter), name(found.message, most=600)) for nouns, found in told if not isinstance(found, Insight)
    ]
    window = next((found.trend.window for _, found in told if isinstance(found, Insight)), None)
    return environment.get_template(
        "page.html"
    ).render(
        css=Markup(css),  # noqa: S704 # our own, and it must stay what is hashed
        style=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        several=len(told) > 1,
        title=_title(sections, target),
        sections=sections[:most],
        left=sections[most:] if most is not None else [],
        all=sections,
        failures=failures,
        spanned=sections[0].window if sections else "",
        timezone=window.timezone if window else "",
        target=name(str(target)),
        database=name(target.database, most=60),
        host=name(target.host or "this machine", most=60),
        made=together(clock(made_at.astimezone(zone(window) if window else None))),
        version=__version__,
        detail=detail.name,
        shades=shades(),
        height=CHART_HEIGHT,
        labelled=any(each.labelled for each in sections),
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("usagefix.render.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _title(sections: Sequence[Section], target: Target) -> str:
    return sections[0].title if len(sections) == 1 else f"Usage in {name(target.database, most=60)}"
