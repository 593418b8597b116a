"""What the two tables are called in one database, and the bundled SQL written for it.

The SQL files name schema ``public`` and every column that the application of the sample has, and run as they are there.
For another database the same text is adapted: names are replaced word by word, and what needs a column that is missing
falls away. In the files, ``--? presets.last_used_at`` ends a line that needs this column.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from usagefix.errors import ConfigurationError

EVENT_TIMES = ("created_at", "used_at")  # what the column may be called that tells when a use was, in this order
# Columns that may be missing, and what a query reads in their place.
OPTIONAL = {
    "presets.name": "NULL::pg_catalog.text",
    "presets.last_used_at": "NULL::pg_catalog.timestamptz",
    "preset_usage.id": "NULL::pg_catalog.text",
    "preset_usage.user_id": "NULL::pg_catalog.text",
    "preset_usage.usage_type": "NULL::pg_catalog.text",
    "preset_usage.usage_data": "NULL::pg_catalog.text",
    "preset_usage.created_at": "NULL::pg_catalog.timestamptz",
}
_NEEDS = re.compile(r"^.*--\? (?P<columns>[\w., ]+)\n", re.MULTILINE)
_SCHEMA = re.compile(r"[\w -]{1,63}")


@dataclass(frozen=True, slots=True)
class Names:
    """The names in one database: the schema of the two tables, the column that tells when a use was, and which of the
    ``OPTIONAL`` columns are absent (``preset_usage.created_at`` stands for that column, whatever its name)."""

    schema: str = "public"
    event_time: str = "created_at"
    absent: frozenset[str] = frozenset()

    @property
    def dated(self) -> bool:
        """Whether events tell when they were, and presets when they were last used."""
        return not self.absent & {"presets.last_used_at", "preset_usage.created_at"}

    @property
    def keeps_last_use(self) -> bool:
        """Whether presets have a column for it."""
        return "presets.last_used_at" not in self.absent

    @property
    def qualifier(self) -> str:
        """The schema as SQL writes it."""
        return "public" if self.schema == "public" else f'"{self.schema}"'

    def adapt(self, text: str) -> str:
        """The bundled SQL in these names; the same text where they are those of the files."""
        if self == STANDARD:
            return text
        text = _NEEDS.sub(lambda line: "" if self.absent & set(line["columns"].split(", ")) else line[0], text)
        for column in sorted(self.absent):
            text = re.sub(rf"(?<![\w.'])(?:public\.)?{re.escape(column)}\b(?!')", OPTIONAL[column], text)
        if "preset_usage.created_at" in self.absent:
            # In the triggers: the time of the use is the time when it is recorded.
            text = re.sub(r"\b(?:written|event|come|gone|NEW|OLD)\.created_at\b", "pg_catalog.now()", text)
        if self.event_time != "created_at":
            text = re.sub(r'(?<!")\bcreated_at\b', self.event_time, text)  # quoted, it is a name of ours
        return re.sub(r"\bpublic\b", lambda _: self.qualifier, text)


STANDARD = Names()


def checked_schema(schema: str) -> str:
    """The name of a schema, as given. Raises ConfigurationError for one that usagefix does not write into SQL."""
    if not _SCHEMA.fullmatch(schema) or schema in ("usagefix", "information_schema") or schema.startswith("pg_"):
        raise ConfigurationError(
            f"the schema {schema!r} cannot be used",
            hint="name the application's own schema, without quotes; letters, digits, _, - and spaces can be in it",
        )
    return schema
