"""Applications as they are: other columns, keys and schemas, the fix by hand, counted twice."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import Any

from support import APPLICATIONS, App, Result

SAMPLE_USE = (
    "INSERT INTO preset_usage (preset_id, user_id, usage_type) SELECT md5('preset ' || 1 + n % 9)::uuid, md5('user 1')::uuid,"
    " 'showcase_creation' FROM generate_series(1, 20) AS n"
)


@dataclass(frozen=True)
class Application:
    """How one application's database is made, and how it is used: an insert of 20 events, an id, what to call."""

    files: tuple[str, ...]
    use: str = SAMPLE_USE
    schema: str = "public"
    track: str = "SELECT track_preset_usage((SELECT min(id::text) FROM presets)::uuid, 'showcase_creation')"
    user: str = "user 1"
    role: str = "authenticated"
    state: str = "pending"
    remarks: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)

    def make(self, app: App) -> None:
        for file in self.files:
            with app.connect(autocommit=False) as connection:
                connection.execute((APPLICATIONS / f"{file}.sql").read_bytes())
        app.sql(f'SET search_path = "{self.schema}", pg_catalog')

    def usagefix(self, app: App, *arguments: str) -> Result:
        return app.usagefix(*arguments, **self._settings)

    def by_hand(self, app: App, *, undo: bool = False) -> subprocess.CompletedProcess[str]:
        """See :meth:`support.App.by_hand`."""
        return app.by_hand(undo=undo, **self._settings)

    @property
    def _settings(self) -> dict[str, Any]:
        return {"USAGEFIX_SCHEMA": self.schema} if self.schema != "public" else {}


EVERY: dict[str, Application] = {
    "the sample": Application(()),
    "other columns": Application(
        ("other_columns",),
        use="INSERT INTO preset_usage (preset_id, user_id) SELECT md5('preset ' || 1 + n % 9)::uuid, id"
        " FROM generate_series(1, 20) AS n, (SELECT id FROM users_profile LIMIT 1) AS profile",
        remarks=("never worked here",),
    ),
    "bigint keys in another schema": Application(
        ("bigint_keys",),
        use="INSERT INTO preset_usage (preset_id) SELECT 1 + n % 9 FROM generate_series(1, 20) AS n",
        schema="Shop floor",
        track="SELECT track_preset_usage(3, 'showcase_creation')",
        role="postgres",
    ),
    "text keys, nothing else": Application(
        ("text_keys",),
        use="""INSERT INTO preset_usage SELECT 'Preset "' || 1 + n % 9 || '" it''s' FROM generate_series(1, 20) AS n""",
        schema="app",
        track="",
    ),
    "partitioned events": Application(("partitioned",)),
    "the fix by hand": Application(("by_hand",), state="foreign"),
    "counted four times": Application(
        ("by_hand", "counted_twice"),
        state="foreign",
        remarks=("apply disables it", "apply disables it", "keeps the rest of its work"),
    ),
}
