"""Ways to name a database, each on a real server: passwords with any character, service files, parameters of other
tools, IPv6, a server that is not there yet; and what is said where one leads nowhere."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from conftest import TestServer
from support import LONG, VERSION, App, Result, asked_for_password, ended, environment, free_port, run, wait_until

from usagefix import embedded

ROLE = "sesame"
PASSWORDS = (
    "Zq@:/?#%&=+ '\"\\[]é", "Zq@right.example/x?y", "Zq p@ss", "Zq/w#rd?x%", "100%Zq", "Zq'it''s\\'", "[Zq]", "${Zq}$Zq`", "Zq::1,2;--",
)  # fmt: skip
WITH_IPV6 = socket.has_ipv6 and Path("/proc/net/if_inet6").exists() and "00000000000000000000000000000001" in Path(
    "/proc/net/if_inet6"
).read_text()  # fmt: skip


@pytest.fixture
def asking(app: App) -> Iterator[App]:
    """The application on a server that asks ROLE for the first of the passwords."""
    with asked_for_password(app, ROLE, PASSWORDS[0]):
        yield app


def secretive(result: Result, secret: str) -> Result:
    assert secret not in result.stdout + result.stderr
    assert quote(secret, safe="") not in result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result


def got_in(result: Result) -> bool:
    return f"\ntarget: {ROLE}@/" in f"\n{result.stderr}"


def raw_url(app: App, password: str) -> str:
    return f"postgresql://{ROLE}:{password}@/{app.name}?host={quote(app.host, safe='')}"


def libpq_string(app: App, password: str) -> str:
    escaped = password.replace("\\", "\\\\").replace("'", "\\'")
    return f"host={app.host} dbname={app.name} user={ROLE} password='{escaped}'"


def by_raw_url(app: App, password: str, folder: Path) -> Result:
    return run("verify", "--format", "json", DATABASE_URL=raw_url(app, password))


def by_encoded_url(app: App, password: str, folder: Path) -> Result:
    return run("--database-url", app.url(ROLE, password), "verify")


def by_variable(app: App, password: str, folder: Path) -> Result:
    return run("verify", "--format", "json", PGHOST=app.host, PGDATABASE=app.name, PGUSER=ROLE, PGPASSWORD=password)


def by_passfile(app: App, password: str, folder: Path) -> Result:
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    passfile = folder / "passfile"
    passfile.write_text(f"*:*:*:somebody:else\n*:*:{app.name}:{ROLE}:{escaped}\n")
    passfile.chmod(0o600)
    return run("verify", DATABASE_URL=app.url(ROLE), PGPASSFILE=str(passfile))


def by_libpq_string(app: App, password: str, folder: Path) -> Result:
    return run("verify", DATABASE_URL=libpq_string(app, password))


def by_env_file(app: App, password: str, folder: Path) -> Result:
    escaped = raw_url(app, password).replace("\\", "\\\\").replace("'", "\\'")
    (folder / ".env").write_text(f"# the shop\nexport SUPABASE_DB_URL='{escaped}'\n")
    return run("verify", "--format", "json", cwd=folder)


def by_service(app: App, password: str, folder: Path) -> Result:
    return run("verify", PGSERVICEFILE=service_file(app, password, folder), PGSERVICE="shop")


def service_file(app: App, password: str, folder: Path) -> str:
    path = folder / "services.conf"
    path.write_text(f"[shop]\nhost={app.host}\ndbname={app.name}\nuser={ROLE}\npassword={password}\n")
    return str(path)


@pytest.mark.parametrize(
    "way", [by_raw_url, by_encoded_url, by_variable, by_passfile, by_libpq_string, by_env_file, by_service]
)
def test_a_password_may_hold_any_character(
    asking: App, tmp_path: Path, way: Callable[[App, str, Path], Result]
) -> None:
    for password in PASSWORDS:
        asking.sql(f"ALTER ROLE {ROLE} PASSWORD {psycopg.sql.Literal(password).as_string(asking.db)}")
        right = secretive(way(asking, password, tmp_path), password)
        assert (right.code, got_in(right)) == (5, True), f"{password}: {right.stderr}"
        wrong = secretive(way(asking, f"{password}x", tmp_path), password)
        assert (wrong.code, "password authentication failed" in wrong.stderr) == (3, True), wrong.stderr


def test_what_is_read_against_the_letter_is_said(asking: App) -> None:
    raw = secretive(run("verify", DATABASE_URL=raw_url(asking, PASSWORDS[0])), PASSWORDS[0])
    assert raw.stderr.startswith("DATABASE_URL: the user or the password has characters that should be percent-encoded")
    assert "percent-encoded" not in run("verify", DATABASE_URL=asking.url(ROLE, PASSWORDS[0])).stderr


def test_services(asking: App, tmp_path: Path) -> None:
    services = service_file(asking, PASSWORDS[0], tmp_path)
    for text in ("service=shop", "postgresql://?service=shop", f"postgresql:///{asking.name}?service=shop"):
        result = secretive(run("verify", DATABASE_URL=text, PGSERVICEFILE=services), PASSWORDS[0])
        assert got_in(result), result.stderr
    for variables in (
        {"DATABASE_URL": "service=absent", "PGSERVICEFILE": services},
        {"PGSERVICE": "absent", "PGSERVICEFILE": services},
        {"PGSERVICE": "shop", "PGSERVICEFILE": str(tmp_path / "absent.conf")},
    ):
        result = secretive(run("--wait", "60", "verify", cwd=None, stdin=None, **variables), PASSWORDS[0])
        assert result.code == 2, result.stderr
        assert "hint: check the service's name (service= or PGSERVICE) and its file (PGSERVICEFILE" in result.stderr
    Path(services).write_text("[shop]\nhost\n")
    broken = run("verify", PGSERVICE="shop", PGSERVICEFILE=services)
    assert (broken.code, "hint: check the service's name" in broken.stderr) == (2, True), broken.stderr


def test_parameters_of_other_tools(app: App) -> None:
    app.sql("CREATE SCHEMA shop")
    app.sql("ALTER TABLE presets SET SCHEMA shop")
    app.sql("ALTER TABLE preset_usage SET SCHEMA shop")
    url = app.url().replace("postgresql://", "postgresql+asyncpg://")
    url += "&schema=shop&pgbouncer=true&connection_limit=731&pool_timeout=732"
    result = run("verify", DATABASE_URL=url)
    assert result.code == 1, result.stderr
    ignored, target, *_ = result.stderr.splitlines()
    assert ignored == "ignored in DATABASE_URL: connection_limit, pool_timeout (of other tools)"
    assert target.endswith("through a pooler, schema shop (from DATABASE_URL)")
    body = run("verify", "--format", "json", DATABASE_URL=url).json
    assert body["target"]["pooler"] is True
    assert "73" not in str(body["target"])
    other = run("--schema", "public", "verify", DATABASE_URL=url)
    assert (other.code, "no table public.presets" in other.stderr) == (2, True)
    assert run("verify", DATABASE_URL=url, USAGEFIX_SCHEMA="public").code == 2
    assert run("--schema", "shop", "verify", DATABASE_URL=app.url() + "&schema=public").code == 1
    assert "direct connection" in run("--schema", "shop", "verify", DATABASE_URL=app.url()).stderr


def test_lines_of_env_that_cannot_be_read(app: App, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"A=1\nZqSecret: x y\nDATABASE_URL='{app.url()}'\n")
    result = secretive(run("status", cwd=tmp_path), "ZqSecret")
    assert (result.code, result.stderr.splitlines()[0]) == (0, "line 2 of .env cannot be read: write NAME='value'")
    (tmp_path / ".env").write_text(f"DATABASE_URL='{app.url()}\n")
    result = run("status", "--format", "json", cwd=tmp_path)
    assert result.code == 2
    assert result.json["error"]["message"].startswith("no database is named; line 1 of .env cannot be read")


@contextmanager
def spawned(*arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """``usagefix`` that goes on in the block, and ends with it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "usagefix", *arguments], env=environment(**variables), cwd="/",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    return process.stderr.readline().rstrip()


