"""Administration, Webhooks: a receiver is added, tested, fails, is mended, disabled and removed; in both sizes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

import make
from screen import DESKTOP, PHONE, SHOTS, OpenPage, ScreenServer, serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("webhooks")]


class Receiver:
    """An HTTP server that answers `status` and keeps what it was sent."""

    def __init__(self) -> None:
        self.status = 200
        self.taken: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.taken.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(outer.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/ris"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.server.shutdown()
    one.server.server_close()


def check(page: Page, name: str) -> None:
    assert page.viewport_size
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}-{page.viewport_size['width']}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the screen"
    assert serious_findings(page) == []


def choose(page: Page, url: str, action: str) -> None:
    page.get_by_role("button", name=f"More for {url}").click()
    page.get_by_role("menuitem", name=action).click()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_webhook_is_added_tested_disabled_and_removed(
    open_page: OpenPage, screen_server: ScreenServer, receiver: Receiver, size: ViewportSize
) -> None:
    page = open_page("/admin/webhooks", size=size)
    page.get_by_role("button", name="Add webhook").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Address").fill("ris.example")
    dialog.get_by_role("button", name="Add webhook").click()
    expect(dialog.get_by_text("begins with http:// or https://")).to_be_visible()
    dialog.get_by_role("textbox", name="Address").fill(receiver.url)
    dialog.get_by_role("textbox", name="Description").fill("RIS of the west wing")
    dialog.get_by_role("checkbox", name="study_stored").check()
    check(page, "webhook-add")
    dialog.get_by_role("button", name="Add webhook").click()
    expect(dialog.locator("pre")).to_contain_text("whsec_")
    check(page, "webhook-secret")
    dialog.get_by_role("button", name="I have kept it").click()

    page.get_by_role("button", name=f"Send test to {receiver.url}").click()
    expect(page.get_by_role("status").filter(has_text="answered 200")).to_be_visible()
    # What others stored on this server may be told of meanwhile.
    assert [told["type"] for told in receiver.taken if not told["type"].endswith("_completed")] == ["test"]

    receiver.status = 503
    screen_server.store(make.ct_slice(rows=16))
    expect(page.get_by_text("answered 503")).to_be_visible(timeout=30_000)
    check(page, "webhook-failing")
    receiver.status = 200
    choose(page, receiver.url, "Try again")
    expect(page.get_by_text("Fine")).to_be_visible(timeout=30_000)
    assert "study_stored" in [told["type"] for told in receiver.taken]

    choose(page, receiver.url, "New secret")
    check(page, "webhook-rotate")
    dialog.get_by_role("button", name="New secret").click()
    expect(dialog.locator("pre")).to_contain_text("whsec_")
    dialog.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_text("old secret also signs until")).to_be_visible()
    check(page, "webhook-rotated")

    choose(page, receiver.url, "Disable")
    expect(page.get_by_text("disabled", exact=True)).to_be_visible()
    choose(page, receiver.url, "Remove")
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("No webhooks yet")).to_be_visible()
