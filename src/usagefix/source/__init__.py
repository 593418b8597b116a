"""Reads an application's source for what writes the counter, adds or deletes events, or calls a function.

For ``doctor``, which warns of code that counts beside the trigger. What it finds is read from text, never run: see
``usagefix.source.clients`` for what it cannot see.
"""

from __future__ import annotations

from usagefix.source.findings import Found, Use
from usagefix.source.sql import in_sql
from usagefix.source.tree import Place, Scan, in_file, scan

__all__ = ["Found", "Place", "Scan", "Use", "in_file", "in_sql", "scan"]
