"""The connection, and the only package that knows psycopg: transactions, retries, rows as dataclasses, errors.
Settings last for one transaction only (``SET LOCAL``), so that a pooler passes nothing of ours to the next client.
Nothing is prepared on the server."""

from usagefix.database.connecting import connect
from usagefix.database.failures import context_of, detail_of, words_of
from usagefix.database.link import Session
from usagefix.database.session import Database, Limits

__all__ = ["Database", "Limits", "Session", "connect", "context_of", "detail_of", "words_of"]
