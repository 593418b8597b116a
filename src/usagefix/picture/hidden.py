"""Code that somebody hid in tables, and that would run with the rights of whoever only reads them. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from usagefix.database import Database
from usagefix.errors import NotPermitted
from usagefix.quoting import array, shown


@dataclass(frozen=True, slots=True)
class Hidden:
    """A function that a query on a table (``root``) runs, ``by`` whom, and the ``relation`` that calls it: the columns
    of ``hidden_code.sql``. ``given``: that role did not write the function, but what it is called with."""

    root: str
    relation: str
    owner: str
    oid: int
    function: str
    by: str
    given: bool

    def __str__(self) -> str:
        what = f"what {self.by} gives {self.function}" if self.given else f"{self.function}, which {self.by} wrote,"
        return f"to read it would run {what} with your rights"


def hidden(db: Database, tables: Iterable[str], *, named: bool) -> list[Hidden]:
    """The functions that lie hidden in tables, which are written as SQL names them, and in what belongs to them.
    ``named``: a person named the tables, and so trusts their owner as far as a role that is no superuser has to."""
    found = db.rows(db.query("hidden_code"), Hidden, {"tables": array(dict.fromkeys(tables)), "named": named})
    dangerous = running_given_code(db, (one.oid for one in found if one.given))
    return [one for one in found if not one.given or one.oid in dangerous]


def running_given_code(db: Database, functions: Iterable[int]) -> frozenset[int]:
    """Which of these functions run what they are given, or write."""
    asked = sorted({*functions})
    return frozenset(db.values(db.query("given_code"), {"functions": asked}) if asked else ())


def require_nothing_hidden(db: Database, tables: Iterable[str]) -> None:
    """Raise NotPermitted if to read these tables would run a stranger's code with more rights than the stranger has."""
    for found in hidden(db, tables, named=True):
        hint = f"usagefix read nothing of the table. Connect as {found.owner}, who owns it"
        if found.given:
            raise NotPermitted(
                f"a constraint of {found.relation} or of a type in it, which {found.by} wrote, calls {found.function}:"
                " that could run any code with your rights",
                hint=f"{hint}, or drop the constraint",
            )
        raise NotPermitted(
            f"an index, a type or the like of {found.relation} calls {found.function}, which {found.by} wrote:"
            " it would run with your rights",
            hint=f"{hint}, or read the function, and if you trust it,"
            f" ALTER FUNCTION {found.function} OWNER TO {shown(db.session.role)}",
        )
