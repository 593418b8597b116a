"""The shapes of counters that applications have, each a folder of ``tests/shapes``: a schema whose counters are partly
wrong, their declaration, what the application writes, and the truth, asked without usagefix."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from people import people
from support import ROOT, App
from traffic import WRITERS, Traffic

FOLDER = ROOT / "tests" / "shapes"


@dataclass(frozen=True)
class Shape:
    """One folder. ``writes``: statements that writers run in any order, each over rows of the writer's own."""

    name: str

    @property
    def declaration(self) -> Path:
        return FOLDER / self.name / "usagefix.toml"

    @property
    def schema(self) -> str:
        return (FOLDER / self.name / "schema.sql").read_text()

    @property
    def writes(self) -> tuple[str, ...]:
        return tuple((FOLDER / self.name / "writes.sql").read_text().split("\n--\n"))

    @property
    def counters(self) -> int:
        """How many are declared."""
        return self.declaration.read_text().count("[[counter]]")

    def load(self, app: App) -> None:
        app.sql(self.schema)

    def wrong(self, app: App) -> dict[str, int]:
        """Counter → how many rows are wrong now, in one snapshot."""
        truth = (FOLDER / self.name / "truth.sql").read_text()
        rows = app.sql(
            f"SELECT counter, count(*) FILTER (WHERE shown IS DISTINCT FROM truth) FROM ({truth}) AS rows GROUP BY counter"
        )
        return {str(counter): int(wrong) for counter, wrong in rows}

    def __str__(self) -> str:
        return self.name


SHAPES = tuple(Shape(folder.name) for folder in sorted(FOLDER.iterdir()))
WRITTEN = tuple(shape for shape in SHAPES if (FOLDER / shape.name / "writes.sql").exists())


@contextmanager
def writing(app: App, shape: Shape) -> Iterator[Traffic]:
    """Writers for the length of the block, each with users of its own."""
    state = Traffic()

    def write(writer: int, luck: random.Random, connection: psycopg.Connection[Any]) -> None:
        some = [luck.randint(1, 40) for _ in range(luck.choice((1, 1, 3, 12)))]
        given = {
            "writer": writer,
            "user": luck.randint(1, 8) * WRITERS + writer,
            "some": some,
            "sorted": sorted(set(some)),
            "one": luck.randint(1, 40),
            "other": luck.randint(1, 40),
            "number": luck.randint(0, 20),
        }
        statement = luck.choice((shape.writes[0], *shape.writes))
        state.written[writer] += connection.execute(statement.encode(), given).rowcount

    with people(app, WRITERS, write, state.failures, pause=0.002):
        yield state
