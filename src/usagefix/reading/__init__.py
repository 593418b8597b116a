"""Reads code: an application's source, and the functions and triggers of its database. Reads text, runs nothing.

``in_sql``, ``scan`` and ``in_file`` find what writes the counter, adds or deletes events, or calls a function; see
``usagefix.reading.clients`` for what they cannot see.
"""

from __future__ import annotations

from usagefix.reading.findings import Found, Use
from usagefix.reading.sql import in_sql
from usagefix.reading.subject import Subject
from usagefix.reading.tree import Place, Scan, in_file, scan

__all__ = ["Found", "Place", "Scan", "Subject", "Use", "in_file", "in_sql", "scan"]
