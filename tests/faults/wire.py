"""usagefix as a process whose every statement passes through here, and a fault after the statement of choice."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from forked import BEGUN
from support import App, Result, environment

# Forks a process for each order.
ZYGOTE = (
    BEGUN
    + r"""
from usagefix.__main__ import main
for line in sys.stdin.buffer:
    order = json.loads(line)
    if (pid := os.fork()) == 0:
        for number, name in enumerate(order["streams"]):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
        os.environ["DATABASE_URL"] = order["url"]
        sys.argv = ["usagefix", *order["arguments"]]
        try:
            main()
        except SystemExit as end:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code)
    os.write(1, b"%d\n" % pid)
    os.write(1, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
)
SOCKET = ".s.PGSQL.5432"


class Fault(StrEnum):
    """What happens once the server has done a statement."""

    KILLED = "killed before it gets the answer"
    CUT = "cut off after the answer"
    UNANSWERED = "cut off instead of the answer"


@dataclass(frozen=True)
class Statement:
    """What the server has done; ``kept`` unless it is part of an open transaction. The connection counts as one."""

    text: str
    kept: bool


@dataclass(frozen=True)
class Run:
    """A command that has ended, and the statements that it sent, up to the fault."""

    result: Result
    statements: list[Statement]


def messages(stream: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The whole messages of the protocol that a stream begins with: each one's type, and what it carries."""
    start = 0
    while (body := start + 5) <= len(stream):
        end = start + 1 + int.from_bytes(stream[start + 1 : body], "big")
        if end > len(stream):
            return
        yield stream[start : start + 1], stream[body:end]
        start = end


@dataclass
class Link:
    """A connection of usagefix, and ours to the server for it. An answer is held until it is whole."""

    client: socket.socket
    server: socket.socket
    asked: bytes = b""
    held: bytes = b""
    backend: int = 0

    def forward(self) -> bool:
        """Pass on what usagefix sends; False when it has hung up."""
        chunk = _received(self.client)
        self.asked += chunk
        with suppress(OSError):  # the server has hung up: what it said last is still to be read
            self.server.sendall(chunk)
        return bool(chunk)

    def hear(self) -> bool:
        """Hold what the server sends; False when it has hung up."""
        chunk = _received(self.server)
        self.held += chunk
        return bool(chunk)

    def done(self) -> Statement | None:
        """The statement that is done, if the server is ready for the next one (ReadyForQuery)."""
        answer = list(messages(self.held))
        if not answer or answer[-1][0] != b"Z":
            return None
        for kind, body in answer:
            if kind == b"K":
                self.backend = int.from_bytes(body[:4], "big")
        # Query begins with the text, Parse with a name; the packet that opens a connection has no type.
        texts = [body.split(b"\0")[kind == b"P"] for kind, body in messages(self.asked) if kind in (b"Q", b"P")]
        self.asked = b""
        return Statement(texts[0].decode() if texts else "the connection", kept=answer[-1][1] == b"I")

    def release(self) -> None:
        """Let usagefix have what is held."""
        with suppress(OSError):
            self.client.sendall(self.held)
        self.held = b""

    def close(self) -> None:
        self.client.close()
        self.server.close()


def _received(end: socket.socket) -> bytes:
    try:
        return end.recv(1 << 16)
    except ConnectionError:
        return b""


@dataclass
class Wire:
    """A socket that usagefix takes for the server's (a Unix one, so that it asks for neither SSL nor GSS)."""

    folder: Path
    listener: socket.socket
    orders: IO[bytes]
    reports: IO[bytes]

    def run(self, app: App, *arguments: str, fault: Fault | None = None, at: int = 0) -> Run:
        """Run a command to its end; the fault strikes after the statement of that number, the connection being 0.

        Only the first connection counts: others look at who is in the way, where the machine is slow.
        """
        streams = [os.devnull, *(str(self.folder / name) for name in ("stdout", "stderr"))]
        url = replace(app, host=str(self.folder), opened=[]).url()
        self.orders.write(json.dumps({"arguments": arguments, "url": url, "streams": streams}).encode() + b"\n")
        pid = int(self.reports.readline())
        with ExitStack() as links:
            try:
                statements = self._relay(app, links, pid, fault, at)
            except BaseException:
                os.kill(pid, signal.SIGKILL)
                self.reports.readline()
                raise
        code = int(self.reports.readline())
        stdout, stderr = (Path(name).read_text(encoding="utf-8") for name in streams[1:])
        return Run(Result(code, stdout, stderr), statements)

    def _relay(self, app: App, links: ExitStack, pid: int, fault: Fault | None, at: int) -> list[Statement]:
        """Carry messages until the process has ended."""
        statements: list[Statement] = []
        first: Link | None = None
        ends: dict[socket.socket, Link] = {}
        while True:
            waited_for: list[Any] = [self.reports, self.listener, *ends]
            ready, _, _ = select.select(waited_for, [], [])
            if self.reports in ready:
                return statements
            if self.listener in ready:
                link = Link(self.listener.accept()[0], socket.socket(socket.AF_UNIX))
                links.callback(link.close)
                link.server.connect(f"{app.host}/{SOCKET}")
                ends |= {link.client: link, link.server: link}
                first = first or link
            for end in ready:
                if end not in ends:
                    continue
                link = ends[end]
                open_still = link.forward() if end is link.client else link.hear()
                if end is link.server and (statement := link.done()) is not None:
                    if link is first:
                        statements.append(statement)
                        if fault is not None and len(statements) == at + 1:
                            _strike(fault, app, link, pid)
                    link.release()
                if not open_still:
                    link.release()
                    link.close()
                    del ends[link.client], ends[link.server]


def _strike(fault: Fault, app: App, link: Link, pid: int) -> None:
    if fault is not Fault.CUT:
        link.held = b""
    if fault is Fault.KILLED:
        os.kill(pid, signal.SIGKILL)
    else:
        app.one("SELECT pg_terminate_backend(%s)", link.backend)
        while link.hear():
            pass  # its last words: usagefix gets those


@contextmanager
def opened() -> Iterator[Wire]:
    """A wire for any number of commands, one after the other."""
    with tempfile.TemporaryDirectory(prefix="usagefix-wire-") as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/{SOCKET}")
        listener.listen()
        zygote = subprocess.Popen(
            [sys.executable, "-c", ZYGOTE], cwd="/", env=environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        with zygote:
            assert zygote.stdin is not None
            assert zygote.stdout is not None
            yield Wire(Path(folder), listener, zygote.stdin, zygote.stdout)
