"""usagefix at a terminal, with somebody who answers; and a server that seems to be elsewhere."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import socket
import socketserver
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from support import LONG, App, Result, environment

ASKS = b"[y/N] "


def typed(
    *arguments: str, answer: bytes = b"", meanwhile: Callable[[], object] = lambda: None, **variables: str
) -> Result:
    """A command whose stdin and stderr are a terminal; ``answer`` is typed when it asks, a line a question, after what
    happens ``meanwhile``."""
    leader, follower = pty.openpty()
    given = environment(**({"CI": "", "TERM": "xterm"} | variables))
    running = subprocess.Popen(
        [sys.executable, "-m", "usagefix", *arguments], env=given, cwd="/", stdin=follower, stdout=subprocess.PIPE,
        stderr=follower, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    )  # fmt: skip
    os.close(follower)
    shown, answers = b"", answer.splitlines(keepends=True)
    try:
        with suppress(OSError):  # how Linux tells that the other end is closed
            while chunk := os.read(leader, 1 << 16):
                shown += chunk
                if shown.endswith(ASKS):
                    assert answers, shown.decode()
                    meanwhile()
                    os.write(leader, answers.pop(0))
        printed, _ = running.communicate(timeout=LONG)
    finally:
        running.kill()
        running.communicate()
        os.close(leader)
    assert not answers, f"it never asked: {shown.decode()}"
    return Result(running.returncode, printed.decode(), shown.decode().replace("\r\n", "\n"))


@contextmanager
def elsewhere(app: App) -> Iterator[str]:
    """The address of the application's database on a host of another name, for the length of the block."""
    path = f"{app.host}/.s.PGSQL.{app.port}"

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as server:
                server.connect(path)
                other = {self.request: server, server: self.request}
                while True:
                    for source in select.select(list(other), [], [])[0]:
                        if not (data := source.recv(1 << 16)):
                            return
                        other[source].sendall(data)

    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as relay:
        threading.Thread(target=relay.serve_forever, args=(0.01,)).start()
        port = relay.server_address[1]
        try:
            yield f"postgresql://postgres@db.example.com:{port}/{app.name}?hostaddr=127.0.0.1&sslmode=disable"
        finally:
            relay.shutdown()