def test_wait_for_a_server_that_starts_later(server: TestServer) -> None:
    port = free_port()
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    with spawned("--wait", "180", "verify", DATABASE_URL=url) as process:
        assert line_of(process) == "waiting up to 3 min 0 s for the database: connection refused"
        settings = {"listen_addresses": "127.0.0.1", "port": str(port)}
        with embedded.running(server.binaries, prefix="usagefix-test-", settings=settings):
            result = ended(process)
    assert result.stderr.startswith(f"target: postgres@127.0.0.1:{port}/postgres, "), "it is said once"
    assert (result.code, "no table public.presets" in result.stderr) == (2, True)


@contextmanager
def held_in_recovery(server: embedded.Server) -> Iterator[Path]:
    """The server again, and it starts up for as long as the file that is yielded is not there."""
    go = server.folder / "go"
    server.process.send_signal(signal.SIGINT)
    server.process.wait(LONG)
    data = server.folder / "data"
    (data / "recovery.signal").touch()
    owner = data.stat()
    os.chown(data / "recovery.signal", owner.st_uid, owner.st_gid)
    process = subprocess.Popen(
        [
            server.binaries / "postgres", "-D", data, "-c", "listen_addresses=",
            "-c", f"unix_socket_directories={server.folder}",
            "-c", f"restore_command=while [ ! -e {go} ]; do sleep 0.05; done; false",
        ],
        cwd=server.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        user=owner.st_uid if os.geteuid() == 0 else None, start_new_session=True,
    )  # fmt: skip
    try:
        yield go
    finally:
        go.touch()
        process.send_signal(signal.SIGQUIT)
        process.wait(LONG)


