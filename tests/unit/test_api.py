"""The address and the token of the API, and what is shown of its answers."""

from __future__ import annotations

import pytest

from usagefix.api import Api, excerpt
from usagefix.errors import ConfigurationError

SECRET = "eyJhbGciOi.t0k3n/+=.s1gn"


@pytest.mark.parametrize(
    ("url", "posted"),
    [
        ("http://localhost:3000", "http://localhost:3000/api/presets/7/usage"),
        ("https://app.example.com/", "https://app.example.com/api/presets/7/usage"),
        ("HTTPS://app.example.com/en/v1//", "https://app.example.com/en/v1/api/presets/7/usage"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x/api/presets/7/usage"),
    ],
)
def test_where_uses_are_posted_to(url: str, posted: str) -> None:
    assert Api.at(url, SECRET).usage_url("7") == posted


def test_an_id_is_one_part_of_the_path() -> None:
    assert Api.at("http://h", "t").usage_url("a/b ?#%é\"'").endswith("/presets/a%2Fb%20%3F%23%25%C3%A9%22%27/usage")


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("http://localhost:1", False), ("http://app.localhost", False), ("http://127.1.2.3", False), ("http://[::1]", False),
        ("https://app.example.com", False), ("http://app.example.com", True), ("http://10.0.0.1", True),
        ("http://localhost.example.com", True),
    ],
)  # fmt: skip
def test_what_goes_unencrypted(url: str, plain: bool) -> None:
    assert Api.at(url, "t").plain is plain


@pytest.mark.parametrize(
    "url",
    [
        "", "localhost:3000", "ftp://h/x", f"https://u:{SECRET}@h", f"https://{SECRET}@h", f"https://h?key={SECRET}",
        f"https://h#{SECRET}", "https://", "https://:80", "https://h:x", "https://h:0", "https://h:99999", "https://[::1",
        "https://::1", "https://h h", "https://h\n", "https://münchen.example", "https://h\\x", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_used_is_not_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Api.at(url, "t")
    assert caught.value.hint
    assert SECRET not in caught.value.message + caught.value.hint
    assert "(a URL)" not in caught.value.message + caught.value.hint, "our own samples are shown"


@pytest.mark.parametrize("token", ["", "a b", "a\n", "\ta", "a\x7f", "ä", "a\r\nX-Evil: 1"])
def test_a_token_that_cannot_be_used(token: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Api.at("https://h", token)
    assert "Evil" not in caught.value.message


def test_a_token_is_in_no_repr() -> None:
    assert SECRET not in repr(Api.at("https://h", SECRET))


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (f"not {SECRET}!", "not ***!"),
        (f"{SECRET}{SECRET}", "***"),
        (f"{SECRET[:12]}… is no token", "***… is no token"),
        (f"ends in {SECRET[-9:]}", "ends in ***"),
        (SECRET.replace("/", "\\/"), "***\\***"),
        (f"{SECRET[:10]}\n{SECRET[10:]}", "*** ***"),
        ("a\x1b[31mb\x00\u202ec\n\t d", "a [31mb c d"),
        ("<b>\ufffd</b>", "<b>\ufffd</b>"),
        ("", ""),
    ],
)
def test_an_excerpt_is_harmless_and_holds_no_piece_of_the_token(body: str, shown: str) -> None:
    assert excerpt(body.encode(), SECRET) == shown


def test_an_excerpt_is_short() -> None:
    assert len(excerpt(b"x" * 100_000, SECRET)) == 160
    assert excerpt(b"\xff\xfe", SECRET) == "\ufffd\ufffd"
    assert excerpt(b"an ab or a", "ab") == "an *** or a"
