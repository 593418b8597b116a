"""Where the process begins: ``usagefix`` and ``python -m usagefix``. Before it imports anything slow, it installs
signal handlers and makes sure that there are streams to write to."""

from __future__ import annotations

import os
import signal
import sys
from io import TextIOWrapper
from types import FrameType
from typing import NoReturn


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _swallowed(what: sys.UnraisableHookArgs) -> None:
    """Where a callback of Python's own swallows the interrupt, it comes again."""
    if what.exc_type is not KeyboardInterrupt or not hasattr(signal, "setitimer"):
        sys.__unraisablehook__(what)
        return
    signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.001)


def obey() -> list[signal.Signals]:
    """Let signals interrupt what runs. Returns those that do; one that is ignored stays so."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    obeyed = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    for number in obeyed:
        signal.signal(number, _interrupt)
    sys.unraisablehook = _swallowed
    return obeyed


def main() -> NoReturn:
    """The console script."""
    obeyed = obey()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal's encoding lacks
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - open until the process ends
    try:
        from usagefix.cli import main as run  # noqa: PLC0415
    except KeyboardInterrupt:
        for number in obeyed:
            signal.signal(number, signal.SIG_IGN)
        from usagefix.cli import interrupted_at_once  # noqa: PLC0415

        interrupted_at_once()
    run()


if __name__ == "__main__":
    main()
