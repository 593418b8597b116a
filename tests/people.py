"""People who use an application all at once: threads, each with a session of its own, until they are told to stop."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
from support import App

Once = Callable[[int, random.Random, psycopg.Connection[Any]], None]


@contextmanager
def people(
    app: App,
    number: int,
    once: Once,
    failures: list[str],
    *,
    pause: float = 0,
    tireless: bool = False,
    options: str = "",
) -> Iterator[None]:
    """So many people do ``once`` over and over for the length of the block. What the server refuses is noted in
    ``failures`` and ends the work of who met it, unless they are ``tireless``; any other error of a thread is raised
    when the block ends."""
    stop = threading.Event()

    def work(person: int) -> None:
        luck = random.Random(person)
        with psycopg.connect(app.url(), autocommit=True, options=options) as connection:
            while not stop.is_set():
                try:
                    once(person, luck, connection)
                except psycopg.Error as error:
                    failures.append(f"{type(error).__name__}: {error}")
                    if not tireless:
                        return
                stop.wait(pause)

    with ThreadPoolExecutor(number) as pool:
        working = [pool.submit(work, person) for person in range(number)]
        try:
            yield
        finally:
            stop.set()
    for one in working:
        one.result()