def test_wait_for_a_server_that_is_starting_up(server: TestServer) -> None:
    with embedded.running(server.binaries, prefix="usagefix-test-") as own, held_in_recovery(own) as go:
        said = ""

        def starting_up() -> bool:
            nonlocal said
            said = run("verify", DATABASE_URL=own.url()).stderr
            return "starting up" in said

        wait_until(starting_up)
        assert "hint: try again, or pass --wait SECONDS" in said
        with spawned("--wait", "180", "verify", DATABASE_URL=own.url()) as process:
            assert line_of(process) == "waiting up to 3 min 0 s for the database: the database system is starting up"
            go.touch()
            result = ended(process)
    assert result.stderr.startswith("target: postgres@"), "it is said once"
    assert (result.code, "no table public.presets" in result.stderr) == (2, True)


@pytest.fixture(scope="module")
def plain(server: TestServer) -> Iterator[int]:
    """The port of a server on TCP that has no TLS and asks for nothing."""
    port = free_port("::1" if WITH_IPV6 else "127.0.0.1")
    settings = {"listen_addresses": "127.0.0.1,::1" if WITH_IPV6 else "127.0.0.1", "port": str(port)}
    with embedded.running(server.binaries, prefix="usagefix-test-", settings=settings):
        yield port


@pytest.mark.skipif(not WITH_IPV6, reason="this machine has no IPv6 loopback")
def test_ipv6(plain: int) -> None:
    url = f"postgresql://postgres@[::1]:{plain}/postgres"
    result = run("verify", DATABASE_URL=url)
    assert result.stderr.startswith(f"target: postgres@[::1]:{plain}/postgres, PostgreSQL "), result.stderr
    target = run("status", "--format", "json", DATABASE_URL=url).json["target"]
    assert (target["host"], target["port"]) == ("::1", plain)
    variables = {"PGHOST": "::1", "PGPORT": str(plain), "PGUSER": "postgres"}
    assert run("status", cwd=None, stdin=None, **variables).stderr.startswith(
        f"target: postgres@[::1]:{plain}/postgres, "
    )
    named = run("status", DATABASE_URL=f"host=localhost hostaddr=::1 port={plain} user=postgres")
    assert named.stderr.startswith(f"target: postgres@localhost (::1):{plain}/postgres, ")


def test_a_host_is_shown_by_its_name(plain: int, tmp_path: Path) -> None:
    """And by its address where that is given beside it, which may lead elsewhere."""
    services = tmp_path / "services.conf"
    services.write_text(f"[named]\nhost=db.example\nhostaddr=127.0.0.1\nport={plain}\n")
    url = f"postgresql://postgres@localhost:{plain}/postgres"
    led = f"postgres@localhost (127.0.0.1):{plain}/postgres, "
    for variables, target, named_by in (
        ({"DATABASE_URL": url}, f"postgres@localhost:{plain}/postgres, ", "DATABASE_URL"),
        (
            {"PGHOST": "localhost", "PGPORT": str(plain), "PGUSER": "postgres"},
            f"postgres@localhost:{plain}/postgres, ",
            "PGHOST, PGPORT, PGUSER",
        ),
        ({"DATABASE_URL": f"{url}?hostaddr=127.0.0.1"}, led, "DATABASE_URL"),
        ({"DATABASE_URL": url, "PGHOSTADDR": "127.0.0.1"}, led, "DATABASE_URL, PGHOSTADDR"),
        (
            {"DATABASE_URL": "user=postgres dbname=postgres service=named", "PGSERVICEFILE": str(services)},
            f"postgres@db.example (127.0.0.1):{plain}/postgres, ",
            f"DATABASE_URL, service named in {services}",
        ),
    ):
        result = run("status", cwd=None, stdin=None, **variables)
        assert result.stderr.startswith(f"target: {target}"), result.stderr
        assert result.stderr.splitlines()[0].endswith(f" connection (from {named_by})")


