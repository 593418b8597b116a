"""probe-api: posts to a real server, and tells what came of it, whatever the server does."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from api_server import TOKEN, TRACK, Running, serving
from components import needs, path
from support import APPLICATIONS, App, Result, ended, run, wait_until

from usagefix import picture
from usagefix.api import Api
from usagefix.database import connect
from usagefix.models.probe import Probed, ProbeReport
from usagefix.notices import notices, notified
from usagefix.probe import Patience, probe
from usagefix.target import locate

FORMATS = ("table", "json", "markdown", "github", "junit")
PRESET = "Golden hour"
COUNTER = (
    "SELECT usage_count, (SELECT count(*) FROM preset_usage WHERE preset_id = p.id) FROM presets p WHERE name = %s"
)
UNGUARDED = "20250930000001"


def probed(app: App, api: Running, *arguments: str, mode: str = "", **variables: str) -> Result:
    """Run it, and see that the token is printed nowhere, nor a piece of it."""
    url = f"{api.url}/as/{mode}" if mode else api.url
    result = app.usagefix(
        "probe-api", "--url", url, *arguments, **({"USAGEFIX_TOKEN": TOKEN, "USAGEFIX_PRESET": PRESET} | variables)
    )
    clean(result)
    return result


def clean(result: Result) -> None:
    said = result.stdout + result.stderr
    assert not [TOKEN[start : start + 9] for start in range(len(TOKEN) - 8) if TOKEN[start : start + 9] in said]
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "Traceback" not in said


@pytest.fixture
def api(fixed: App) -> Iterator[Running]:
    with serving("counts", fixed.url()) as running:
        yield running


@contextmanager
def used_meanwhile(app: App, name: str = PRESET, every: float = 0.02, data: str = "{}") -> Iterator[None]:
    """Somebody else uses the preset all the while, in another way (``showcase_creation``)."""
    preset, stop = str(app.one("SELECT id FROM presets WHERE name = %s", name)), threading.Event()

    def work() -> None:
        with app.connect() as connection:
            while not stop.wait(every):
                connection.execute(
                    "INSERT INTO preset_usage (preset_id, user_id, usage_type, usage_data)"
                    " VALUES (%s, md5('user 2')::uuid, 'showcase_creation', %s)",
                    (preset, data),
                )

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_use_that_counts(fixed: App, api: Running) -> None:
    fixed.sql(
        "INSERT INTO preset_usage (preset_id, user_id, usage_type, usage_data) SELECT id, md5('user 1')::uuid,"
        " 'playground_generation', '{\"test\": true}' FROM presets WHERE name = %s",
        PRESET,
    )  # of an earlier probe
    counter, events = fixed.sql(COUNTER, PRESET)[0]
    result = probed(fixed, api, "--format", "json")
    assert result.code == 0, result.stdout
    body = result.json
    assert (body["verdict"], body["expected"], body["counted"], body["recorded"], body["ours"]) == (
        "counted",
        1,
        1,
        1,
        1,
    )
    assert (body["preset"]["displayed_count"], body["preset"]["actual_records"]) == (counter + 1, events + 1)
    assert fixed.sql(COUNTER, PRESET) == [(counter + 1, events + 1)], "the use stays"
    (event,) = body["events"]
    assert fixed.sql("SELECT usage_type, usage_data FROM preset_usage WHERE id = %s", event) == [
        ("playground_generation", {"test": True})
    ]
    assert [(post["outcome"], post["status"], post["hint"]) for post in body["posts"]] == [("accepted", 201, "")]
    (seen,) = api.seen()
    assert seen["body"] == '{"usageType": "playground_generation", "usageData": {"test": true}}'
    assert seen["path"] == f"/api/presets/{body['preset']['id']}/usage"
    assert seen["headers"]["Authorization"] == f"Bearer {TOKEN}"
    assert seen["headers"]["Content-Type"] == "application/json"
    assert seen["headers"]["User-Agent"].startswith("usagefix/")


def test_by_id_a_slash_and_another_kind(fixed: App, api: Running) -> None:
    preset = fixed.preset(3)
    result = probed(
        fixed,
        api,
        "--preset",
        preset.upper(),
        "--usage-type",
        "sample_verification",
        "--token",
        TOKEN,
        "--format",
        "json",
        mode="counts//",
    )
    assert (result.code, result.json["usage_type"], result.json["ours"]) == (0, "sample_verification", 1)
    assert json.loads(api.seen()[0]["body"])["usageType"] == "sample_verification"


def test_twenty_at_once_all_count(fixed: App, api: Running) -> None:
    result = probed(fixed, api, "--count", "20", "--timeout", "100", "--format", "json", mode="parallel:20")
    body = result.json
    assert (result.code, body["counted"], body["recorded"], body["ours"], len(set(body["events"]))) == (
        0,
        20,
        20,
        20,
        20,
    )
    assert fixed.drift() == (0, 0)


def test_uses_of_others_are_no_false_alarm(fixed: App, api: Running) -> None:
    with used_meanwhile(fixed):
        result = probed(fixed, api, "--count", "5", "--format", "json", mode="others")
    body = result.json
    assert (result.code, body["ours"], len(body["events"])) == (0, 5, 5), body
    assert body["recorded"] == body["counted"] > 5
    with used_meanwhile(fixed):
        assert "of others meanwhile" in probed(fixed, api, mode="others").stdout


def test_another_kind_of_use_is_not_ours(fixed: App, api: Running) -> None:
    with used_meanwhile(fixed, data='{"test": true}'):
        body = probed(fixed, api, "--format", "json", mode="others").json
    assert (body["verdict"], body["ours"], len(body["events"])) == ("counted", 1, 1)
    assert body["recorded"] > 1


def test_others_do_not_hide_that_ours_is_missing(fixed: App, api: Running) -> None:
    with used_meanwhile(fixed, every=1.5):
        result = probed(fixed, api, "--count", "10", "--format", "json", mode="nothing")
    body = result.json
    assert (result.code, body["verdict"], body["ours"]) == (1, "not_recorded", 0)
    assert 0 < body["recorded"] < 10


def test_the_api_that_records_twice(fixed: App, api: Running) -> None:
    body = probed(fixed, api, "--format", "json", mode="records_twice").json
    assert (body["verdict"], body["counted"], body["ours"], len(body["events"]), body["why"]) == (
        "recorded_twice",
        2,
        2,
        2,
        [],
    )
    result = probed(fixed, api, mode="records_twice")
    assert (result.code, result.stdout.splitlines()[-2]) == (
        1,
        "recorded twice: 1 use posted, 2 events recorded, counter +2",
    )


def test_the_api_that_records_nothing(fixed: App, api: Running) -> None:
    result = probed(fixed, api, "--format", "json", mode="nothing")
    assert (result.code, result.json["verdict"], result.json["counted"], result.json["events"]) == (
        1,
        "not_recorded",
        0,
        [],
    )
    assert probed(fixed, api, mode="nothing").stdout.splitlines()[-2:] == [
        "not recorded: 1 use posted, 0 events recorded, the counter did not move",
        "next: in the folder of your application: usagefix doctor --source .",
    ]


def test_a_competing_increment_is_refused_by_the_guard(fixed: App, api: Running) -> None:
    for mode in ("counts_twice", "increments"):
        assert probed(fixed, api, mode=mode).code == 0


@pytest.mark.parametrize("mode", ["counts_twice", "increments"])
def test_a_competing_increment(fixed: App, api: Running, mode: str) -> None:
    assert fixed.usagefix("rollback", "--to", UNGUARDED, "--yes").code == 0
    result = probed(fixed, api, "--count", "3", "--format", "json", mode=mode)
    body = result.json
    assert (result.code, body["verdict"], body["counted"], body["recorded"], body["ours"]) == (
        1,
        "counted_twice",
        6,
        3,
        3,
    )
    assert "the guard is not applied" in body["guard"]
    assert [(why["finding_id"], why["object"]) for why in body["why"]] == [
        ("increment_not_called", "public.increment_preset_usage(uuid)")
    ]
    shown = " ".join(probed(fixed, api, mode=mode).stdout.split())
    assert "the application's own code must do it, perhaps by public.increment_preset_usage(uuid)" in shown
    assert "next: to find what else counts, in the folder of your application: usagefix doctor --source ." in shown


def test_a_trigger_that_counts_too_is_named(fixed: App, api: Running) -> None:
    fixed.usagefix("rollback", "--to", UNGUARDED, "--yes")
    fixed.sql(
        "CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM increment_preset_usage(NEW.preset_id); RETURN NULL; END$$"
    )
    fixed.sql("CREATE TRIGGER bump AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION bump()")
    body = probed(fixed, api, "--format", "json").json
    assert (body["verdict"], body["counted"], body["recorded"]) == ("counted_twice", 2, 1)
    twice = next(why for why in body["why"] if why["finding_id"] == "counted_twice")
    assert "bump on public.preset_usage" in twice["evidence"]
    assert "own code must do it" not in probed(fixed, api).stdout


def test_a_trigger_that_is_off(fixed: App, api: Running) -> None:
    fixed.sql("ALTER TABLE preset_usage DISABLE TRIGGER trigger_auto_increment_preset_usage_count")
    result = probed(fixed, api, "--format", "json")
    body = result.json
    assert (result.code, body["verdict"], body["counted"], body["recorded"]) == (1, "not_counted", 0, 1)
    assert [why["finding_id"] for why in body["why"]] == ["trigger_disabled"]
    assert probed(fixed, api).stdout.splitlines()[-1] == "next: usagefix verify, then usagefix apply"


def test_the_unfixed_sample(app: App) -> None:
    with serving("counts", app.url()) as api:
        first = probed(app, api, "--format", "json").json
        assert (first["verdict"], first["counted"], first["recorded"]) == ("not_counted", 0, 1)
        assert [why["cause"] for why in first["why"]] == [2]
        second = probed(app, api, "--format", "json").json
        assert (second["verdict"], second["recorded"]) == ("not_recorded", 0)
        assert [(why["finding_id"], why["object"]) for why in second["why"]] == [
            ("daily_limit", "public.idx_preset_usage_daily_unique")
        ]
        many = probed(app, api, "--count", "20", "--preset", "Neon city", "--format", "json").json
        assert (many["verdict"], many["counted"], many["recorded"], many["ours"]) == ("not_recorded", 0, 1, 1)
        assert [why["cause"] for why in many["why"]] == [3, 2]
        assert probed(app, api).stdout.splitlines()[-1] == "next: usagefix apply --dry-run"
        assert app.usagefix("apply").code == 0
        assert probed(app, api, "--count", "20", "--preset", "Neon city").code == 0


REFUSED = {
    "status:400": ("invalid", "--usage-type"),
    "status:401": ("unauthorized", "use a new one"),
    "status:403": ("forbidden", "may not use this preset"),
    "status:404": ("not_found", "check --url"),
    "status:422": ("invalid", "--usage-type"),
    "status:429": ("too_many", "a smaller --count"),
    "status:500": ("server_error", "log"),
    "status:503": ("server_error", "log"),
    "status:418": ("unexpected", "check --url"),
    "page": ("not_json", "a page, not the API"),
    "says_no": ("error_inside", "the API itself says so"),
    "redirect:302": ("redirected", "usagefix did not send the token there"),
    "slow:3": ("timed_out", "--timeout SECONDS"),
    "trickle": ("timed_out", "--timeout SECONDS"),
    "silent_before": ("no_answer", "read the log"),
    "not_http": ("no_answer", "read the log"),
}  # fmt: skip


@pytest.mark.parametrize("mode", REFUSED)
def test_refused(fixed: App, mode: str) -> None:
    before = fixed.sql(COUNTER, PRESET)
    outcome, hint = REFUSED[mode]
    with serving("counts", fixed.url(), TARGET="http://127.0.0.1:1") as api:
        timeout = "0.5" if outcome == "timed_out" else "60"
        result = probed(fixed, api, "--timeout", timeout, "--format", "json", mode=mode)
        shown = probed(fixed, api, "--timeout", timeout, mode=mode)
    body = result.json
    (post,) = body["posts"]
    assert (result.code, body["verdict"], post["outcome"], body["counted"]) == (1, "refused", outcome, 0)
    assert hint in post["hint"]
    assert post["status"] == (
        int(mode.partition(":")[2]) if mode.startswith(("status", "redirect")) else post["status"]
    )
    assert 0 < len(post["detail"]) <= 160
    assert "the counter did not move" in " ".join(shown.stdout.split())
    assert hint in " ".join(shown.stdout.split())
    assert fixed.sql(COUNTER, PRESET) == before


def test_another_token(fixed: App, api: Running) -> None:
    wrong = "wrong-token-9f3c2a"
    for output in FORMATS:
        result = fixed.usagefix("probe-api", "--url", api.url, "--preset", PRESET, "--token", wrong, "--format", output)
        assert result.code == 1
        assert wrong not in result.stdout + result.stderr
        assert "unauthorized" in result.stdout or "401" in result.stdout


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(fixed: App, status: int) -> None:
    with serving("counts", fixed.url()) as target, serving(f"redirect:{status}", fixed.url(), TARGET=target.url) as api:
        body = probed(fixed, api, "--format", "json").json
        assert target.seen() == [], "the token goes nowhere else"
        assert len(api.seen()) == 1
        assert body["posts"][0]["detail"] == f"to {target.url}/api/presets/1/usage"


@pytest.mark.parametrize("mode", ["error_after", "silent"])
def test_refused_and_counted_all_the_same(fixed: App, api: Running, mode: str) -> None:
    body = probed(fixed, api, "--format", "json", mode=mode).json
    assert (body["verdict"], body["counted"], body["recorded"], body["ours"]) == ("refused", 1, 1, 1)
    shown = " ".join(probed(fixed, api, mode=mode).stdout.split())
    assert "recorded a use all the same that it did not confirm, and the counter moved" in shown


def test_refused_and_recorded_but_not_counted(app: App) -> None:
    with serving("error_after", app.url()) as api:
        body = probed(app, api, "--format", "json").json
        assert (body["verdict"], body["counted"], body["recorded"], body["ours"]) == ("refused", 0, 1, 1)
        assert [why["finding_id"] for why in body["why"]] == ["use_not_counted"]
        shown = " ".join(probed(app, api, "--preset", "Neon city").stdout.split())
        assert "did not confirm, though the counter did not move for it" in shown


def test_refused_and_counted_but_not_recorded(app: App) -> None:
    with serving("error_after", app.url(), TRACK="SELECT increment_preset_usage(%(id)s::uuid)") as api:
        body = probed(app, api, "--format", "json").json
        assert (body["verdict"], body["counted"], body["recorded"]) == ("refused", 1, 0)
        shown = " ".join(probed(app, api).stdout.split())
        assert "the counter moved all the same, and no event was recorded for it" in shown


@needs("openssl")
def test_the_certificate_must_be_trusted(fixed: App, tmp_path: Path) -> None:
    certificate = tmp_path / "certificate.pem"
    made = subprocess.run(
        [path("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "-", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    certificate.write_text(made.stdout)
    with serving("counts", fixed.url(), CERTIFICATE=str(certificate)) as api:
        arguments = ("probe-api", "--preset", PRESET, "--token", TOKEN, "--url")
        trusted = {"SSL_CERT_FILE": str(certificate)}
        url = api.url.replace("http://127.0.0.1", "https://localhost")
        untrusted = fixed.usagefix(*arguments, url)
        assert (untrusted.code, "its certificate is not trusted" in untrusted.stderr) == (3, True)
        assert fixed.usagefix(*arguments, url, **trusted).code == 0
        another = fixed.usagefix(*arguments, api.url.replace("http", "https"), **trusted)
        assert (another.code, "the host in --url must be the certificate's" in another.stderr) == (3, True)


def test_proxies(fixed: App, api: Running) -> None:
    arguments = ("probe-api", "--preset", PRESET, "--token", TOKEN, "--url")
    through = fixed.usagefix(*arguments, "http://app.invalid", http_proxy=api.url)
    assert (through.code, api.seen()[0]["path"].partition("/api")[0]) == (1, "http://app.invalid")
    closed = fixed.usagefix(*arguments, "https://app.invalid", https_proxy=api.url)
    assert (closed.code, "the proxy refused the connection" in closed.stderr) == (3, True)
    assert fixed.usagefix(*arguments, api.url, http_proxy="http://127.0.0.1:1", no_proxy="127.0.0.1").code == 0


def test_an_answer_without_a_body_will_do(fixed: App, api: Running) -> None:
    body = probed(fixed, api, "--format", "json", mode="empty").json
    assert (body["posts"][0]["outcome"], body["verdict"]) == ("accepted", "not_recorded")


def test_the_api_that_commits_late(fixed: App, api: Running) -> None:
    body = probed(fixed, api, "--format", "json", mode="late:1.2").json
    assert (body["verdict"], body["posts"][0]["status"]) == ("counted", 202)


@contextmanager
def verb(app: App, api: Running, mode: str, patience: Patience, count: int = 1) -> Iterator[ProbeReport]:
    db = connect(locate(app.url(), "the test"))
    try:
        db.counter = picture.counter(db, "public")
        yield probe(db, Api.at(f"{api.url}/as/{mode}", TOKEN), PRESET, count=count, patience=patience)
    finally:
        db.close()


def test_patience_ends(fixed: App, api: Running) -> None:
    with verb(fixed, api, "late:2", Patience(interval=0.02, settled=0.05, longest=0.3)) as report:
        assert (report.verdict, report.counted, report.recorded) == (Probed.NOT_RECORDED, 0, 0)


def test_an_increment_that_comes_after_the_count_is_seen(fixed: App, api: Running) -> None:
    fixed.usagefix("rollback", "--to", UNGUARDED, "--yes")
    with verb(fixed, api, "counts_later:0.3", Patience(interval=0.02, settled=1.0)) as report:
        assert (report.verdict, report.counted, report.recorded) == (Probed.COUNTED_TWICE, 2, 1)


def test_some_refused_some_counted(fixed: App, api: Running) -> None:
    result = probed(fixed, api, "--count", "6", "--format", "json", mode="every_third")
    body = result.json
    assert (result.code, body["verdict"], body["counted"], body["ours"]) == (1, "refused", 4, 4)
    assert sorted(post["outcome"] for post in body["posts"]) == ["accepted"] * 4 + ["too_many"] * 2
    shown = " ".join(probed(fixed, api, "--count", "6", mode="every_third").stdout.split())
    assert "2 of 6 posts refused" in shown
    assert "all the same" not in shown, "what was recorded was confirmed"


@pytest.mark.parametrize("output", FORMATS)
def test_every_format(fixed: App, api: Running, output: str) -> None:
    good = probed(fixed, api, "--format", output)
    bad = probed(fixed, api, "--format", output, mode="status:500")
    assert (good.code, bad.code) == (0, 1)
    assert "1 event recorded" in good.stdout or '"recorded": 1' in good.stdout
    match output:
        case "json":
            assert (good.json["ok"], bad.json["ok"], bad.json["exit_code"], bad.json["error"]) == (True, False, 1, None)
        case "junit":
            suites = [ElementTree.fromstring(result.stdout) for result in (good, bad)]
            assert [suite.get("failures") for suite in suites] == ["0", "2"]
        case "github":
            assert "::error " not in good.stdout
            assert bad.stdout.count("::error ") == 2
        case "markdown":
            assert good.stdout.startswith("## usagefix probe-api: counted\n")
            assert bad.stdout.startswith("## usagefix probe-api: refused\n")
        case _:
            assert good.stdout.splitlines()[-1] == "counted: 1 use posted, 1 event recorded, counter +1"
            assert bad.stdout.splitlines()[-2].startswith("refused: 1 of 1 post refused, 0 events recorded")


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 160])
def test_tables_fit_their_terminal(app: App, width: int) -> None:
    with serving("counts", app.url()) as api:
        for mode in ("counts", "status:401", "nothing"):
            result = probed(app, api, COLUMNS=str(width), mode=mode)
            longer = [line.strip() for line in result.stdout.splitlines() if len(line) > width]
            assert longer in ([], ["usagefix apply --dry-run"])  # to be pasted, so never broken
            assert result.stdout.split()[:3] == ["preset", *PRESET.split()]


def test_a_closed_port_and_others_that_are_not_there(fixed: App, api: Running) -> None:
    before = fixed.sql(COUNTER, PRESET)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}"
    cases = {
        closed: ("connection refused", "check that the application runs"),
        "http://no-such-host.invalid": ("no such host", "check the host name"),
        f"http://{'x' * 70}.invalid": ("no such host", "check the host name"),
        api.url.replace("http", "https"): ("TLS failed", "https or http there"),
    }
    for url, words in cases.items():
        for output in ("table", "json"):
            result = fixed.usagefix(
                "probe-api", "--url", url, "--preset", PRESET, "--token", TOKEN, "--count", "3", "--format", output
            )
            clean(result)
            assert result.code == 3, result.stderr
            assert all(word in result.stderr for word in (*words, "nothing in the database was changed")), result.stderr
    assert fixed.sql(COUNTER, PRESET) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--url", f"https://{TOKEN}@h"), "holds a user or a password"),
        (("--url", f"https://u:{TOKEN}@h"), "cannot read"),
        (("--url", f"https://h?token={TOKEN}"), "query"),
        (("--url", f"{TOKEN}"), "does not begin with https://"),
        (("--url", ""), "the URL of the API is empty"),
        (("--token", f"Bearer {TOKEN}"), "without the word Bearer"),
        (("--token", f"{TOKEN}\n"), "line end"),
        (("--token", ""), "the token is empty"),
        (("--token", "Bearer", TOKEN), "too many arguments"),
        (("--token", "Bearer", TOKEN, TOKEN), "too many arguments"),
        (("--count", "0"), "--count"),
        (("--count", "101"), "--count"),
        (("--timeout", "0"), "--timeout"),
    ],
)
def test_usage_errors_come_before_anything_is_sent(arguments: tuple[str, ...], words: str) -> None:
    nowhere = "postgresql://u@127.0.0.1:1/x"
    for output in ("table", "json"):
        result = run(
            "probe-api", *arguments, "--format", output,
            DATABASE_URL=nowhere, USAGEFIX_URL="http://127.0.0.1:1", USAGEFIX_TOKEN=TOKEN, USAGEFIX_PRESET=PRESET,
        )  # fmt: skip
        clean(result)
        assert result.code == 2, result.stderr
        assert words in result.stderr
        if output == "json":
            assert (result.json["command"], result.json["exit_code"]) == ("probe-api", 2)


@pytest.mark.parametrize("missing", ["USAGEFIX_URL", "USAGEFIX_TOKEN", "USAGEFIX_PRESET"])
def test_what_must_be_given(missing: str) -> None:
    given = {"USAGEFIX_URL": "http://127.0.0.1:1", "USAGEFIX_TOKEN": TOKEN, "USAGEFIX_PRESET": PRESET}
    del given[missing]
    result = run("probe-api", cwd=None, stdin=None, **given)
    clean(result)
    assert (result.code, missing in result.stderr) == (2, True)


def test_help_tells_no_token() -> None:
    page = run("probe-api", "--help", USAGEFIX_TOKEN=TOKEN)
    clean(page)
    assert "USAGEFIX_TOKEN is safer" in " ".join(page.stdout.split())


def test_no_such_preset(fixed: App, api: Running) -> None:
    result = probed(fixed, api, "--preset", "nothing of that name")
    assert (result.code, "no preset has the id or the name" in result.stderr, api.seen()) == (1, True, [])


def test_a_preset_that_goes_meanwhile(fixed: App) -> None:
    with serving("counts", fixed.url(), TRACK="DELETE FROM presets WHERE id::text = %(id)s") as api:
        result = probed(fixed, api)
    assert (result.code, "is gone" in result.stderr) == (1, True)
    assert "1 use was posted to the API, which may have recorded it" in result.stderr


def test_a_token_that_goes_unencrypted(fixed: App, api: Running) -> None:
    assert "warning" not in probed(fixed, api).stderr
    result = fixed.usagefix(
        "probe-api", "--url", api.url.replace("127.0.0.1", "0.0.0.0"), "--preset", PRESET, USAGEFIX_TOKEN=TOKEN
    )
    assert (result.code, result.stderr.count("warning: the token goes unencrypted to 0.0.0.0:")) == (0, 1)


def test_interrupted(fixed: App, api: Running) -> None:
    process = fixed.spawn("probe-api", "--url", f"{api.url}/as/slow:30", "--preset", PRESET, "--token", TOKEN)
    wait_until(api.seen)
    process.send_signal(signal.SIGINT)
    result = ended(process)
    clean(result)
    assert result.code == 130
    assert "1 use was posted to the API, which may have recorded it" in result.stderr


def make(app: App, name: str) -> None:
    with app.connect(autocommit=False) as connection:
        connection.execute((APPLICATIONS / f"{name}.sql").read_bytes())


OTHERS: dict[str, dict[str, Any]] = {
    "bigint_keys": {
        "schema": "Shop floor", "preset": "Preset 3", "path": "/api/presets/3/usage", "ours": 3,
        "track": 'SELECT "Shop floor".track_preset_usage(%(id)s::bigint, %(type)s, %(data)s::jsonb)',
    },
    "text_keys": {
        "schema": "app", "preset": 'Preset "28" it\'s', "path": "/api/presets/Preset%20%2228%22%20it%27s/usage", "ours": None,
        "track": "INSERT INTO app.preset_usage VALUES (%(id)s)",
    },
    "other_columns": {
        "schema": "public", "preset": "", "path": "", "ours": None,
        "track": "INSERT INTO preset_usage (preset_id, user_id) SELECT %(id)s::uuid, id FROM users_profile LIMIT 1",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_applications(app: App, name: str) -> None:
    other = OTHERS[name]
    make(app, name)
    schema = {"USAGEFIX_SCHEMA": other["schema"]}
    preset = other["preset"] or app.preset(3)
    assert app.usagefix("apply", **schema).code == 0
    with serving("counts", app.url(), TRACK=other["track"]) as api:
        result = probed(app, api, "--preset", preset, "--count", "3", "--format", "json", **schema)
        body = result.json
        assert (result.code, body["verdict"], body["counted"], body["ours"]) == (0, "counted", 3, other["ours"]), body
        assert api.seen()[0]["path"] == other["path"] or not other["path"]
        assert len(body["events"]) == (0 if name == "text_keys" else 3)
        twice = probed(app, api, "--preset", preset, "--format", "json", mode="records_twice", **schema).json
        assert twice["verdict"] == ("recorded_twice" if other["ours"] else "unclear")
        shown = probed(app, api, "--preset", preset, mode="records_twice", **schema)
        assert shown.code == 1
        if other["ours"] is None:
            assert shown.stdout.splitlines()[-1] == "next: choose a preset that nobody uses meanwhile"


def test_the_api_that_keeps_no_data(fixed: App) -> None:
    track = TRACK.replace("%(data)s::jsonb", "'{}'::jsonb")
    with serving("counts", fixed.url(), TRACK=track) as api:
        result = probed(fixed, api, "--format", "json")
        assert (result.code, result.json["verdict"], result.json["ours"], result.json["counted"]) == (
            1,
            "unclear",
            0,
            1,
        )
        assert "keeps no usageData" in " ".join(probed(fixed, api).stdout.split())


def test_data_that_is_a_text_of_json(fixed: App) -> None:
    track = TRACK.replace("%(data)s::jsonb", "to_jsonb(%(data)s::text)")
    with serving("counts", fixed.url(), TRACK=track) as api:
        body = probed(fixed, api, "--format", "json").json
    assert (body["verdict"], body["ours"]) == ("counted", 1)


@pytest.mark.parametrize("kind", ["json", "text"])
def test_data_of_another_type(fixed: App, kind: str) -> None:
    fixed.sql("ALTER TABLE preset_usage ALTER usage_data DROP DEFAULT")
    fixed.sql(f"ALTER TABLE preset_usage ALTER usage_data TYPE {kind} USING usage_data::text::{kind}")
    fixed.sql("INSERT INTO preset_usage (preset_id, user_id, usage_type, usage_data) SELECT md5('preset 1')::uuid, md5('user 1')::uuid, 'showcase_creation', %s",
              '"{\\"test\\": false}"')  # fmt: skip
    track = (
        "INSERT INTO preset_usage (preset_id, user_id, usage_type, usage_data)"
        f" VALUES (%(id)s::uuid, md5('user 1')::uuid, %(type)s, %(data)s::{kind})"
    )
    with serving("counts", fixed.url(), TRACK=track) as api:
        body = probed(fixed, api, "--format", "json").json
    assert (body["verdict"], body["ours"]) == ("counted", 1)


def test_a_declared_counter_has_no_such_api(fixed: App, api: Running, tmp_path: Path) -> None:
    """Nothing is posted for it; beside presets it is left out."""
    likes = '[[counter]]\ncounter = "presets.likes"\nevents = "likes.preset_id"\n'
    usual = '[[counter]]\ncounter = "presets.usage_count"\nevents = "preset_usage.preset_id"\n'
    fixed.sql("ALTER TABLE presets ADD likes integer; CREATE TABLE likes (preset_id uuid REFERENCES presets)")
    file = tmp_path / "usagefix.toml"
    file.write_text(likes)
    counter = fixed.sql(COUNTER, PRESET)[0]
    alone = probed(fixed, api, "--config", str(file))
    assert alone.code == 2, alone.stdout
    assert "probe-api posts uses of presets, and preset_likes counts likes; nothing was posted" in alone.stderr
    assert (api.seen(), fixed.sql(COUNTER, PRESET)[0]) == ([], counter)
    file.write_text(likes + usual)
    both = probed(fixed, api, "--config", str(file), "--format", "json")
    assert both.code == 0, both.stderr
    assert (both.json["preset"]["label"], both.json["verdict"]) == (PRESET, "counted")
    assert "preset_likes is skipped, because probe-api posts uses of presets" in both.stderr


def test_people_who_are_notified_are_named_before_and_counted_afterwards(fixed: App, api: Running) -> None:
    fixed.sql(
        "CREATE FUNCTION tell(preset uuid, whom uuid) RETURNS void LANGUAGE sql AS $$INSERT INTO preset_notifications"
        " (preset_id, creator_id, type, title, message) VALUES (preset, whom, 'x', 'x', 'x')$$;"
        "CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM tell(NEW.preset_id, NEW.user_id);"
        " RETURN NULL; END$$; CREATE TABLE preset_log (preset_id uuid, created_at timestamptz DEFAULT now());"
        "CREATE TRIGGER tells AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION told();"
        "UPDATE presets SET user_id = md5('user 9')::uuid WHERE name = 'Golden hour'"
    )
    result = probed(fixed, api, "--count", "3", "--format", "json")
    by = "track_preset_usage(uuid,text,jsonb)"
    ahead = next(line for line in result.stderr.splitlines() if line.startswith("each use is real and stays"))
    assert "it may notify people by preset_notifications (" in ahead
    assert all(name in ahead for name in (by, "tell(uuid,uuid)", "trigger presets_notify_usage_milestone on"))
    assert result.json["notified"] == [{"table": "preset_notifications", "rows": 6, "people": 2}]
    fixed.sql("DROP TRIGGER tells ON preset_usage; UPDATE presets SET user_id = NULL")
    assert "\n  preset_notifications: no notification of the preset arose\n" in probed(fixed, api).stdout
    fixed.sql("ALTER TABLE preset_notifications ALTER created_at TYPE timestamp")
    assert "the server does not tell how many\n" in probed(fixed, api).stdout
    fixed.sql("ALTER TABLE preset_notifications RENAME creator_id TO whoever")
    assert "no function of the database is known to notify anybody of it\n" in probed(fixed, api).stderr


def test_notifications_that_are_locked_do_not_lose_the_report(fixed: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """The uses are posted by then."""
    monkeypatch.setattr("usagefix.database.settings.READ_LOCK_TIMEOUT", 50)
    db = connect(locate(fixed.url(), "a test"))
    with db.snapshot():
        there = notices(db)
    with fixed.connect(autocommit=False) as other:
        other.execute("LOCK TABLE preset_notifications")
        assert [(told.table, told.rows) for told in notified(db, there, PRESET)] == [("preset_notifications", None)]
    db.close()
