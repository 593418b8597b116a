"""The URL of the API and the token, checked before usagefix sends anything."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, urlsplit

from usagefix.errors import ConfigurationError

_PRINTABLE = re.compile(r"[!-~]+")
_FORM = "the form is https://app.example.com, with a port or a path before /api where there is one"


@dataclass(frozen=True, slots=True)
class Api:
    """The application's API below ``base`` (no slash at its end), with a user's ``token``, which shows in no repr."""

    base: str
    token: str = field(repr=False)

    @classmethod
    def at(cls, url: str, token: str) -> Api:
        """The API at a URL. Raises ConfigurationError if the URL or the token is not usable; the message quotes
        neither."""
        return cls(_base(url), _token(token))

    def usage_url(self, preset_id: str) -> str:
        """The URL to which the uses of a preset are posted."""
        return f"{self.base}/api/presets/{quote(preset_id, safe='')}/usage"

    @property
    def host(self) -> str:
        """Host and port, as one says them."""
        return urlsplit(self.base).netloc

    @property
    def plain(self) -> bool:
        """Whether the request leaves this machine unencrypted."""
        parts = urlsplit(self.base)
        return parts.scheme == "http" and not _is_local(parts.hostname or "")


def _base(url: str) -> str:
    if not _PRINTABLE.fullmatch(url):
        wrong = "is empty" if not url else "holds a space, a control character or a character that is not ASCII"
        raise _malformed(wrong, f"{_FORM}; percent-encode what is not ASCII")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _malformed("has a host or a port that usagefix cannot read") from None
    if wrong := _wrong(parts, port):
        raise _malformed(wrong)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _wrong(parts: SplitResult, port: int | None) -> str:
    """What is wrong with a URL; empty if nothing is."""
    if parts.scheme not in ("http", "https"):
        return "does not begin with https:// or http://"
    if "@" in parts.netloc + parts.path:  # a password with a slash in it ends the host
        return "holds a user or a password"
    if not re.fullmatch(r"[\w.-]+|\[[\w.:%]+\]", re.sub(r":\d*$", "", parts.netloc)) or port == 0:
        return "has a host or a port that usagefix cannot read"
    if parts.query or parts.fragment:
        return "has a query or a fragment"
    return ""


def _malformed(wrong: str, hint: str = _FORM) -> ConfigurationError:
    return ConfigurationError(f"the URL of the API {wrong}", hint=hint)


def _token(token: str) -> str:
    if not token:
        raise ConfigurationError("the token is empty", hint="set USAGEFIX_TOKEN to the access token of a user")
    if not _PRINTABLE.fullmatch(token):
        raise ConfigurationError(
            "the token holds a space, a control character or a character that is not ASCII",
            hint="give the access token alone, without the word Bearer and without a line end",
        )
    return token


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
