"""Text as the database keeps it, whatever its encoding, and back again, byte for byte.

Nothing is converted by the server, which refuses what the other encoding lacks: psycopg decodes by the database's own.
Bytes that are no text there, as a database in SQL_ASCII may hold, become surrogates (``surrogateescape``); printing
writes them out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.types.json import set_json_loads

from usagefix.models.amount import Amount, amount

_PLACE = re.compile(rb"%(?:\((\w+)\)s|%)")


def speak(connection: psycopg.Connection[Any]) -> None:
    """Make a connection read and write text that way."""
    for kind in (0, "text", "name", "varchar", "bpchar", '"char"'):
        connection.adapters.register_loader(kind, _Reading)
    connection.adapters.register_dumper(str, _Writing)
    set_json_loads(lambda data: json.loads(decoded(connection, data), parse_int=amount, parse_float=amount), connection)
    connection.adapters.register_loader("numeric", _Amount)


def encoded(connection: psycopg.Connection[Any], text: str) -> bytes:
    """Text as the connection sends it. Raises UnicodeEncodeError if its encoding lacks a character."""
    name = codec(connection)
    # No database in UTF8 has other bytes.
    return text.encode(name, "strict" if connection.info.encoding == "utf-8" else "surrogateescape")


def decoded(connection: psycopg.Connection[Any], data: Buffer | str) -> str:
    """Text as the connection sent it."""
    return data if isinstance(data, str) else bytes(data).decode(codec(connection), "surrogateescape")


def filled_in(connection: psycopg.Connection[Any], statement: str, params: Mapping[str, Any] | None) -> str:
    """A statement with its parameters written into it, as literals."""
    if params is None:
        return statement

    def literal(place: re.Match[bytes]) -> bytes:
        name = place[1]
        return b"%" if name is None else bytes(psycopg.sql.Literal(params[name.decode()]).as_bytes(connection))

    return decoded(connection, _PLACE.sub(literal, encoded(connection, statement)))


def codec(connection: psycopg.Connection[Any]) -> str:
    """What Python calls the encoding that the connection speaks now."""
    name = connection.info.encoding
    return "utf-8" if name == "ascii" else name  # SQL_ASCII: any bytes, most often these


class _Reading(Loader):
    def load(self, data: Buffer) -> str:
        assert self.connection is not None  # noqa: S101 - it is registered on one
        return decoded(self.connection, data)  # type: ignore[arg-type]


class _Amount(Loader):
    def load(self, data: Buffer) -> Amount:
        return amount(bytes(data).decode())


class _Writing(Dumper):
    def dump(self, obj: str) -> Buffer:
        assert self.connection is not None  # noqa: S101
        if "\0" in obj:
            raise psycopg.DataError("PostgreSQL text cannot contain a zero byte")
        return encoded(self.connection, obj)  # type: ignore[arg-type]
