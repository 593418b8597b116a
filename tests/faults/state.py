"""What a fault, and the run after it, have left in the database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, pairwise
from typing import Any

from shapes import Shape
from support import ADJUSTING, GUARDING, INDEX, TRIGGER, App

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Counted:
    """A column in which is counted, and that of the last event; ``counter``: what it is called."""

    counter: str
    column: str
    last: str | None = None


@dataclass(frozen=True)
class Subject:
    """Two tables, and the counters of the one that count rows of the other."""

    parent: str
    child: str
    counters: tuple[Counted, ...]

    @property
    def shown(self) -> str:
        """A query for what the counters show."""
        parts = (
            f"SELECT {place} AS place, '{of.counter}', id::text, {of.column}, {of.last or 'NULL::timestamptz'} FROM {self.parent}"
            for place, of in enumerate(self.counters)
        )
        return f"SELECT counters.* FROM ({' UNION ALL '.join(parts)}) AS counters ORDER BY place, id"


PRESETS = Subject("presets", "preset_usage", (Counted("preset_usage_count", "usage_count", "last_used_at"),))
REACTIONS = Subject(
    "posts", "post_reactions",
    (Counted("post_likes_count", "likes_count"), Counted("post_dislikes_count", "dislikes_count")),
)  # fmt: skip
DONE = {"apply": "applied", "rollback": "rolled back"}
CORRECTED = re.compile(
    r"(?:(\d+) of )?(\d+) [a-z ]+ (?:corrected|recorded in the ledger, none corrected yet)|[a-z ]+ counted, with nothing to correct"
)

CATALOG = """
    SELECT 'function', oid::regprocedure::text, pg_get_functiondef(oid), proowner::regrole::text, proacl::text,
        obj_description(oid, 'pg_proc')
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind IN ('f', 'p')
    UNION ALL
    SELECT 'trigger', tgname, pg_get_triggerdef(oid), tgenabled::text, tgrelid::regclass::text,
        obj_description(oid, 'pg_trigger')
    FROM pg_trigger WHERE tgrelid IN (%s::regclass, %s::regclass) AND NOT tgisinternal
    UNION ALL
    SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid::text, indisclustered::text,
        obj_description(indexrelid, 'pg_class')
    FROM pg_index WHERE indrelid IN (%s::regclass, %s::regclass)
    ORDER BY 1, 2, 5
"""
# Runs by their order: an undone transaction leaves a gap in their numbers.
CORRECTIONS = """
    SELECT runs.place, counter, row_key, delta, newest, applied_at IS NOT NULL
    FROM usagefix.corrections JOIN (SELECT run, row_number() OVER (ORDER BY run) FROM usagefix.backfills) AS runs (run, place)
        USING (run)
    ORDER BY runs.place, corrections.place
"""
SAVED = """
    SELECT counter, version, kind, identity, definition, extras::text, left_behind, how FROM usagefix.saved_objects
    ORDER BY 1, 2, 3, 4
