"""Takes a privilege from PUBLIC, and leaves it to the roles of the application that have it only through PUBLIC."""

from __future__ import annotations

from usagefix.doctor.case import Case
from usagefix.picture.objects import Creator, Function


def relying(case: Case, function: Function) -> list[str]:
    """The roles that may call a function only through PUBLIC. Nobody needs that for a trigger that is there."""
    return [each.role for each in case.picture.relying if each.function == function.oid and not function.is_trigger]


def revoked(case: Case, function: Function, roles: str) -> str:
    """The statements that take EXECUTE of a function from ``roles``."""
    keep = relying(case, function) if "PUBLIC" in roles else []
    return _statements("EXECUTE", f"FUNCTION {function.signature}", keep, roles)


def closed(case: Case, creator: Creator) -> str:
    """The statements that take CREATE in a schema from a role; who has created something there keeps it."""
    keep = [each.role for each in case.picture.relying if each.function is None and each.schema == creator.schema]
    return _statements("CREATE", f"SCHEMA {creator.quoted}", keep if creator.role == "PUBLIC" else [], creator.role)


def _statements(privilege: str, on: str, keep: list[str], roles: str) -> str:
    granted = f"GRANT {privilege} ON {on} TO {', '.join(keep)}; " if keep else ""
    return f"{granted}REVOKE {privilege} ON {on} FROM {roles}"
