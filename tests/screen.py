"""What the tests of the screen share: the server they look at, the browser's flags, axe."""

from __future__ import annotations

import http.cookiejar
import json
import os
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, ViewportSize, expect
from pydicom.dataset import Dataset

import make
from running import ADMIN, PASSWORD, RunningServer

ROOT = Path(__file__).resolve().parents[1]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
SCREEN = ROOT / "src" / "filmless" / "screen" / "index.html"
SHOTS = ROOT / "test-results"
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}

# How the screen finds out that nobody is signed in, and that a password is wrong; browsers print every such answer.
EXPECTED = ("400 (Bad Request)", "401 (Unauthorized)", "404 (Not Found)", "429 (Too Many Requests)")

# A violation of the content security policy is an event of the document; the console may not have it.
TELL_VIOLATIONS = """addEventListener('securitypolicyviolation', (event) =>
  console.error('CSP: ' + event.violatedDirective + ' ' + event.blockedURI))"""


WAIT_MS = 20_000
"""So long a page may take on a busy machine; what is there is seen at once."""

expect.set_options(timeout=WAIT_MS)


def browser_path() -> str:
    """The machine's own Chromium (or what FILMLESS_CHROMIUM names)."""
    names = (os.environ.get("FILMLESS_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    assert found, "no Chromium: apt-get install chromium, or name one in FILMLESS_CHROMIUM"
    return found


class ScreenServer(RunningServer):
    """A running server, and the ways in which tests put people and studies into it."""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API with the administrator's token."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            method=method,
            data=data,
            headers={"Authorization": f"Bearer {self.sign_in()}", "Content-Type": kind},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def store(self, *datasets: Dataset) -> None:
        """Take data sets in as a browser's upload does."""
        for ds in datasets:
            results = self.call("POST", "/uploads?name=test.dcm", make.part10(ds))["results"]
            assert [result["outcome"] for result in results] == ["stored"], results

    def forget_preferences(self) -> None:
        """Let the administrator be as on the first day: what one test arranged is not there in the next.

        But nothing hangs by itself: tests make studies of one patient, who are priors of each other. Those of hanging
        protocols delete the preference.
        """
        for name in self.call("GET", "/preferences")["values"]:
            if name != "hanging":
                self.call("DELETE", f"/preferences/{name}")
        self.call("PUT", "/preferences/hanging", {"value": {"isAutomatic": False}})

    def add_person(self, name: str, role: str, password: str = PASSWORD) -> int:
        """Make a person; return the id."""
        person = {"name": name, "role": role, "password": password, "displayName": name.title()}
        return int(self.call("POST", "/users", person)["id"])

    def cookies(self, name: str = ADMIN, password: str = PASSWORD) -> list[Any]:
        """Sign in as the browser does; return the cookies of the session."""
        jar = http.cookiejar.CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        request = urllib.request.Request(
            f"{self.url}/api/v1/session",
            data=json.dumps({"name": name, "password": password}).encode(),
            headers={"Content-Type": "application/json"},
        )
        opener.open(request, timeout=30).close()
        return [{"name": one.name, "value": one.value, "url": self.url} for one in jar]


OpenPage = Callable[..., Page]


def watched(context: BrowserContext, complaints: list[str]) -> Page:
    """A page whose console errors are noted."""
    context.add_init_script(TELL_VIOLATIONS)
    page = context.new_page()

    def hear(message: Any) -> None:
        if message.type == "error" and not any(text in message.text for text in EXPECTED):
            complaints.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
    page.set_default_timeout(WAIT_MS)
    return page


def serious_findings(page: Page) -> list[str]:
    """Run axe on what is shown; list what is serious or critical."""
    page.evaluate(AXE.read_text())  # evaluated, not inserted as a script: the page's CSP forbids that
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {violation['nodes'][0]['html'][:200]}"
        for violation in found["violations"]
        if violation["impact"] in {"serious", "critical"}
    ]
