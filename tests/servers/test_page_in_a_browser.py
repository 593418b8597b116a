"""The page as a browser shows it: nothing run, nothing asked of a network, nothing out of place."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from components import AXE, needs, path
from pictures import FOLDER, note, origin
from support import wait_until
from year import HOSTILE, KINDS, LIKES, TARGET, ZONE, empty, odd, year

from usagefix.models.nouns import USUAL, Nouns
from usagefix.render.page import Told, page

pytestmark = needs("browser")

MADE = datetime(2026, 11, 27, 1, 4, tzinfo=ZONE)
WIDTHS = (360, 768, 1280)
THEMES = ("light", "dark")


@dataclass
class Browser:
    """Chromium without a window. ``said``: what it wrote to its console; ``asked``: what it asked for and its policy let through."""

    driver: Any
    folder: Path

    def show(self, told: Told | list[Told], width: int = 1280, theme: str = "light") -> None:
        text = page(told if isinstance(told, list) else [told], TARGET, MADE)
        file = self.folder / "usage.html"
        file.write_text(text, encoding="utf-8")
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.theme(theme)
        self.driver.get(file.as_uri())

    def theme(self, theme: str) -> None:
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])

    def command(self, name: str, **parameters: object) -> dict[str, Any]:
        found: dict[str, Any] = self.driver.execute_cdp_cmd(name, parameters)
        return found

    def run(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def picture(self) -> bytes:
        return base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"])

    def log(self) -> tuple[list[str], list[str]]:
        """What it said, and what it asked for, since the last time."""
        said = [str(entry["message"]) for entry in self.driver.get_log("browser")]
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        refused = {m["params"]["requestId"] for m in messages if m["params"].get("blockedReason") == "csp"}
        sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        asked = [each["request"]["url"] for each in sent if each["requestId"] not in refused]
        said += [str(m["params"]) for m in messages if m["method"] in ("Log.entryAdded", "Audits.issueAdded")]
        return said, asked


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(path("browser"))
    home = tmp_path_factory.mktemp("browser")
    for argument in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-dev-shm-usage",
        "hide-scrollbars",
        f"user-data-dir={home / 'profile'}",
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(path("chromedriver"))))  # so nothing looks for one
    try:
        driver.get("about:blank")  # the browser's own first page asks for much
        yield Browser(driver, home)
    finally:
        driver.quit()


def told(insight: Any, nouns: Nouns = USUAL) -> Told:
    return nouns, insight


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_shows_something_and_nothing_leaves_the_window(browser: Browser, width: int, theme: str) -> None:
    browser.show([told(year()), told(year(wrong=12, kinds=KINDS[:1]), LIKES)], width, theme)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert len(browser.picture()) > 20_000, "a blank page has few bytes"
    background = browser.run("return getComputedStyle(document.body).backgroundColor")
    red = int(re.findall(r"\d+", background)[0])
    assert (red < 50) is (theme == "dark"), background
    smallest = browser.run(
        "return Math.min(...[...document.querySelectorAll('svg text')].filter(t => getComputedStyle(t).display != 'none')"
        ".map(t => parseFloat(getComputedStyle(t).fontSize) * t.getBoundingClientRect().height / t.getBBox().height))"
    )
    assert smallest >= 11, "text in pictures is not shrunk with them"


def test_the_pictures_of_docs_show_this_page() -> None:
    for theme in THEMES:
        picture = (FOLDER / f"dashboard-{theme}.png").read_bytes()
        assert note(picture) == origin(), "they show another page; make docs draws them anew"


def test_dates_beside_the_picture_do_not_collide(browser: Browser) -> None:
    for days in (1, 6, 31, 90, 365, 800):
        for width in (360, 1280):
            browser.show(told(year(days)), width)
            boxes = browser.run(
                "return [...document.querySelectorAll('#c1 .plot:not(.heat) .date')].map(t => t.getBoundingClientRect())"
                ".filter(b => b.width).map(b => [b.left, b.right])"
            )
            assert all(left[1] < right[0] for left, right in pairwise(boxes)), (days, width, boxes)
            assert boxes, (days, width)
            assert boxes[-1][1] <= width, (days, width)


@pytest.mark.parametrize("name", sorted(odd()))
def test_a_page_that_is_easily_forgotten(browser: Browser, name: str) -> None:
    browser.log()
    browser.show(told(odd()[name]), 360)
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    assert browser.log()[0] == []


def test_it_asks_for_nothing_and_has_nothing_to_complain_of(browser: Browser) -> None:
    browser.log()
    browser.show(told(year()))
    browser.run("document.querySelectorAll('details').forEach(each => each.open = true)")
    said, asked = browser.log()
    assert said == []
    assert asked == [(browser.folder / "usage.html").as_uri()], "the page alone"
    assert browser.run("return document.querySelectorAll('script, link, img, [style]').length") == 0


def test_the_policy_is_in_force(browser: Browser) -> None:
    """What it would run or fetched if a name got through."""
    browser.show(told(year()))
    browser.log()
    browser.run(
        "document.body.insertAdjacentHTML('beforeend', '<img src=https://example.org/x.png><p style=color:red>x')"
    )
    said, asked = list[str](), list[str]()

    def refused() -> bool:
        more, further = browser.log()
        said.extend(more)
        asked.extend(further)
        return len([line for line in said if "violates" in line]) >= 2

    wait_until(refused, "it refuses nothing")
    assert asked == []


def test_names_stay_text(browser: Browser) -> None:
    kinds = [*HOSTILE[:3], HOSTILE[6]]
    insight = year(90, kinds=kinds)
    users = insight.users
    assert users
    insight = replace(
        insight, users=replace(users, rows=tuple(replace(row, id=row.label, label="") for row in users.rows))
    )
    browser.log()
    browser.show([told(insight, replace(LIKES, counter=HOSTILE[1], counted=HOSTILE[11])), told(year(90))])
    browser.run("document.querySelectorAll('details').forEach(each => each.open = true)")
    said, asked = browser.log()
    assert (said, len(asked)) == ([], 1)
    assert browser.run("return document.querySelectorAll('script, img, style').length") == 1, "the page's own style"
    seen = browser.run("return document.body.textContent")
    for name in HOSTILE[:10]:
        assert name in seen, name
    assert "49" not in re.findall(r"\{\{.*?\}\}", seen)
    tallest = browser.run(
        "return Math.max(...[...document.querySelectorAll('.who')].map(e => e.getBoundingClientRect().height))"
    )
    assert tallest < 30, "a long name stays on its line"
    wide = ["x" * 200, "漢" * 200, "🎨" * 200, "ש" * 200]
    far = [replace(row, label=label) for row, label in zip(users.rows, wide, strict=False)]
    counter = replace(LIKES, counter="c" * 34, counted="x" * 300)
    for width in (360, 768):
        browser.show(
            [told(replace(year(90, kinds=wide), users=replace(users, rows=tuple(far))), counter), told(year(6))], width
        )
        assert browser.run("return document.documentElement.scrollWidth") <= width
    browser.show(told(insight))
    alone = browser.run("return [...document.querySelectorAll('tbody th bdi')].map(e => e.textContent)")
    assert "שלום עולם" in alone, "a name that is written from right to left turns nothing else"


def test_axe_finds_nothing(browser: Browser) -> None:
    browser.show(
        [
            told(year(8)),
            told(year(6, wrong=3, kinds=KINDS[:1], users=False), LIKES),
            told(replace(empty(), verified=None), replace(LIKES, counter="empty")),
        ]
    )
    browser.run("document.querySelectorAll('details').forEach(each => each.open = true)")
    browser.command("Page.setBypassCSP", enabled=True)
    browser.driver.refresh()
    for theme in THEMES:
        browser.theme(theme)
        browser.run("document.querySelectorAll('details').forEach(each => each.open = true)")
        browser.run(AXE.read_text(encoding="utf-8"))
        found = browser.driver.execute_async_script(
            "const done = arguments[0]; axe.run({resultTypes: ['violations']}).then(done, e => done({violations: [{id: String(e), impact: 'critical', nodes: []}]}))"
        )
        bad = [(v["id"], v["impact"], [node["html"][:120] for node in v["nodes"][:3]]) for v in found["violations"]]
        assert bad == [], theme
        assert len(found["passes"]) > 20
    browser.command("Page.setBypassCSP", enabled=False)


def test_it_prints_on_few_pages(browser: Browser) -> None:
    browser.show(told(year()), theme="dark")
    printed = base64.b64decode(browser.command("Page.printToPDF", preferCSSPageSize=True)["data"])
    pages = re.findall(rb"/Type\s*/Page\b", printed)
    sizes = {tuple(round(float(n)) for n in box.split()) for box in re.findall(rb"/MediaBox\s*\[([\d. ]+)\]", printed)}
    assert len(pages) in (2, 3)
    assert sizes <= {(0, 0, 595, 842)}, "A4"
    browser.command(
        "Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}]
    )
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)", (
        "no black paper"
    )
    assert browser.run("return document.querySelector('details').getBoundingClientRect().height") == 0
    browser.command("Emulation.setEmulatedMedia", media="")
