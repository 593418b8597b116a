"""Where ``usagefix demo`` is played: an embedded server, each chapter printed as it comes, everything cleared away."""

from __future__ import annotations

import os
import shlex
from functools import partial
from pathlib import Path

from usagefix import embedded
from usagefix.cli.printing import to_stdout
from usagefix.database import Database, connect
from usagefix.demo import load_sample, story
from usagefix.render import words
from usagefix.render.layout import heading, stdout_console
from usagefix.render.progress import progress_shown
from usagefix.render.table import show
from usagefix.target import locate

DATABASE, DRIFTED = "usagefix_demo", "usagefix_sample"


def play(*, keep: bool) -> None:
    """Play the demo. Without ``keep``, and whenever it is cut short, the server and its folder are gone afterwards."""
    # libpq's own settings belong to another server.
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    wanted = os.environ.get("USAGEFIX_PG_BIN")
    words.say("starting an embedded PostgreSQL")
    server = embedded.start(Path(wanted) if wanted else None, prefix="usagefix-demo-")
    kept = False
    try:
        _tell(server)
        if keep:
            _drifted(server)
        kept = keep
    finally:
        if not kept:
            embedded.stop(server)
            words.say("the embedded PostgreSQL is stopped and its files are removed")
    if kept:
        _say_how_to_go_on(server)


def _tell(server: embedded.Server) -> None:
    db = _database(server, DATABASE)
    words.say(f"target: {db.target}")
    try:
        with progress_shown() as on_progress:
            console = stdout_console()
            for chapter in story(db, on_step=words.say, on_progress=on_progress):
                heading(chapter.title, chapter.command, console)
                to_stdout(partial(show, chapter.report, console))
    finally:
        db.close()


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
