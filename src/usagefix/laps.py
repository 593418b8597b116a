"""How long steps take."""

from __future__ import annotations

import time


class Laps:
    """A stopwatch, which runs from when it is made."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> int:
        """Milliseconds since the last lap, or the start."""
        before, self._last = self._last, time.perf_counter()
        return round((self._last - before) * 1000)
