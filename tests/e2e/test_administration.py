"""Administration: people, tokens, peers, jobs, storage, audit."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import Page, expect

import make
from running import PASSWORD
from screen import OpenPage, ScreenServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("pages")]


def status_with(server: ScreenServer, token: str) -> int:
    request = urllib.request.Request(f"{server.url}/api/v1/studies", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def choose(page: Page, person: str, item: str) -> None:
    page.get_by_role("button", name=f"More for {person}").click()
    page.get_by_role("menuitem", name=item).click()


def test_a_person_is_added_changed_and_deactivated(open_page: OpenPage, screen_server: ScreenServer) -> None:
    page = open_page("/admin/people")
    page.get_by_role("button", name="Add person").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("rosa")
    dialog.get_by_label("Full name").fill("Rosa Roentgen")
    dialog.get_by_label("First password").fill("short")
    dialog.get_by_role("button", name="Add person").click()
    expect(dialog.get_by_role("alert")).to_contain_text("too short")
    dialog.get_by_label("First password").fill(PASSWORD)
    dialog.get_by_role("button", name="Add person").click()
    row = page.get_by_role("row").filter(has_text="rosa")
    expect(row).to_contain_text("Radiologist")

    choose(page, "rosa", "Edit")
    page.get_by_role("dialog").get_by_role("combobox", name="Role").click()
    page.get_by_role("option", name="Clinician").click()
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(row).to_contain_text("Clinician")

    choose(page, "rosa", "Reset password")
    page.get_by_role("dialog").get_by_label("New password").fill("an entirely new one")
    page.get_by_role("dialog").get_by_role("button", name="Reset password").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert screen_server.cookies("rosa", "an entirely new one")

    choose(page, "rosa", "Deactivate")
    page.get_by_role("dialog").get_by_role("button", name="Deactivate").click()
    expect(row).to_contain_text("inactive")
    with pytest.raises(urllib.error.HTTPError):
        screen_server.cookies("rosa", "an entirely new one")


def test_a_token_is_shown_once_works_and_is_revoked(open_page: OpenPage, screen_server: ScreenServer) -> None:
    screen_server.add_person("toni", "technologist")
    page = open_page("/admin/people")
    choose(page, "toni", "API tokens")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Create token").click()
    dialog.get_by_role("textbox", name="Name").fill("AI server")
    dialog.get_by_role("button", name="Create token").click()
    secret = dialog.locator("pre").inner_text()
    assert status_with(screen_server, secret) == 200
    dialog.get_by_role("button", name="I have kept it").click()
    expect(dialog.locator("pre")).to_have_count(0)
    dialog.get_by_role("button", name="Revoke AI server").click()
    expect(dialog.get_by_text("No tokens")).to_be_visible()
    assert status_with(screen_server, secret) == 401


def test_a_peer_is_added_tested_and_removed(open_page: OpenPage, screen_server: ScreenServer) -> None:
    page = open_page("/admin/peers")
    page.get_by_role("button", name="Add peer").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("AE title").fill("FILMLESS")
    dialog.get_by_label("Host").fill("127.0.0.1")
    dialog.get_by_label("Port").fill(str(screen_server.dicom_port))
    dialog.get_by_label("Query").check()
    dialog.get_by_role("button", name="Add peer").click()
    row = page.get_by_role("row").filter(has_text=f"127.0.0.1:{screen_server.dicom_port}")
    expect(row).to_contain_text("Query")
    row.get_by_role("button", name="Test the connection to FILMLESS").click()
    expect(row.get_by_role("status")).to_contain_text("Answered in")

    choose(page, "FILMLESS", "Edit")
    dialog.get_by_label("Port").fill("9")
    dialog.get_by_role("button", name="Save").click()
    row = page.get_by_role("row").filter(has_text="127.0.0.1:9").filter(has_text="FILMLESS")
    row.get_by_role("button", name="Test the connection to FILMLESS").click()
    expect(row.get_by_role("status")).not_to_contain_text("Answered in")
    expect(row.get_by_role("status")).to_contain_text("127.0.0.1")

    choose(page, "FILMLESS", "Remove")
    dialog.get_by_role("button", name="Remove").click()
    expect(row).to_have_count(0)


def test_a_stranger_that_called_is_admitted_or_dismissed(open_page: OpenPage, screen_server: ScreenServer) -> None:
    def echo(ae_title: str) -> int:
        words = ["echoscu", "-aet", ae_title, "-aec", "FILMLESS", "127.0.0.1", str(screen_server.dicom_port)]
        return subprocess.run(words, capture_output=True, check=False).returncode

    assert echo("NEWCOMER") != 0
    assert echo("NUISANCE") != 0
    page = open_page("/admin/peers")
    page.get_by_role("button", name="Admit NEWCOMER").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Host")).to_have_value("127.0.0.1")
    expect(dialog.get_by_label("Test")).to_be_checked()
    dialog.get_by_role("button", name="Admit").click()
    expect(page.get_by_text("NEWCOMER is admitted.")).to_be_visible()
    expect(page.get_by_role("button", name="Admit NEWCOMER")).to_have_count(0)
    assert echo("NEWCOMER") == 0

    page.get_by_role("button", name="Dismiss NUISANCE").click()
    expect(page.get_by_text("NUISANCE")).to_have_count(0)


def test_a_stranger_appears_while_the_page_is_open(open_page: OpenPage, screen_server: ScreenServer) -> None:
    page = open_page("/admin/peers")
    expect(page.get_by_role("heading", name="Peers")).to_be_visible()
    expect(page.get_by_text("LATECOMER")).to_have_count(0)
    words = ["echoscu", "-aet", "LATECOMER", "-aec", "FILMLESS", "127.0.0.1", str(screen_server.dicom_port)]
    subprocess.run(words, capture_output=True, check=False)
    expect(page.get_by_role("button", name="Admit LATECOMER")).to_be_visible()


def test_a_queue_is_paused_and_a_job_cancelled_and_retried(open_page: OpenPage, screen_server: ScreenServer) -> None:
    ds = make.ct_slice(rows=16, PatientName="Job^Jo")
    screen_server.store(ds)
    screen_server.call("POST", "/queues/send/pause")
    peer = screen_server.call("POST", "/peers", {"aeTitle": "NOWHERE", "host": "127.0.0.1", "port": 9, "allow": []})
    screen_server.call("POST", f"/studies/{ds.StudyInstanceUID}/send", {"peerId": peer["id"]})
    page = open_page("/admin/jobs")
    row = page.get_by_role("row").filter(has_text="NOWHERE")
    expect(row).to_contain_text("Waiting")
    expect(page.get_by_role("button", name="Resume “send”")).to_be_visible()
    row.get_by_role("button", name="Cancel").click()
    expect(row).to_contain_text("Cancelled")
    page.get_by_role("radiogroup", name="State").get_by_text("Cancelled").click()
    row.get_by_role("button", name="Retry").click()
    expect(row).to_have_count(0)
    page.get_by_role("radiogroup", name="State").get_by_text("All").click()
    expect(row).to_contain_text("Waiting")
    page.get_by_role("button", name="Resume “send”").click()
    expect(row).to_contain_text("NOWHERE took 0 of 1 instances", timeout=30_000)


def test_storage_tells_what_is_kept_and_what_was_refused(open_page: OpenPage, screen_server: ScreenServer) -> None:
    first = make.ct_slice(rows=16, PatientName="Con^Flict")
    screen_server.store(first)
    first.WindowCenter = "41"
    results = screen_server.call("POST", "/uploads?name=again.dcm", make.part10(first))["results"]
    assert results[0]["outcome"] == "refused"
    page = open_page("/admin/storage")
    expect(page.get_by_text("free").first).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="CT").first).to_contain_text("instance")
    conflict = page.get_by_role("region", name="Conflicts").get_by_role("row").last
    expect(conflict).to_be_visible()
    conflict.get_by_role("button", name="Mark as settled").click()
    expect(page.get_by_role("region", name="Conflicts").get_by_text("Settled").first).to_be_visible()


def test_the_audit_trail_is_filtered(open_page: OpenPage, screen_server: ScreenServer) -> None:
    screen_server.add_person("audrey", "clinician")
    screen_server.cookies("audrey")
    page = open_page("/admin/audit")
    page.get_by_label("Who").fill("audrey")
    rows = page.get_by_role("row").filter(has_text="audrey")
    expect(rows.first).to_contain_text("Sign in")
    expect(page.get_by_role("row").filter(has_text="Add person")).to_have_count(0)
    page.get_by_role("combobox", name="Action").click()
    page.get_by_role("option", name="Search", exact=True).click()
    expect(page.get_by_text("No entries match")).to_be_visible()
    page.get_by_role("button", name="Clear").last.click()
    expect(page.get_by_role("row").filter(has_text="Add person").first).to_be_visible()
