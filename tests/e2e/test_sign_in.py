"""Signing in, being signed out, and the first administrator's link."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from running import ADMIN, PASSWORD, RunningServer
from screen import OpenPage, ScreenServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("pages")]


def sign_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_one_comes_back_to_the_page_that_was_asked_for(open_page: OpenPage) -> None:
    page = open_page("/admin/audit?x=1", name=None)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(page, ADMIN, PASSWORD)
    expect(page.get_by_role("heading", name="Audit trail")).to_be_visible()
    assert page.url.split("?")[0].endswith("/admin/audit")


def test_a_wrong_password_says_so_and_lets_nobody_in(open_page: OpenPage) -> None:
    page = open_page(name=None)
    sign_in(page, ADMIN, "not the password")
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is wrong.")
    assert page.url.endswith("/sign-in")


def test_too_many_attempts_are_told_with_the_time_to_wait(open_page: OpenPage) -> None:
    page = open_page(name=None)
    for _ in range(10):
        sign_in(page, "mallory", "a guess of mine")
        expect(page.get_by_role("alert")).to_be_visible()
        if page.get_by_text("Too many attempts").is_visible():
            break
        page.get_by_label("Password", exact=True).fill("")
    expect(page.get_by_role("alert")).to_have_text(re.compile(r"Too many attempts\. Try again in .+ seconds?\."))
    expect(page.get_by_role("button", name="Sign in")).to_be_disabled()


def test_nobody_is_led_to_another_site_by_signing_in(open_page: OpenPage, screen_server: ScreenServer) -> None:
    page = open_page("/sign-in?then=//evil.example/", name=None)
    sign_in(page, ADMIN, PASSWORD)
    expect(page.get_by_role("grid", name="Studies").or_(page.get_by_text("No studies yet"))).to_be_visible()
    assert page.url.startswith(screen_server.url)


def test_a_session_that_ends_leads_to_the_sign_in_and_back(open_page: OpenPage, screen_server: ScreenServer) -> None:
    person = screen_server.add_person("ada", "administrator")
    page = open_page("/admin/jobs", name="ada")
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    screen_server.call("DELETE", f"/users/{person}/sessions")
    expect(page.get_by_text("Your session has ended")).to_be_visible(timeout=20_000)
    sign_in(page, "ada", PASSWORD)
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()


def test_signing_out_ends_the_session(open_page: OpenPage, screen_server: ScreenServer) -> None:
    screen_server.add_person("olga", "radiologist")
    page = open_page(name="olga")
    page.get_by_role("button", name="Account").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_password_is_changed_by_oneself(open_page: OpenPage, screen_server: ScreenServer) -> None:
    screen_server.add_person("carol", "clinician")
    page = open_page(name="carol")
    page.get_by_role("button", name="Account").click()
    page.get_by_role("menuitem", name="Change password").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Current password").fill(PASSWORD)
    dialog.get_by_label("New password").fill("a much longer password")
    dialog.get_by_label("Repeat the password").fill("something else entirely")
    dialog.get_by_role("button", name="Change password").click()
    expect(dialog.get_by_text("The two passwords differ.")).to_be_visible()
    dialog.get_by_label("Repeat the password").fill("a much longer password")
    dialog.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("The password is changed.")).to_be_visible()
    assert screen_server.cookies("carol", "a much longer password")


@pytest.fixture
def unclaimed(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that nobody administers yet."""
    running = RunningServer(tmp_path / "data")
    running.start(with_admin=False)
    yield running
    running.stop()


def test_the_setup_link_makes_the_first_administrator_once(unclaimed: RunningServer, browser: Browser) -> None:
    link = re.search(r"http\S+/setup\?token=\S+", "".join(unclaimed.output))
    assert link, unclaimed.output
    page = browser.new_page()
    page.goto(link.group())
    page.get_by_label("Name").fill("grace")
    page.get_by_label("Password", exact=True).fill("nine long words here")
    page.get_by_label("Repeat the password").fill("nine long words here")
    page.get_by_role("button", name="Set up Filmless").click()
    expect(page.get_by_text("No studies yet")).to_be_visible()
    expect(page.get_by_role("link", name="Administration")).to_be_visible()

    page.goto(link.group())
    expect(page.get_by_text("This link has been used or has expired.")).to_be_visible()
    page.close()
