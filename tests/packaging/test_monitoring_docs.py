"""docs/monitoring.md: its metrics are those of verify, its lines run as written, its rules ask for what there is."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read
from support import ROOT, App, Result, run

PAGE = (ROOT / "docs" / "monitoring.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FILE = "/var/lib/node_exporter/usagefix.prom"


def block(kind: str, word: str) -> str:
    (found,) = (text for named, text in BLOCKS if named == kind and word in text)
    return str(found)


@pytest.fixture
def exported(fixed: App) -> dict[str, set[str]]:
    """Every sample's name → the names of its labels, as the role of the page gets them."""
    fixed.sql(block("sql", "CREATE ROLE").replace("usagefix_watch", "watch_of_the_page"))
    try:
        done = fixed.usagefix("verify", "--format", "openmetrics", DATABASE_URL=fixed.url("watch_of_the_page"))
    finally:
        fixed.sql("DROP OWNED BY watch_of_the_page")
        fixed.sql("DROP ROLE watch_of_the_page")
    assert done.code == 0, done.stderr
    families = read(done.stdout)  # type: ignore[no-untyped-call]
    return {sample.name: set(sample.labels) for family in families for sample in family.samples}


def test_the_page_names_every_metric_and_no_other(exported: dict[str, set[str]]) -> None:
    named = set(re.findall(r"`(usagefix_(?!watch)\w+)`", PAGE))
    assert exported.keys() <= named
    assert named - exported.keys() <= {"usagefix_orphans"}, "where nobody counts them"


def test_rules_ask_for_metrics_and_labels_that_are_there(exported: dict[str, set[str]]) -> None:
    (group,) = yaml.safe_load(block("yaml", "alert:"))["groups"]
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"]) == 6
    for rule in group["rules"]:
        (metric,) = re.findall(r"usagefix_\w+", rule["expr"])
        said = " ".join(rule["annotations"].values())
        assert set(re.findall(r"\$labels\.(\w+)", said)) <= exported[metric], rule
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert yaml.safe_load(block("yaml", "scrape_configs"))["scrape_configs"][0]["metrics_path"] in block(
        "nginx", "alias"
    )


def lines() -> dict[str, str]:
    """What cron and systemd run."""
    unit = configparser.ConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(block("ini", "ExecStart"))
    command = block("cron", "*").split(maxsplit=6)[6]
    return {"cron": command.partition(" 2>&1 | logger")[0], "systemd": unit["Service"]["ExecStart"]}


@pytest.mark.parametrize("by", ["cron", "systemd"])
def test_a_line_runs_as_written(app: App, by: str, tmp_path: Path) -> None:
    (tmp_path / "usagefix.env").write_text(f"DATABASE_URL='{app.url()}'\n")
    places: dict[str, Any] = {"/etc/usagefix.env": tmp_path / "usagefix.env", FILE: tmp_path / "usagefix.prom"}
    program, *words = [str(places.get(word, word)) for word in shlex.split(lines()[by])]
    assert Path(program).name == "usagefix"
    done: Result = run(*words)
    assert (done.code, done.stdout) == (1, ""), done.stderr
    assert "usagefix_verify_ok" in (tmp_path / "usagefix.prom").read_text()
