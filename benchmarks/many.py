"""What ten counters on one table of events cost those who insert: reactions by kind, ``posts.<kind>_count`` for each.

The same three variants as in ``writes``: ``bare`` counts nothing; ``row-level`` has ten triggers as they are written by
hand, one for each kind; ``usagefix`` had ``usagefix apply`` run on it, with ten counters declared in usagefix.toml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.clients import SCHEDSTAT, Session, contend, pgbench_rate
from benchmarks.measure import BenchmarkFailed, Row, interleaved, short
from benchmarks.server import STRIDE, Database, Lab, program

BARE, ROW_LEVEL, UNGUARDED, USAGEFIX = "bare", "row-level", "usagefix without guards", "usagefix"
KINDS = ("like", "love", "laugh", "wow", "sad", "angry", "care", "clap", "fire", "party")
EVENTS, FEW_POSTS = 1_000, 50
CONTENDED_POSTS, CONTENDED_SECONDS = 40, 10.0
ROUNDS = 10

SCHEMA = f"""
    CREATE TABLE posts (
        id bigint PRIMARY KEY, title text NOT NULL,
        {", ".join(f"{kind}_count int NOT NULL DEFAULT 0" for kind in KINDS)}
    );
    CREATE TABLE post_reactions (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, post_id bigint NOT NULL REFERENCES posts,
        kind text NOT NULL, created_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX ON post_reactions (post_id);
"""

COUNTER = """
[[counter]]
counter = "posts.{kind}_count"
events = "post_reactions.post_id"
where = "kind = '{kind}'"
"""

ROW_LEVEL_TRIGGER = """
    CREATE FUNCTION count_{kind}() RETURNS trigger LANGUAGE plpgsql AS $function$
    BEGIN
        UPDATE posts SET {kind}_count = {kind}_count + 1 WHERE id = NEW.post_id;
        RETURN NULL;
    END
    $function$;
    CREATE TRIGGER count_{kind} AFTER INSERT ON post_reactions FOR EACH ROW WHEN (NEW.kind = '{kind}')
        EXECUTE FUNCTION count_{kind}();
"""

GUARDS = """
    SELECT string_agg(format('DROP TRIGGER %I ON posts', tgname), '; ') FROM pg_trigger
    WHERE tgrelid = 'posts'::regclass AND tgname LIKE 'zz_trigger_guard_%'
"""

ONE_EVENT = "INSERT INTO post_reactions (post_id, kind) VALUES (%s::bigint, %s::text)"
KIND = f"('{{{','.join(KINDS)}}}'::text[])"
SEVERAL_POSTS = f"""
    INSERT INTO post_reactions (post_id, kind) SELECT n, {KIND}[1 + floor({len(KINDS)} * random())]
    FROM generate_series(1, {CONTENDED_POSTS}) AS n ORDER BY random() LIMIT 20
"""


def many_events(posts: int, statement: str) -> str:
    """Events over so many posts in a scattered order; each post gets each kind in turn."""
    return (
        f"INSERT INTO post_reactions (post_id, kind)"
        f" SELECT 1 + mod(n * {STRIDE}, {posts}), {KIND}[1 + mod(n + n / {posts}, {len(KINDS)})]"
        f" FROM generate_series({statement} * {EVENTS}::bigint, {statement} * {EVENTS}::bigint + {EVENTS - 1}) AS n"
    )


# How many counters are wrong by an independent count, in one snapshot.
DRIFTED = f"""
    SELECT count(*) FROM posts
    CROSS JOIN LATERAL (VALUES {", ".join(f"('{kind}', {kind}_count)" for kind in KINDS)}) AS shown (kind, uses)
    LEFT JOIN (SELECT post_id, kind, count(*) AS uses FROM post_reactions GROUP BY 1, 2) AS events
    ON events.post_id = posts.id AND events.kind = shown.kind
    WHERE shown.uses IS DISTINCT FROM coalesce(events.uses, 0)
"""


def many(lab: Lab) -> list[Row]:
    """Inserts of one event and of many, what they cost the server and how fast they are; and deadlocks."""
    posts = lab.scale.rows(20_000)
    each = f"for each of {EVENTS:,} events of a statement"
    with _variants(lab, posts) as variants:
        trial = _Trial(lab, variants, posts)
        return [
            trial.processor("for a single-row insert", 2_000, posts, events=1),
            trial.processor(f"{each}, over {FEW_POSTS} posts", 5, FEW_POSTS, events=EVENTS),
            trial.processor(f"{each}, each of another post", 5, posts, events=EVENTS),
            trial.throughput("single-row inserts, 4 clients", "inserts/s", _single_row(posts), clients=4),
            trial.throughput(
                f"statements of {EVENTS:,} events over {FEW_POSTS} posts, one client",
                "statements/s",
                f"\\set statement random(0, 1000)\n{many_events(FEW_POSTS, ':statement')};\n",
                clients=1,
            ),
            trial.contention(),
        ]


@dataclass(frozen=True, slots=True)
class _Trial:
    """The variants of one database, and what is measured on copies of them."""

    lab: Lab
    variants: Mapping[str, Database]
    posts: int

    def processor(self, what: str, statements: int, spread: int, *, events: int) -> Row:
        """The smallest of the rounds: what else the machine does only adds."""
        what = f"the server's processor time {what}; {len(KINDS)} counters, one session, {self.posts:,} posts"
        how = f"microseconds, smallest of {ROUNDS} rounds of {statements:,} prepared statements (/proc/PID/schedstat)"
        if not SCHEDSTAT.exists():
            return Row("many", what, how, "", "left out: there is no /proc/PID/schedstat here", None)
        text = ONE_EVENT if events == 1 else many_events(spread, "%s")
        with ExitStack() as stack:
            databases = {name: stack.enter_context(_cloned(self.lab, of)) for name, of in self.variants.items()}
            turns = {}
            for name, database in databases.items():
                connection = stack.enter_context(database.connect())
                session = Session(connection, text, partial(_one_event if events == 1 else _numbered, spread))
                session.microseconds(statements)
                turns[name] = partial(_vacuumed, session, statements)
            samples = interleaved("many, processor time", ROUNDS, turns)
            _require_no_drift(databases[ROW_LEVEL], databases[USAGEFIX])
        least = {name: min(values) / events for name, values in samples.values.items()}
        ratios = {name: short(least[name] / least[ROW_LEVEL]) for name in least}
        figures = ", ".join(f"{name} {short(value)}" for name, value in least.items())
        measured = f"{ratios[USAGEFIX]}x of row-level, without guards {ratios[UNGUARDED]}x; {figures} µs"
        return Row("many", what, how, "", measured, None)

    def throughput(self, what: str, unit: str, script: str, *, clients: int) -> Row:
        """As fast as so many clients can."""
        what = f"{what}, {len(KINDS)} counters, {self.posts:,} posts"
        how = "pgbench, prepared statements; throughput compared with row-level"
        pgbench = program(self.lab.server, "pgbench")
        if pgbench is None:
            measured = "left out: pgbench is not beside the server's programs or on PATH"
            return Row("many", what, how, "", measured, None)

        def rate(name: str) -> float:
            with _cloned(self.lab, self.variants[name]) as database:
                done = pgbench_rate(pgbench, database, script, self.lab.scale.window / 3, clients=clients)
                if name in {ROW_LEVEL, USAGEFIX}:
                    _require_no_drift(database)
                return done

        samples = interleaved("many", self.lab.scale.rounds * 2, {name: partial(rate, name) for name in self.variants})
        ratios = f"{samples.ratio(USAGEFIX, ROW_LEVEL)}, without guards {samples.ratio(UNGUARDED, ROW_LEVEL)}"
        against_bare = ", ".join(f"{name} {samples.ratio(name, BARE)}" for name in (ROW_LEVEL, USAGEFIX))
        measured = f"{ratios}; compared with bare: {against_bare}; {samples.rates(unit)}"
        return Row("many", what, how, "", measured, None)

    def contention(self) -> Row:
        """Statements that touch the same posts in different orders."""
        length = min(self.lab.scale.window, CONTENDED_SECONDS)
        deadlocks = {ROW_LEVEL: 0, USAGEFIX: 0}

        def throughput(name: str) -> float:
            with _cloned(self.lab, self.variants[name]) as database:
                done, dead = contend(database, SEVERAL_POSTS, length)
                deadlocks[name] += dead
                _require_no_drift(database)
                return max(done, 1) / length  # never nothing: others are divided by it

        rounds = min(3, self.lab.scale.rounds)
        samples = interleaved("many, contention", rounds, {name: partial(throughput, name) for name in deadlocks})
        return Row(
            "many",
            f"8 clients for {length:.0f} s, each statement 20 events of any kind, of 20 random ones of the same"
            f" {CONTENDED_POSTS} posts (of {self.posts:,}); {len(KINDS)} counters",
            "throughput compared with row-level; deadlocks of all rounds",
            "0 deadlocks",
            f"{deadlocks[USAGEFIX]} deadlocks (row-level {deadlocks[ROW_LEVEL]}), {samples.ratio(USAGEFIX, ROW_LEVEL)};"
            f" {samples.rates('statements/s')}",
            deadlocks[USAGEFIX] == 0,
        )


def _single_row(posts: int) -> str:
    return (
        f"\\set post random(1, {posts})\n\\set kind random(1, {len(KINDS)})\n"
        f"INSERT INTO post_reactions (post_id, kind) VALUES (:post, {KIND}[:kind]);\n"
    )


def _one_event(posts: int, number: int) -> tuple[int, str]:
    return (1 + number * STRIDE % posts, KINDS[(number + number // posts) % len(KINDS)])


def _numbered(_posts: int, number: int) -> tuple[int, int]:
    return (number, number)


def _vacuumed(session: Session, statements: int) -> float:
    session.connection.execute("VACUUM posts, post_reactions")
    return session.microseconds(statements)


@contextmanager
def _variants(lab: Lab, posts: int) -> Iterator[dict[str, Database]]:
    lab.main.run("CREATE DATABASE reactions")
    template = Database(lab.server, "reactions")
    rows = f"INSERT INTO posts SELECT n, 'Post ' || n FROM generate_series(1, {posts}) AS n"
    template.run(SCHEMA, rows, "VACUUM ANALYZE")
    variants = {name: lab.clone(template) for name in (BARE, ROW_LEVEL, UNGUARDED, USAGEFIX)}
    variants[ROW_LEVEL].run(*(ROW_LEVEL_TRIGGER.format(kind=kind) for kind in KINDS))
    with TemporaryDirectory() as folder:
        config = Path(folder) / "usagefix.toml"
        config.write_text("".join(COUNTER.format(kind=kind) for kind in KINDS), encoding="utf-8")
        for name in (UNGUARDED, USAGEFIX):
            variants[name].usagefix("apply", "--config", str(config))
    variants[UNGUARDED].run(str(variants[UNGUARDED].value(GUARDS)))
    yield variants
    for database in (*variants.values(), template):
        database.drop()


@contextmanager
def _cloned(lab: Lab, template: Database) -> Iterator[Database]:
    database = lab.clone(template)
    try:
        database.run("SELECT count(*) FROM posts")
        yield database
    finally:
        database.drop()


def _require_no_drift(*databases: Database) -> None:
    for database in databases:
        if drifted := database.value(DRIFTED):
            raise BenchmarkFailed(f"{drifted} counters of {database.name} are wrong")
