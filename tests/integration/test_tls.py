"""TLS to a real server with a real certificate, which lets nobody in without."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import components
import psycopg
import pytest
import trustme
from conftest import TestServer
from support import Result, free_port, run

from usagefix import embedded

ROLE, PASSWORD = "sesame", "Zq@:/?#%&=+ '\"\\[]é"
# The least that makes a login: two lines, and nobody gets in over TCP without TLS and, ROLE alone, without a password.
HBA = "local all all trust\nhostssl all sesame all scram-sha-256\nhostssl all postgres all trust\n"


@dataclass(frozen=True)
class Secured:
    """The server's port, and two authorities: ``ca`` signed its certificate, which names ``localhost`` only."""

    port: int
    ca: Path
    other_ca: Path

    def url(self, *parameters: str, host: str = "localhost", who: str = "postgres") -> str:
        return f"postgresql://{who}@{host}:{self.port}/postgres?{'&'.join(parameters)}"

    def verify_full(self, ca: Path | str, **more: str) -> str:
        return self.url("sslmode=verify-full", f"sslrootcert={quote(str(ca), safe='')}", **more)


def configure(server: embedded.Server, issuer: trustme.CA) -> None:
    """Certificate and rules go in while it runs; PostgreSQL wants the key to be its own and closed to others."""
    certificate = issuer.issue_cert("localhost")
    data = server.folder / "data"
    owner = data.stat()
    for name, content in (
        ("server.key", certificate.private_key_pem.bytes()),
        ("server.crt", b"".join(pem.bytes() for pem in certificate.cert_chain_pems)),
        ("pg_hba.conf", HBA.encode()),
    ):
        (data / name).write_bytes(content)
        (data / name).chmod(0o600)
        os.chown(data / name, owner.st_uid, owner.st_gid)
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD {psycopg.sql.Literal(PASSWORD).as_string()}".encode())
        connection.execute("ALTER SYSTEM SET ssl = on")
        connection.execute("SELECT pg_reload_conf()")