"""


@dataclass(frozen=True)
class State:
    """All that usagefix changes and goes by, but for times."""

    counters: tuple[tuple[str, str, int | None, datetime | None], ...]
    catalog: tuple[Row, ...]
    saved_objects: tuple[Row, ...] = ()
    declared: tuple[Row, ...] = ()
    history: tuple[tuple[str, str, str], ...] = ()
    runs_finished: tuple[bool, ...] = ()
    corrections: tuple[tuple[int, str, str, int, datetime | None, bool], ...] = ()
    baselines: tuple[tuple[str, str, int], ...] = ()

    @property
    def counting(self) -> bool:
        return any(row[:2] == ("trigger", TRIGGER) for row in self.catalog)

    @property
    def adjusting(self) -> bool:
        return any(row[0] == "trigger" and row[1].startswith(ADJUSTING) for row in self.catalog)

    @property
    def guarded(self) -> bool:
        return any(row[:2] == ("trigger", GUARDING) for row in self.catalog)

    @property
    def limited(self) -> bool:
        return any(row[:2] == ("index", INDEX) for row in self.catalog)

    def counts(self, counter: str) -> bool:
        """Whether events that come and go change this counter; they do both or neither, since that is one transaction."""
        names = {f"trigger_auto_increment_{counter}", f"trigger_auto_adjust_{counter}_update"}
        there = names & {row[1] for row in self.catalog if row[0] == "trigger"}
        assert len(there) in (0, 2)
        return bool(there)

    def since(self, before: State) -> list[list[Row]]:
        """The corrections of each run of the backfill since then: run, counter, row, delta, newest event, whether it is
        done."""
        new = range(len(before.runs_finished) + 1, len(self.runs_finished) + 1)
        return [[row for row in self.corrections if row[0] == run] for run in new]


def read(app: App, of: Subject = PRESETS) -> State:
    counters = tuple((counter, row, count, used) for _, counter, row, count, used in app.sql(of.shown))
    catalog = tuple(app.sql(CATALOG, of.parent, of.child, of.parent, of.child))
    if app.one("SELECT to_regclass('usagefix.history')") is None:
        return State(counters, catalog)
    return State(
        counters,
        catalog,
        tuple(app.sql(SAVED)),
        tuple(app.sql("SELECT counter, definition::text FROM usagefix.counters ORDER BY counter")),
        tuple(app.sql("SELECT counter, version, action FROM usagefix.history ORDER BY entry")),
        tuple(
            finished for (finished,) in app.sql("SELECT finished_at IS NOT NULL FROM usagefix.backfills ORDER BY run")
        ),
        tuple(app.sql(CORRECTIONS)),
        tuple(app.sql("SELECT counter, row_key, baseline FROM usagefix.baselines ORDER BY counter, row_key")),
    )


def miscounted(before: State, now: State) -> list[str]:
    """The rows that do not show what they showed before plus their corrections marked as done since then.

    A second run counts anew, so it would hide a delta that was added and not marked, or marked and not added.
    """
    expected = {(counter, row): (count, used) for counter, row, count, used in before.counters}
    for _, counter, row, delta, newest, done in chain(*now.since(before)):
        if done:
            count, used = expected[counter, row]
            expected[counter, row] = ((count or 0) + delta, max((t for t in (used, newest) if t), default=None))
    return [f"{counter} {row}" for counter, row, count, used in now.counters if expected[counter, row] != (count, used)]


def counted(app: App) -> list[int]:
    """What the application's writes do to a counter: a call of track_preset_usage(), an insert, a delete. None stays."""
    preset, shown = app.preset(2), list[int]()

    def look() -> None:
        shown.append(app.one("SELECT coalesce(usage_count, 0) FROM presets WHERE id = %s", preset))

    with app.db.transaction(force_rollback=True):
        look()
        app.sql("SELECT set_config('request.jwt.claim.sub', %s, true)", app.user_id(3))
        app.sql("SELECT track_preset_usage(%s, 'showcase_creation')", preset)
        look()
        app.use(preset, user=app.user_id(4))
        look()
        app.sql(
            "DELETE FROM preset_usage WHERE id = (SELECT min(id::text)::uuid FROM preset_usage WHERE preset_id = %s)",
            preset,
        )
        look()
    return [after - before for before, after in pairwise(shown)]


def drift(app: App, of: Subject) -> int:
    """How many counters show something else than their events."""
    if of is PRESETS:
        return app.drift()[0]
    return sum(Shape("reactions").wrong(app).values())


def reacted(app: App) -> list[tuple[int, int]]:
    """What a like, a dislike, a change from the one to the other and a delete do to both counters of a post. None stays."""
    shown = list[tuple[int, int]]()
    new = "id = (SELECT max(id) FROM post_reactions)"
    with app.db.transaction(force_rollback=True):
        for statement in (
            "SELECT",
            "INSERT INTO post_reactions (post_id, user_id, kind) VALUES (9, 99, 'like')",
            "INSERT INTO post_reactions (post_id, user_id, kind) VALUES (9, 98, 'dislike')",
            "UPDATE post_reactions SET kind = 'dislike' WHERE user_id = 99",
            f"DELETE FROM post_reactions WHERE {new}",
        ):
            app.sql(statement)
            shown += app.sql("SELECT likes_count, coalesce(dislikes_count, 0) FROM posts WHERE id = 9")
    return [(later[0] - one[0], later[1] - one[1]) for one, later in pairwise(shown)]


def untrue(stderr: str, before: State, now: State) -> list[str]:
    """What a command that was cut off says wrongly, or leaves out, of what it has changed."""
    told = stderr.partition("done before that, and kept: ")[2].partition("\n")[0]
    if not told:
        return [] if now == before else ["nothing in the database was changed"]
    parts = re.sub(r"(\d{14})_\w+", r"\1", told).split("; ")
    sure = [part for part in parts if not re.search(r"\b(or not|may)\b", part)]
    unsure = len(sure) < len(parts)
    done = {f"{version} {DONE[action]}" for _, version, action in now.history[len(before.history) :]}
    undone = {words for words in done if words.endswith(DONE["rollback"])}
    facts = {
        "every use is counted": now.counting and now.adjusting and not before.counting,
        "only the triggers change the counter": now.guarded and not before.guarded,
        "the daily limit is gone": before.limited and not now.limited,
        **dict.fromkeys(undone, True),
        **{part: part in done for part in sure if re.fullmatch(r"\d{14} (applied|rolled back)", part)},
    }
    if not undone:
        facts["the daily limit is back"] = now.limited and not before.limited
    wrong = [fact for fact, true in facts.items() if (fact in sure) != true and not (unsure and true)]
    told_runs = [(int(match[1] or 0), int(match[2] or 0)) for part in sure if (match := CORRECTED.fullmatch(part))]
    runs = [(sum(done for *_, done in run), len(run)) for run in now.since(before)]
    certain = max(len(told_runs) - 1, 0) if unsure else None
    if told_runs[:certain] != runs[:certain]:
        wrong.append(f"corrected {told_runs}, and not {runs}")
    return wrong
