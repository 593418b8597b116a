"""Reads code: an application's source, and the functions and triggers of its database. Reads text, runs nothing.

``in_sql``, ``scan`` and ``in_file`` find code that writes the counter, adds or deletes events, or calls a function; see
``usagefix.reading.clients`` for the limits. A ``Reader`` says what the functions of a database do, and edits them: it
replaces pieces of their text and keeps every other character.
"""

from __future__ import annotations

from usagefix.reading.arguments import arguments_of, in_call, unknown_arguments
from usagefix.reading.editing import with_body
from usagefix.reading.findings import REQUESTED, Found, Use
from usagefix.reading.inserts import unknown_columns
from usagefix.reading.reader import Reader
from usagefix.reading.recorder import RecorderState
from usagefix.reading.refusing import always_raises, returns_nothing
from usagefix.reading.returned import returned
from usagefix.reading.routine import Argument, Column, Events, Routine, Uneditable, UserKey
from usagefix.reading.sql import in_sql
from usagefix.reading.subject import Subject
from usagefix.reading.taking import Edited, OnlyCounts, Refused
from usagefix.reading.tree import Place, Scan, in_file, scan

__all__ = [
    "REQUESTED", "Argument", "Column", "Edited", "Events", "Found", "OnlyCounts", "Place", "Reader", "RecorderState",
    "Refused", "Routine", "Scan", "Subject", "Uneditable", "Use", "UserKey", "always_raises", "arguments_of", "in_call",
    "in_file", "in_sql", "returned", "returns_nothing", "scan", "unknown_arguments", "unknown_columns", "with_body",
]  # fmt: skip
