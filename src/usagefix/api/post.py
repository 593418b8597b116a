"""One POST, with the proxies and certificates of the standard library. The only module that speaks HTTP."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException, HTTPResponse
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPErrorProcessor, HTTPSHandler, OpenerDirector, Request, build_opener

from usagefix import __version__
from usagefix.errors import CannotConnect

LONGEST = 1 << 20  # bytes of an answer that are read


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer. ``status`` is None if there was none, within the time (``timed_out``) or at all. ``location``: the
    target of a redirect, else empty; ``seconds``: the time until the whole answer was there."""

    status: int | None
    body: bytes
    location: str
    seconds: float
    timed_out: bool = False


class _AsTheyAre(HTTPErrorProcessor):
    """Passes every answer on. It does not follow redirects, so the token goes nowhere else, and raises no error for
    a failure."""

    def http_response(self, request: Request, response: HTTPResponse) -> HTTPResponse:  # noqa: ARG002 - urllib's own
        return response

    https_response = http_response


@cache
def _opener() -> OpenerDirector:
    # One context for all, because reading the certificates takes longer than a post.
    return build_opener(_AsTheyAre(), HTTPSHandler(context=ssl.create_default_context()))


def prepare() -> None:
    """Do the slow preparations, so that posts in threads begin at the same time."""
    _opener()


def post(url: str, token: str, body: bytes, timeout: float) -> Answer:
    """POST a JSON body to an http or https URL; ``timeout`` in seconds, for each wait of the connection.

    Raises CannotConnect if nothing was sent: no such host, refused, no TLS that can be trusted.
    """
    request = Request(url, data=body, method="POST")  # noqa: S310 - the scheme is checked where the URL comes from
    request.add_header("Content-Type", "application/json")
    request.add_header("Accept", "application/json")
    request.add_header("User-Agent", f"usagefix/{__version__}")
    request.add_unredirected_header("Authorization", f"Bearer {token}")
    started = time.monotonic()
    try:
        with _opener().open(request, timeout=timeout) as response:
            status, location = response.status, response.headers.get("Location", "")
            return Answer(status, response.read(LONGEST), location, time.monotonic() - started)
    except URLError as error:
        # Raised only before the request is sent: if the connection breaks later, the whole request may have arrived.
        if not isinstance(error.reason, BrokenPipeError | ConnectionResetError):
            raise _not_connected(url, error.reason) from None
    except UnicodeError as error:  # a host that no name server can look up
        raise _not_connected(url, error) from None
    except TimeoutError:
        return Answer(None, b"", "", time.monotonic() - started, timed_out=True)
    except (OSError, HTTPException):
        pass
    return Answer(None, b"", "", time.monotonic() - started)


def _not_connected(url: str, reason: object) -> CannotConnect:
    said, hint = _reason(reason)
    return CannotConnect(f"cannot connect to the API at {urlsplit(url).netloc}: {said}", hint=hint)


def _reason(reason: object) -> tuple[str, str]:  # noqa: PLR0911 - a match
    """Why there is no connection, in our own words, and what to do."""
    match reason:
        case ssl.SSLCertVerificationError():
            return (
                f"its certificate is not trusted: {reason.verify_message}",
                "SSL_CERT_FILE names a file of certificates to trust; the host in --url must be the certificate's",
            )
        case ssl.SSLError():
            said = (reason.reason or "no TLS").replace("_", " ").lower()
            return f"TLS failed: {said}", "check whether the API uses https or http there"
        case socket.gaierror() | UnicodeError():
            return "no such host", "check the host name in --url"
        case ConnectionRefusedError():
            return "connection refused", "check that the application runs, and the host and port of --url"
        case TimeoutError():
            return "no connection in time", "check host, port and firewall; --timeout SECONDS waits longer"
        case OSError() if "Tunnel connection failed" in str(reason):
            return "the proxy refused the connection", "check the proxy (https_proxy), or name the host in no_proxy"
        case OSError(strerror=str(said)):
            return said.lower(), "check host, port, network and proxies (http_proxy, https_proxy, no_proxy)"
        case _:
            return "no connection", "check host, port, network and proxies (http_proxy, https_proxy, no_proxy)"
