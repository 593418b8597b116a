"""Everything that can go wrong, as one tree; the class decides the exit code.

::

    UsagefixError                      1
     ├─ PresetNotFound                 1  no such preset
     ├─ RollbackRefused                1  the old state cannot come back, or was not wanted
     ├─ ConfigurationError             2  usage, or not a database that usagefix can work on
     │   └─ WrongDatabase              2  a table or column that usagefix needs is missing
     ├─ CannotConnect                  3  no connection, or the connection was lost
     ├─ Busy                           4  locks not granted in time, or another run is going
     ├─ DatabaseRefused                5  the server refused a statement
     │   ├─ NotPermitted               5  the role lacks a right
     │   └─ ReadOnlyServer             5  a standby, or a read-only session
     └─ Interrupted                  130  Ctrl-C or SIGTERM

Every class promises that its text is free of passwords and connection strings.
"""

from __future__ import annotations


class UsagefixError(Exception):
    """A finding or failure that ends the command.

    ``message`` says what happened, ``hint`` what to do next. ``sqlstate`` is the server's five-character code where
    the server spoke, else None.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.sqlstate = sqlstate


class PresetNotFound(UsagefixError):
    """No preset has the id or name asked for."""


class RollbackRefused(UsagefixError):
    """The state before ``apply`` cannot come back as asked, or the person at the prompt said no."""


class ConfigurationError(UsagefixError):
    """The command line, the environment or the database named by it is not usable."""

    exit_code = 2


class WrongDatabase(ConfigurationError):
    """The database lacks a table or column that usagefix works on."""


class CannotConnect(UsagefixError):
    """No connection could be made, or an open one was lost."""

    exit_code = 3


class Busy(UsagefixError):
    """A lock was not granted in time after all attempts, or another run of usagefix is going. Try again."""

    exit_code = 4


class DatabaseRefused(UsagefixError):
    """The server refused a statement; its transaction is rolled back."""

    exit_code = 5


class NotPermitted(DatabaseRefused):
    """The role lacks a right that the command needs."""


class ReadOnlyServer(DatabaseRefused):
    """The server accepts no writes: a standby, or ``default_transaction_read_only``."""


class Interrupted(UsagefixError):
    """The user pressed Ctrl-C, or the process was told to end."""

    exit_code = 130
