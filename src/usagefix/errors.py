"""Everything that can go wrong, as one tree; the class decides the exit code.

::

    UsagefixError                      1
     ├─ RowNotFound                 1  no such preset
     ├─ Refused                        1  a person has something to do first
     │   ├─ Doubted                    1  the events do not look like the whole truth: which side is true?
     │   └─ RollbackRefused            1  the old state cannot come back, or was not wanted
     ├─ ConfigurationError             2  usage, or not a database that usagefix can work on
     │   └─ WrongDatabase              2  a table or column that usagefix needs is missing
     ├─ CannotConnect                  3  no connection, or the connection was lost
     ├─ Busy                           4  locks not granted in time, or another run is going
     ├─ DatabaseRefused                5  the server refused a statement
     │   ├─ NotPermitted               5  the role lacks a privilege
     │   └─ ReadOnlyServer             5  a standby, or a read-only session
     ├─ InternalError               70  a defect of usagefix itself
     └─ Interrupted                 130  Ctrl-C, SIGTERM or SIGHUP

Every class promises that its text is free of passwords and connection strings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# Anything that looks like a URL may hold a password; the sample in our own hints may not.
_URL = re.compile(r"[\w+.-]*:/{1,2}(?!/)\S*[@:]\S*")
_SAMPLES = ("postgresql://user@host:5432/database", "postgresql://user:password@host:5432/database")


def without_urls(text: str) -> str:
    """The text with every URL in it taken out, but for the samples in our own hints."""
    return _URL.sub(lambda match: match[0] if match[0].rstrip(",.") in _SAMPLES else "(a URL)", text)


class UsagefixError(Exception):
    """A finding or failure that ends the command.

    ``message`` says what happened, ``hint`` what to do next. ``sqlstate`` is the server's five-character code where
    the server spoke, else None. ``details`` are lines with more of what happened, ``keys`` the same for programs.
    ``in_lines``: message and hint have lines that usagefix broke itself; any other line's end is of a name.
    """

    exit_code = 1
    in_lines = False
    details: tuple[str, ...] = ()
    keys: Mapping[str, object] = {}

    def __init__(self, message: str, *, hint: str, sqlstate: str | None = None) -> None:
        super().__init__(without_urls(message))
        self.message = without_urls(message)
        self.hint = without_urls(hint)
        self.sqlstate = sqlstate


class RowNotFound(UsagefixError):
    """No preset has the id or name asked for."""


class Refused(UsagefixError):
    """The result would be wrong: a person has something to do first. Nothing was changed."""


class Doubted(Refused):
    """The events do not look like the whole truth; a person has to say which side is right."""

    def __init__(self, message: str, *, hint: str, details: tuple[str, ...], keys: Mapping[str, object]) -> None:
        super().__init__(message, hint=hint)
        self.details = details
        self.keys = keys


class RollbackRefused(Refused):
    """The state before ``apply`` cannot come back as asked, or the person at the prompt said no."""


class ConfigurationError(UsagefixError):
    """The command line, the environment or the named database is not usable."""

    exit_code = 2


class WrongDatabase(ConfigurationError):
    """The database lacks a table or column that usagefix works on."""


class CannotConnect(UsagefixError):
    """There is no connection, or an open one was lost."""

    exit_code = 3


class Busy(UsagefixError):
    """No attempt got a lock in time, or another run of usagefix is active. Try again."""

    exit_code = 4


class DatabaseRefused(UsagefixError):
    """The server refused a statement; its transaction is rolled back."""

    exit_code = 5


class NotPermitted(DatabaseRefused):
    """The role lacks a privilege that the command needs."""


TO_THE_PRIMARY = (
    "connect to the primary server; where the URL names several hosts, target_session_attrs=read-write finds it"
)


class ReadOnlyServer(DatabaseRefused):
    """The server accepts no writes: a standby, or ``default_transaction_read_only``."""


class InternalError(UsagefixError):
    """A defect of usagefix. The exit code is that of ``sysexits.h`` for such."""

    exit_code = 70


class Interrupted(UsagefixError):
    """The user pressed Ctrl-C, or somebody ended the process."""

    exit_code = 130
