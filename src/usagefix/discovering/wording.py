"""Counters as a file of declarations names them."""

from __future__ import annotations

from usagefix import naming
from usagefix.discovering.hypotheses import Hypothesis, columns
from usagefix.discovering.links import Kind
from usagefix.discovering.tables import USUAL_SCHEMA, Column, Table


def column(parent: Table, of: Column) -> str:
    """A column of a table."""
    return f"{parent.shown}.{of.sql}"


def key(found: Hypothesis) -> str | None:
    """What ``key`` of a declaration is; None if it is what it is without."""
    link = found.link
    if link.kind is Kind.FOREIGN_KEY or link.key == link.parent.primary:
        return None
    return columns(link.parent, link.key)


def name(parent: Table, of: Column) -> str:
    """What a counter is called that is declared without a name."""
    return naming.fitting(None if parent.schema == USUAL_SCHEMA else parent.schema, parent.name, of.name)
