"""Files for dbmate."""

from __future__ import annotations

from pathlib import Path

from usagefix.exporting.stamped import Stamped
from usagefix.exporting.step import Step
from usagefix.exporting.tool import read
from usagefix.models.choices import MigrationTool

_UP = "-- migrate:up"


class Dbmate(Stamped):
    """dbmate (seen with 2.36) sends a section as one simple query between BEGIN and COMMIT, and lists the file in
    ``schema_migrations`` in the same transaction: in the schema that comes first in the search_path by then. So the
    path must be as it was.
    """

    choice = MigrationTool.DBMATE
    runs = "dbmate up"
    told = (
        "dbmate runs each section as one transaction, without a time limit. Safe to run again; then: usagefix"
        " verify. --? marks lines that some databases do not need."
    )
    usual = ("db/migrations",)
    goes_on = True

    def home(self, folder: Path) -> Path | None:
        """Where a file has a section of dbmate; or its usual folder, which is still empty."""
        for place in (folder, *(folder / usual for usual in self.usual)):
            files = [path for path in place.glob("*.sql") if path.is_file()]
            if any(_UP in read(path) for path in files):
                return place
            if place.is_dir() and not files and place.absolute().parts[-2:] == ("db", "migrations"):
                return place
        return None

    def body(self, step: Step) -> str:
        return f"{self.script(step.up)}\n-- migrate:down\n\n{self.script(step.down)}"

    def whole(self, version: str, step: Step) -> str:
        return f"{self.head(step, _UP, self.note(version))}{self.body(step)}"
