"""Files for the Supabase CLI."""

from __future__ import annotations

from pathlib import Path

from usagefix.exporting.stamped import Stamped
from usagefix.models.choices import MigrationTool


class Supabase(Stamped):
    """The Supabase CLI.

    What it does with a file was watched on the wire (2.122 and 3.1 alike). It splits the file into statements, knowing
    dollar quotes, literals and comments, and sends them, and its own insert into
    ``supabase_migrations.schema_migrations``, as one pipeline with one Sync. So a file is one transaction:
    ``set_config(…, true)`` lasts to its end, and a file that fails leaves nothing, neither of its own nor in that
    table. The files before it are committed, and the next push goes on with the one that failed. A file that is older
    than the newest applied is refused. There is no way back in it.
    """

    choice = MigrationTool.SUPABASE
    runs = "supabase db push"
    told = "One transaction, safe to run again; then: usagefix verify. --? marks lines that some databases do not need."
    usual = ("supabase/migrations", "migrations")

    def home(self, folder: Path) -> Path | None:
        """Where a ``config.toml`` stands beside the folder, or its parent is called supabase."""
        for place in (folder, *(folder / usual for usual in self.usual)):
            beside = place.absolute().parent
            if place.name == "migrations" and (beside.name == "supabase" or (beside / "config.toml").is_file()):
                return place if place.is_dir() else None
        return None
