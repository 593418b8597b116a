"""``--output FILE``: the report goes to a file, whole or not at all, of each command that has ``--format``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from usagefix.cli.adding import adding
from usagefix.cli.options import option
from usagefix.cli.writing import require_writable
from usagefix.errors import ConfigurationError
from usagefix.render import words

_META = "usagefix.file"


def _writable(context: typer.Context, value: Path | None) -> Path | None:
    """End before anything is asked of the database where the file cannot be written. Then nothing is on stdout."""
    if value is None or context.resilient_parsing:
        return value
    try:
        if str(value) == "-":
            raise ConfigurationError("- is no file", hint="leave --output out: then the report goes to stdout")
        require_writable(value)
    except ConfigurationError as error:
        words.fail(error, words.outcome(()))
        raise typer.Exit(error.exit_code) from None
    return value


_OUTPUT = Annotated[
    Path | None,
    option(
        "--output",
        "Write the report to this file, whole or not at all, instead of stdout; also that of a failure.",
        "-o",
        metavar="FILE",
        show_default=False,
        callback=_writable,
    ),
]


def writes(function: Callable[..., None]) -> Callable[..., None]:
    """A command, with ``--output`` where it has a format; :func:`file` has what was given."""
    if "output" not in inspect.signature(function).parameters:
        return function

    def take(context: typer.Context, own: dict[str, Any]) -> None:
        context.meta[_META] = own["file"]

    return adding(function, {"file": _OUTPUT}, take)


def file(context: typer.Context) -> Path | None:
    """Where the report goes; None is stdout."""
    found = context.meta.get(_META)
    assert found is None or isinstance(found, Path)  # noqa: S101
    return found
