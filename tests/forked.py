"""``python -m usagefix`` without the wait for Python: a process that has everything imported forks one for each run.

To start Python and to import takes longer than what most tests then ask of the database. What begins in the fork is the
same program (the package's ``__main__``) with pipes, an environment and a folder of its own, and it ends as a process
ends. What the interpreter looks up as it starts cannot be set for one run: see :meth:`Forks.suits`.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

# Looked up by usagefix and libpq while they run, or by nobody. All else (PYTHON…, LC_…, TMPDIR) may be known already.
AT_RUN_TIME = ("DATABASE_URL", "SUPABASE_DB_URL", "USAGEFIX_", "GITHUB_", "COLUMNS", "PG", "PYTEST_")
REAL = "demo"  # it starts servers, and its tests are about how it begins and ends

# Imports all there is to import, reads the signatures of the commands, and writes the bundled SQL for the usual counter
# and for another: what each run would do again.
BEGUN = r"""
import gc, importlib, itertools, json, os, pkgutil, runpy, socket, sys
from dataclasses import replace
import usagefix

for module in pkgutil.walk_packages(usagefix.__path__, "usagefix."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)

from usagefix import catalog, cli
from usagefix.counter import STANDARD

cli.parser()
counters = [replace(STANDARD, partitioned=p, baselines=b) for p, b in itertools.product((True, False), repeat=2)]
# Some other one: what is read of the files for it serves all that a test declares.
counters += [replace(of, parent="p", child="c", slug="p_c", daily=None, last=None, time=None) for of in counters]
for counter in counters:
    catalog.released_bodies(counter)
    catalog.statements(catalog.ledger(counter))
    for query in (catalog.root() / "queries").glob("*.sql"):
        catalog.query(query.stem, counter)
    for migration in catalog.migrations():
        migration.checksums(counter)
        for face in catalog.Face:
            migration.statements(face, counter)
gc.freeze()
"""
# The parent of the runs. It only imports, reads and forks, so that no run inherits anything from another one.
PARENT = (
    BEGUN
    + r"""
import atexit, threading
def next_run(line):
    while True:
        order, streams, _, _ = socket.recv_fds(line, 1 << 16, 3)
        while order and not order.endswith(b"\n"):
            order += line.recv(1 << 16)
        if not order:
            sys.exit()
        if (pid := os.fork()) == 0:
            line.close()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            return json.loads(order)
        for stream in streams:
            os.close(stream)
        line.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

order = next_run(socket.socket(fileno=int(sys.argv[1])))
os.environ.clear()
os.environ.update(order["environment"])
os.chdir(order["folder"])
if not sys.flags.safe_path:
    sys.path[0] = os.getcwd()
sys.argv[1:] = order["arguments"]
try:
    runpy.run_module("usagefix", run_name="__main__", alter_sys=True)
except SystemExit as ended:
    if not isinstance(ended.code, int):
        raise
    # What Python does as it ends, but for taking every module apart, which takes longer than most runs.
    threading._shutdown()
    atexit._run_exitfuncs()
    gc.collect()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended.code)
"""
)


@dataclass(frozen=True)
class Parent:
    """A process that forks one run at a time, and the line that takes orders to it."""

    process: subprocess.Popen[bytes]
    line: socket.socket

    def order(self, order: Mapping[str, object], streams: list[int]) -> None:
        text = json.dumps(order).encode() + b"\n"
        self.line.sendall(text[socket.send_fds(self.line, [text], streams) :])

    def exit_code(self) -> int:
        """Of the run that was ordered, once it has ended."""
        said = self.line.recv(16)
        if not said:
            assert self.process.stderr is not None
            raise RuntimeError(f"the parent of the runs has ended: {self.process.stderr.read().decode()}")
        return int(said)

    def close(self) -> None:
        self.line.close()
        self.process.communicate()

    def kill(self) -> None:
        """And its run, which is of the same session."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.close()


@dataclass
class Forks:
    """Runs in an environment that differs from the given one in what is looked up at run time only."""

    environment: Mapping[str, str]
    idle: list[Parent] = field(default_factory=list)

    def __post_init__(self) -> None:
        atexit.register(self.close)

    def suits(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> bool:
        """Whether a fork would do as a process of its own does."""
        differing = {name for name, _ in self.environment.items() ^ environment.items()}
        return REAL not in arguments and all(name.startswith(AT_RUN_TIME) for name in differing)

    def run(
        self, arguments: tuple[str, ...], environment: Mapping[str, str], folder: Path, seconds: float
    ) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a command that finds its stdin empty."""
        order = {"arguments": arguments, "environment": environment, "folder": str(folder)}
        with self._parent() as parent, ExitStack() as ends:
            pipes = [os.pipe() for _ in range(3)]
            (stdin, nothing), (stdout, out), (stderr, err) = pipes
            ours, theirs = [stdout, stderr], [stdin, out, err]
            for end in ours:
                ends.callback(os.close, end)
            os.close(nothing)
            try:
                parent.order(order, theirs)
            finally:
                for end in theirs:
                    os.close(end)
            said = _read(ours, seconds, arguments)
            parent.line.settimeout(seconds)
            return parent.exit_code(), said[stdout], said[stderr]

    def close(self) -> None:
        while self.idle:
            self.idle.pop().close()

    @contextmanager
    def _parent(self) -> Iterator[Parent]:
        """One that has nothing to do: tests that run several commands at once have as many parents."""
        parent = self.idle.pop() if self.idle else self._start()
        try:
            yield parent
        except BaseException:
            parent.kill()
            raise
        self.idle.append(parent)

    def _start(self) -> Parent:
        line, end = socket.socketpair()
        with end:
            process = subprocess.Popen(
                [sys.executable, "-c", PARENT, str(end.fileno())], cwd="/", env=self.environment, pass_fds=[end.fileno()],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        return Parent(process, line)


def _read(ends: list[int], seconds: float, arguments: tuple[str, ...]) -> dict[int, str]:
    """All that is written to the other ends of pipes, until they are closed."""
    said, deadline = dict.fromkeys(ends, b""), time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for end in ends:
            selector.register(end, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(deadline - time.monotonic())
            if not ready and time.monotonic() >= deadline:
                late = subprocess.TimeoutExpired(["usagefix", *arguments], seconds)
                late.add_note(f"it printed: {b''.join(said.values()).decode(errors='replace')}")
                raise late
            for key, _ in ready:
                chunk = os.read(key.fd, 1 << 16)
                said[key.fd] += chunk
                if not chunk:
                    selector.unregister(key.fd)
    return {end: text.decode().replace("\r\n", "\n").replace("\r", "\n") for end, text in said.items()}
