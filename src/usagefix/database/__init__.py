"""The connection, and the only package that knows psycopg: transactions, retries, rows as dataclasses, errors.

Settings are set for one transaction only (``SET LOCAL``), so that a pooler hands nothing of ours to the next client,
and nothing is prepared on the server.
"""

from usagefix.database.connecting import connect
from usagefix.database.failures import context_of, detail_of, words_of
from usagefix.database.link import Session
from usagefix.database.session import Database, Limits

__all__ = ["Database", "Limits", "Session", "connect", "context_of", "detail_of", "words_of"]
