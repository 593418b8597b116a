"""Where ``usagefix demo`` is played: an embedded server, each chapter printed as it comes, everything cleared away."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from usagefix import embedded
from usagefix.cli.printing import put as printed
from usagefix.cli.printing import to_stdout
from usagefix.database import Database, connect
from usagefix.demo import Told, load_sample, story
from usagefix.render import words
from usagefix.render.layout import drawn, stdout_console
from usagefix.render.telling import Telling
from usagefix.target import locate

DATABASE, DRIFTED = "usagefix_demo", "usagefix_sample"
Draw = Callable[[], None]


def play(*, keep: bool, full: bool) -> None:
    """Play the demo. Without ``keep``, and whenever it is cut short, the server and its folder are gone afterwards."""
    # libpq's own settings belong to another server.
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    wanted = os.environ.get("USAGEFIX_PG_BIN")
    words.say("starting an embedded PostgreSQL")
    server = embedded.start(Path(wanted) if wanted else None, prefix="usagefix-demo-")
    kept = False
    try:
        telling = Telling(stdout_console(), full)
        tell(server, telling, lambda draw: printed(words.unobeyed(drawn(telling.console, draw))))
        if keep:
            _drifted(server)
        kept = keep
    finally:
        if not kept:
            embedded.stop(server)
            words.say("the embedded PostgreSQL is stopped and its files are removed")
    if kept:
        _say_how_to_go_on(server)


def tell(server: embedded.Server, telling: Telling, put: Callable[[Draw], object] = lambda draw: draw()) -> None:
    """Tell the story in a new database of the server. ``put`` has each piece drawn."""
    db = _database(server, DATABASE)
    words.say(f"target: {db.target}")

    def chapter(title: str, command: str, work: Callable[[], Told]) -> Told:
        put(lambda: telling.begin(title, command))
        report = work()
        put(lambda: telling.show(report))
        return report

    try:
        on_step = words.say if telling.full else _nothing
        moral = story(db, chapter, full=telling.full, on_step=on_step, on_progress=_nothing)
        put(lambda: telling.end(moral.before, moral.after, moral.tried, moral.used, _program()))
    finally:
        db.close()


def _nothing(_: object) -> None:
    """What nobody is told."""


def _program() -> str:
    """How this program is called, so that its name can be typed."""
    path = sys.argv[0]
    return path if Path(path).name == "usagefix" and not shutil.which("usagefix") else "usagefix"


def _drifted(server: embedded.Server) -> None:
    db = _database(server, DRIFTED)
    try:
        load_sample(db)
    finally:
        db.close()


def _database(server: embedded.Server, name: str) -> Database:
    maintenance = connect(locate(server.url(), "the embedded server"))
    maintenance.run(f"CREATE DATABASE {name}")
    maintenance.close()
    return connect(locate(server.url(name), "the embedded server"))


def _say_how_to_go_on(server: embedded.Server) -> None:
    url = f"DATABASE_URL={shlex.quote(server.url(DRIFTED))}"
    to_stdout(lambda: print(url))
    folder = shlex.quote(str(server.folder))
    words.say(
        f"this is the sample before the fix: export it and play on ({DATABASE} beside it is the one of the story)"
    )
    words.say(f"to end: kill -INT {server.process.pid} && sleep 2 && rm -rf {folder}")
