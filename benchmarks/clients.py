"""Clients: one that asks what its inserts cost the server, several that write without a pause, and pgbench."""

from __future__ import annotations

import math
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from psycopg import errors

from benchmarks.measure import BenchmarkFailed
from benchmarks.server import Connection, Database

SCHEDSTAT = Path("/proc/self/schedstat")


@dataclass(slots=True)
class Session:
    """A client that runs one statement, and asks the system how long its backend has run. ``parameters`` are those of
    the statement of this number."""

    connection: Connection
    statement: str
    parameters: Callable[[int], Sequence[object]]
    done: int = 0

    def microseconds(self, statements: int) -> float:
        """The processor time of the backend for one statement, over so many."""
        before, statement = self._nanoseconds(), self.statement.encode()
        for number in range(self.done, self.done + statements):
            self.connection.execute(statement, self.parameters(number), prepare=True)
        self.done += statements
        return (self._nanoseconds() - before) / statements / 1_000

    def _nanoseconds(self) -> int:
        return int(Path(f"/proc/{self.connection.info.backend_pid}/schedstat").read_text().split()[0])


def pgbench_rate(pgbench: Path, database: Database, script: str, window: float, *, clients: int = 4) -> float:
    """Transactions in a second, with prepared statements."""
    load = ["-c", str(clients), "-j", "2" if clients > 1 else "1", "-M", "prepared", "-T", str(math.ceil(window))]
    done = subprocess.run(
        [pgbench, "-n", "-f", "-", *load, database.url], input=script, capture_output=True, text=True, check=False
    )
    rate = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    if done.returncode or rate is None:
        raise BenchmarkFailed(f"pgbench failed: {done.stderr.strip()}")
    return float(rate[1])


@dataclass(slots=True)
class _Contender:
    """A client that inserts over and over until its time is up."""

    connection: Connection
    statement: str
    deadline: float
    done: int = 0
    deadlocks: int = 0
    unexpected: list[Exception] = field(default_factory=list)

    def run(self) -> None:
        statement = self.statement.encode()
        try:
            while time.monotonic() < self.deadline:
                try:
                    self.connection.execute(statement)
                    self.done += 1
                except errors.DeadlockDetected:
                    self.deadlocks += 1
        except Exception as error:
            self.unexpected.append(error)


def contend(database: Database, statement: str, length: float) -> tuple[int, int]:
    """Statements done and deadlocks met by eight clients."""
    connections = [database.connect() for _ in range(8)]
    deadline = time.monotonic() + length
    clients = [_Contender(connection, statement, deadline) for connection in connections]
    in_parallel([client.run for client in clients])
    for connection in connections:
        connection.close()
    for client in clients:
        for error in client.unexpected:
            raise BenchmarkFailed(f"a client failed: {error}") from error
    return sum(client.done for client in clients), sum(client.deadlocks for client in clients)


def in_parallel(functions: list[Callable[[], None]]) -> None:
    """Run each function in a thread of its own, and wait for all."""
    threads = [Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
