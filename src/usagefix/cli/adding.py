"""Options that many commands have, added to each rather than written down in each."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import typer


def adding(
    function: Callable[..., None],
    options: Mapping[str, Any],
    take: Callable[[typer.Context, dict[str, Any]], None],
) -> Callable[..., None]:
    """A command with more ``options``, by the names of parameters; ``take`` gets what was given for them."""

    @functools.wraps(function)
    def run(**given: Any) -> None:
        take(given["context"], {name: given.pop(name) for name in options})
        function(**given)

    known = inspect.signature(function, eval_str=True)
    only = inspect.Parameter.KEYWORD_ONLY
    more = [inspect.Parameter(name, only, default=None, annotation=option) for name, option in options.items()]
    parameters = [parameter.replace(kind=only) for parameter in known.parameters.values()]
    run.__signature__ = known.replace(parameters=[*parameters, *more])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*parameters, *more)}
    del run.__wrapped__
    return run
