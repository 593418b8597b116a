"""The application's API as a process of its own, well or ill: ``python api_server.py MODE``, which prints its port.
A path that begins with ``/as/MODE`` overrides the mode.

DATABASE_URL: where it records. API_TOKEN: whom it lets in. TRACK: how it records a use. TARGET: where it redirects to.
CERTIFICATE: it speaks TLS, with this and its key.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from urllib.request import urlopen

import psycopg

TOKEN = "eyJhbGciOiJIUzI1NiJ9.t0k3n-of-a-Us3r/+=.s1gnature"
TRACK = "SELECT track_preset_usage(%(id)s::uuid, %(type)s, %(data)s::jsonb)"
PAGE = "<!doctype html>\n<html><title>Sign in</title>\x1b[31m</html>"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, mode: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.mode = mode
        self.seen: list[dict[str, Any]] = []
        self.one_by_one = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that no longer waits."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.answer(200, {"seen": self.server.seen})

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with self.server.one_by_one:
            self.server.seen.append({"path": self.path, "body": text, "headers": dict(self.headers)})
            self.place = len(self.server.seen)
        match = re.fullmatch(r"(?:/as/(?P<mode>[^/]+))?/api/presets/(?P<id>[^/]+)/usage", self.path)
        if match is None:
            self.answer(404, {"error": "no such route"})
        elif self.headers["Authorization"] != f"Bearer {os.environ['API_TOKEN']}":
            self.answer(401, {"error": f"not a token: {self.headers['Authorization']}"})
        else:
            body = json.loads(text)
            use = {"id": unquote(match["id"]), "type": body["usageType"], "data": json.dumps(body["usageData"])}
            self.use(use, match["mode"] or self.server.mode)

    def use(self, use: dict[str, str], mode: str) -> None:
        mode, _, value = mode.partition(":")
        if mode in BEFORE:
            BEFORE[mode](self, value)
            return
        if mode == "late":
            self.answer(202, {"success": True})
            self.wfile.flush()
            time.sleep(float(value))
        if mode == "every_third" and self.place % 3 == 0:
            self.answer(429, {})
            return
        if mode == "parallel":  # no answer before all are there
            while len(self.server.seen) < int(value):
                time.sleep(0.01)
        if mode == "others":  # they use it meanwhile
            time.sleep(0.3)
        if mode != "nothing":
            self.record(use, mode)
        if mode == "error_after":
            self.answer(500, {"error": "notification failed"})
        elif mode == "silent":
            self.close_connection = True
        elif mode != "late":
            self.answer(201, {"success": True, "id": use["id"]})
        if mode == "counts_later":
            time.sleep(float(value))
            self.increment(use)

    def increment(self, use: dict[str, str]) -> None:
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            connection.execute("SELECT increment_preset_usage(%(id)s::uuid)", use)

    def record(self, use: dict[str, str], mode: str) -> None:
        track = os.environ.get("TRACK", TRACK)
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            connection.execute("SELECT set_config('request.jwt.claim.sub', md5('user 1')::uuid::text, false)")
            for _ in range(2 if mode == "records_twice" else 1):
                connection.execute(track.encode(), use)
            if mode == "counts_twice":
                connection.execute("UPDATE presets SET usage_count = usage_count + 1 WHERE id::text = %(id)s", use)
            elif mode == "increments":
                connection.execute("SELECT increment_preset_usage(%(id)s::uuid)", use)

    def answer(self, status: int, body: object, **headers: str) -> None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def status(self, value: str) -> None:
        self.answer(int(value), {"error": "no", "you_sent": dict(self.headers), "\x1b[2J": "\u202e"})

    def page(self, _value: str) -> None:
        self.answer(200, PAGE.encode(), **{"Content-Type": "text/html"})

    def redirect(self, value: str) -> None:
        place = f"{os.environ['TARGET']}/api/presets/1/usage?token={os.environ['API_TOKEN']}"
        self.answer(int(value), {}, Location=place)

    def slow(self, value: str) -> None:
        time.sleep(float(value))

    def trickle(self, _value: str) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\n")
        for number in range(200):
            self.wfile.write(b"X-%d: 1\r\n" % number)
            time.sleep(0.2)

    def says_no(self, _value: str) -> None:
        self.answer(200, {"success": False, "message": "not today"})

    def empty(self, _value: str) -> None:
        self.answer(200, b"")

    def silent_before(self, _value: str) -> None:
        self.close_connection = True

    def not_http(self, _value: str) -> None:
        self.wfile.write(b"220 smtp\r\n")
        self.close_connection = True


BEFORE = {
    "status": Handler.status, "page": Handler.page, "redirect": Handler.redirect, "slow": Handler.slow,
    "trickle": Handler.trickle, "says_no": Handler.says_no, "empty": Handler.empty, "not_http": Handler.not_http,
    "silent_before": Handler.silent_before,
}  # fmt: skip


@dataclass(frozen=True)
class Running:
    """A server that runs: where it is, and what it has seen."""

    url: str
    token: str = field(default=TOKEN, repr=False)

    def seen(self) -> list[dict[str, Any]]:
        with urlopen(f"{self.url}/seen") as response:
            found: list[dict[str, Any]] = json.load(response)["seen"]
        return found


@contextmanager
def serving(mode: str, database_url: str, **variables: str) -> Iterator[Running]:
    """The server, for the length of the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__)), mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=kept | {"DATABASE_URL": database_url, "API_TOKEN": TOKEN} | variables,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield Running(f"http://127.0.0.1:{int(process.stdout.readline())}")
    finally:
        process.kill()
        process.communicate()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    running = Server(sys.argv[1])
    if certificate := os.environ.get("CERTIFICATE"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        running.socket = context.wrap_socket(running.socket, server_side=True)
    sys.stdout.write(f"{running.server_address[1]}\n")
    sys.stdout.flush()
    running.serve_forever()