def test_the_target_says_where_it_is_from(app: App, tmp_path: Path) -> None:
    """And a terminal shows it whole, however narrow: no word is broken."""
    (tmp_path / ".env").write_text(f"DATABASE_URL={app.url()}")
    (tmp_path / "other.env").write_text(f"SUPABASE_DB_URL={app.url()}")
    for arguments, named_by in (
        (("status",), ".env"),
        (("status", "--env-file", "other.env"), "other.env"),
        (("status", "--database-url", app.url()), "--database-url"),
        (("--env-file", "other.env", "sql", VERSION, "--adapt"), "other.env"),
    ):
        assert run(*arguments, cwd=tmp_path).stderr.splitlines()[0].endswith(f"connection (from {named_by})")
    terminal, end = pty.openpty()
    narrow = environment(COLUMNS="40")
    subprocess.run(
        [sys.executable, "-m", "usagefix", "status"], cwd=tmp_path, env=narrow, stderr=end, stdout=subprocess.DEVNULL, check=False
    )  # fmt: skip
    os.close(end)
    said = os.read(terminal, 4096).decode().replace("\r", "")
    os.close(terminal)
    lines = said[: said.index("(from .env)")].splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= 40
    assert " ".join(line.strip() for line in lines).replace("/ ", "/").startswith(f"target: postgres@{app.host}")


def test_tls_that_the_server_does_not_have(plain: int) -> None:
    result = run("--wait", "60", "verify", DATABASE_URL=f"postgresql://postgres@127.0.0.1:{plain}/postgres?ssl=true")
    assert result.code == 3
    assert "server does not support SSL" in result.stderr
    assert "hint: the server has no TLS" in result.stderr


def test_libpqs_time_to_connect_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from usagefix.target import locate

    assert locate("", "PG* variables").parameters["connect_timeout"] == 10
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "3")
    assert "connect_timeout" not in locate("", "PG* variables").parameters


def test_one_sentence_says_that_nobody_is_there(tmp_path: Path) -> None:
    result = run("verify", DATABASE_URL=f"postgresql:///db?host={quote(str(tmp_path), safe='')}")
    assert result.code == 3
    assert result.stderr.splitlines()[0] == (
        f'error: cannot connect: connection to server on socket "{tmp_path}/.s.PGSQL.5432" failed: No such file or directory'
    )


def test_supabases_direct_host_where_its_address_is_out_of_reach() -> None:
    """An address that no connection can be made to. The name is not looked up."""
    url = (
        "postgresql://postgres:ZqSecret@db.abcdefghijklmnopqrst.supabase.co/postgres?hostaddr=ff0e::1&connect_timeout=3"
    )
    result = secretive(run("verify", DATABASE_URL=url), "ZqSecret")
    assert result.code == 3
    assert "hint: Supabase's direct host has an IPv6 address only" in result.stderr, result.stderr


def test_a_placeholder_is_seen_before_anything_is_connected() -> None:
    url = "postgresql://postgres.abc:[YOUR-PASSWORD]@no-such-host.invalid:6543/postgres"
    for result in (run("verify", DATABASE_URL=url), run("--database-url", url, "verify", "--format", "json")):
        assert (result.code, "still holds a placeholder" in result.stderr) == (2, True)
        assert "hint: replace it by the database's password" in result.stderr


def test_a_typo_in_a_parameter_is_no_parameter_of_another_tool(app: App) -> None:
    result = run("verify", DATABASE_URL=app.url() + "&sslmodee=verify-full")
    assert (result.code, "hint: is sslmode meant?" in result.stderr) == (2, True)
    assert "sslmodee" not in result.stderr
    assert "verify-full" not in result.stderr


@pytest.fixture
def older(app: App, tmp_path: Path) -> Iterator[str]:
    """A way to the server on which it says, as it greets, that it is of version 13."""
    name = ".s.PGSQL.5432"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as server:
        listener.bind(str(tmp_path / name))
        listener.listen()

        def greet() -> None:
            client, _ = listener.accept()
            with client:
                server.connect(f"{app.host}/{name}")
                server.sendall(client.recv(4096))
                client.sendall(re.sub(rb"(?<=server_version\0)\d\d(?=\.)", b"13", server.recv(65536)))
                client.recv(4096)

        thread = threading.Thread(target=greet)
        thread.start()
        yield app.url().replace(quote(app.host, safe=""), quote(str(tmp_path), safe=""))
        thread.join()


def test_a_server_that_is_too_old(older: str) -> None:
    """It would refuse the very question about its version, because its catalog lacks a column."""
    refused = run("verify", DATABASE_URL=older)
    assert refused.code == 2, refused.stderr
    assert "error: the server is PostgreSQL 13." in refused.stderr
    assert "usagefix needs 14 or later" in refused.stderr