def built_with_tls(server: TestServer) -> Path:
    """The suite's own server, else another one: the embedded PostgreSQL comes without TLS."""
    for folder in (server.binaries, *components.SERVERS.values()):
        if b"SSL_CTX_new" in (folder / "postgres").read_bytes():
            return folder
    reason = "no server here was built with TLS: see .ci/components"
    if components.REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def secured(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("authorities")
    issuer, other = trustme.CA(), trustme.CA()
    issuer.cert_pem.write_to_path(folder / "ca.pem")
    other.cert_pem.write_to_path(folder / "other.pem")
    port = free_port()
    settings = {"listen_addresses": "127.0.0.1", "port": str(port)}
    with embedded.running(built_with_tls(server), prefix="usagefix-test-", settings=settings) as running:
        configure(running, issuer)
        yield Secured(port, folder / "ca.pem", folder / "other.pem")


def connected(result: Result, secured: Secured, who: str = "postgres", host: str = "localhost") -> bool:
    return f"target: {who}@{host}:{secured.port}/postgres, PostgreSQL " in result.stderr


def verify(url: str, home: Path, **variables: str) -> Result:
    return run("--wait", "60", "verify", cwd=None, stdin=None, DATABASE_URL=url, HOME=str(home), **variables)


def test_verify_full(secured: Secured, tmp_path: Path) -> None:
    assert connected(verify(secured.verify_full(secured.ca), tmp_path), secured)
    by_variables = run(
        "verify", PGHOST="localhost", PGPORT=str(secured.port), PGUSER="postgres", PGSSLMODE="verify-full",
        PGSSLROOTCERT=str(secured.ca),
    )  # fmt: skip
    assert connected(by_variables, secured)
    led = verify(f"{secured.verify_full(secured.ca)}&hostaddr=127.0.0.1", tmp_path)
    assert connected(led, secured, host="localhost (127.0.0.1)"), led.stderr


@pytest.mark.parametrize("asked", ["sslmode=prefer", "sslmode=require", "ssl=true", "ssl=require", "sslmode=no-verify"])
def test_encrypted_and_not_verified(secured: Secured, asked: str, tmp_path: Path) -> None:
    assert connected(verify(secured.url(asked), tmp_path), secured)


def test_a_certificate_of_another_authority(secured: Secured, tmp_path: Path) -> None:
    result = verify(secured.verify_full(secured.other_ca), tmp_path)
    assert (result.code, "certificate verify failed" in result.stderr) == (3, True), result.stderr
    assert "hint: this machine does not trust the CA of the server's certificate: sslrootcert=FILE" in result.stderr
    assert "waiting" not in result.stderr, "it does not pass"


def test_a_host_that_the_certificate_does_not_name(secured: Secured, tmp_path: Path) -> None:
    result = verify(secured.verify_full(secured.ca, host="127.0.0.1"), tmp_path)
    assert (result.code, 'does not match host name "127.0.0.1"' in result.stderr) == (3, True), result.stderr
    assert "hint: use a host name that the certificate has" in result.stderr
    authority_only = secured.verify_full(secured.ca, host="127.0.0.1").replace("verify-full", "verify-ca")
    assert connected(verify(authority_only, tmp_path), secured, host="127.0.0.1")


def test_without_tls(secured: Secured, tmp_path: Path) -> None:
    result = verify(secured.url("sslmode=disable"), tmp_path)
    assert (result.code, "no encryption" in result.stderr) == (3, True), result.stderr
    assert "hint: the server wants TLS: add sslmode=require" in result.stderr


def test_a_user_that_no_rule_lets_in(secured: Secured, tmp_path: Path) -> None:
    """libpq tries without TLS then, and the answer to that is not the cause."""
    result = verify(secured.url(who="nobody"), tmp_path)
    assert (result.code, "SSL encryption" in result.stderr) == (3, True), result.stderr
    assert (
        "hint: the server's pg_hba.conf does not allow this user to connect from here to this database" in result.stderr
    )


def test_the_password(secured: Secured, tmp_path: Path) -> None:
    for secret in (PASSWORD, quote(PASSWORD, safe="")):
        right = verify(secured.verify_full(secured.ca, who=f"{ROLE}:{secret}"), tmp_path)
        assert connected(right, secured, ROLE), right.stderr
        wrong = verify(secured.url(who=f"{ROLE}:Zq{secret}"), tmp_path)
        assert (wrong.code, "password authentication failed" in wrong.stderr) == (3, True), wrong.stderr
        assert "hint: check the user and the password" in wrong.stderr
        assert secret not in right.stderr + wrong.stderr + right.stdout + wrong.stdout


def test_authorities_that_are_not_there(secured: Secured, tmp_path: Path) -> None:
    absent = verify(secured.verify_full("/absent/ca.pem"), tmp_path)
    assert (absent.code, 'root certificate file "/absent/ca.pem" does not exist' in absent.stderr) == (3, True)
    assert "hint: sslrootcert=FILE names the CA's certificate, sslrootcert=system takes" in absent.stderr
    none = verify(secured.url("sslmode=verify-full"), tmp_path)
    assert (none.code, "hint: sslrootcert=FILE names the CA's certificate" in none.stderr) == (3, True), none.stderr


def test_strict_of_prisma_verifies(secured: Secured, tmp_path: Path) -> None:
    strict = f"sslaccept=strict&sslrootcert={quote(str(secured.ca), safe='')}"
    result = verify(secured.url("sslmode=require", strict), tmp_path)
    assert connected(result, secured), result.stderr
    assert result.stderr.startswith("sslaccept=strict in DATABASE_URL is read as sslmode=verify-full\n")
    elsewhere = verify(secured.url(strict, host="127.0.0.1"), tmp_path)
    assert (elsewhere.code, "does not match host name" in elsewhere.stderr) == (3, True), elsewhere.stderr


def test_the_authorities_of_the_machine(secured: Secured, tmp_path: Path) -> None:
    unknown = verify(secured.verify_full("system"), tmp_path)
    assert (unknown.code, "hint: this machine does not trust the CA" in unknown.stderr) == (3, True), unknown.stderr
    assert connected(verify(secured.verify_full("system"), tmp_path, SSL_CERT_FILE=str(secured.ca)), secured)
    weak = verify(secured.verify_full("system").replace("verify-full", "require"), tmp_path)
    assert (weak.code, "hint: " in weak.stderr) == (2, True), weak.stderr
