"""People, tokens, peers, jobs, storage, conflicts and the trail, as the screen administers them."""

from __future__ import annotations

import io
import socket
import threading

import pytest
from starlette.testclient import TestClient

import make
from callers import ADDRESS, PASSWORD, make_person
from filmless.access import audit, peers
from filmless.access.principal import SYSTEM
from filmless.archive import Archive, jobs, problems, processes
from filmless.errors import Conflict
from filmless.store.receive import receive

CLI = SYSTEM("cli")


# Session


def test_the_session_says_who_and_what_and_where(radiologist: TestClient, archive: Archive) -> None:
    session = radiologist.get("/session").json()

    assert session["user"]["name"] == "Rosalind"
    assert session["user"]["rights"] == ["echo", "query", "retrieve", "send", "store", "view", "worklist"]
    assert session["csrfToken"] == radiologist.headers["X-CSRF-Token"]
    assert session["server"]["aeTitle"] == "FILMLESS"


def test_signing_out_ends_the_session_and_clears_the_cookie(radiologist: TestClient) -> None:
    cookies = dict(radiologist.cookies)

    assert radiologist.delete("/session").status_code == 204

    assert not dict(radiologist.cookies)
    radiologist.cookies.update(cookies)
    assert radiologist.get("/session").status_code == 401


def test_a_failed_sign_in_says_no_more_than_that(stranger: TestClient, archive: Archive) -> None:
    make_person(archive, "Ada", "administrator")

    known = stranger.post("/session", json={"name": "Ada", "password": "wrong"})
    unknown = stranger.post("/session", json={"name": "Eve", "password": "wrong"})

    assert (known.status_code, known.json()) == (401, unknown.json())
    assert "Set-Cookie" not in known.headers


def test_too_many_failures_are_told_with_the_time_to_wait(stranger: TestClient, archive: Archive) -> None:
    for _ in range(archive.settings.sign_in_attempts_max):
        stranger.post("/session", json={"name": "Ada", "password": "wrong"})

    answer = stranger.post("/session", json={"name": "Ada", "password": "wrong"})

    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= archive.settings.sign_in_window_s


def test_the_setup_link_leads_to_a_signed_in_administrator(stranger: TestClient, archive: Archive) -> None:
    from filmless.access.people import setup_link

    token = setup_link(archive)
    assert stranger.get("/setup", params={"token": token}).json() == {"valid": True}

    made = stranger.post("/setup", json={"token": token, "name": "Ada", "password": PASSWORD})

    assert made.status_code == 201
    assert stranger.get("/session").json()["user"]["role"] == "administrator"
    assert stranger.get("/setup", params={"token": token}).json() == {"valid": False}
    assert stranger.get("/setup").json() == {"valid": False}


def test_a_person_changes_their_own_password(radiologist: TestClient, stranger: TestClient) -> None:
    body = {"current": PASSWORD, "new": "another good phrase"}

    assert radiologist.post("/session/password", json=body).status_code == 204

    assert radiologist.get("/session").status_code == 200
    assert stranger.post("/session", json={"name": "Rosalind", "password": PASSWORD}).status_code == 401
    assert stranger.post("/session", json={"name": "Rosalind", "password": body["new"]}).status_code == 201


# People and tokens


def test_people_are_made_listed_and_changed(administrator: TestClient) -> None:
    made = administrator.post("/users", json={"name": "Bob", "role": "clinician", "password": PASSWORD}).json()

    changed = administrator.patch(f"/users/{made['id']}", json={"role": "technologist", "displayName": "Robert"})

    assert (changed.json()["role"], changed.json()["displayName"]) == ("technologist", "Robert")
    listed = administrator.get("/users").json()["items"]
    assert [(each["name"], each["role"]) for each in listed] == [("Ada", "administrator"), ("Bob", "technologist")]


def test_the_last_administrator_cannot_lock_everybody_out(administrator: TestClient) -> None:
    answer = administrator.patch("/users/1", json={"isActive": False})

    assert answer.status_code == 409
    assert "last" in answer.json()["detail"]


def test_a_name_that_is_taken_is_a_conflict(administrator: TestClient) -> None:
    assert (
        administrator.post("/users", json={"name": "ADA", "role": "clinician", "password": PASSWORD}).status_code == 409
    )


def test_a_person_makes_lists_and_revokes_tokens(radiologist: TestClient, stranger: TestClient) -> None:
    user = radiologist.get("/session").json()["user"]["id"]
    made = radiologist.post(
        f"/users/{user}/tokens", json={"name": "script", "expiresDays": 7, "rights": ["query"]}
    ).json()
    headers = {"Authorization": f"Bearer {made['secret']}"}
    assert stranger.get("/studies", headers=headers).status_code == 200

    [listed] = radiologist.get(f"/users/{user}/tokens").json()["items"]
    assert listed["lastUsedAt"] is not None
    assert listed["rights"] == ["query"]
    assert radiologist.delete(f"/tokens/{listed['id']}").status_code == 204
    assert stranger.get("/studies", headers=headers).status_code == 401


def test_a_persons_sessions_are_ended_by_the_administrator(administrator: TestClient, radiologist: TestClient) -> None:
    user = radiologist.get("/session").json()["user"]["id"]

    assert administrator.delete(f"/users/{user}/sessions").status_code == 204

    assert radiologist.get("/session").status_code == 401


# Peers


def test_a_stranger_among_the_peers_is_admitted_with_one_request(administrator: TestClient, archive: Archive) -> None:
    with archive.transaction() as session:
        peers.remember_unknown(session, "MR9", ADDRESS, "FILMLESS", "unknown AE title", ["1.2.840.10008.1.1"])
    [unknown] = administrator.get("/peers/unknown").json()["items"]
    assert unknown["proposed"] == [{"uid": "1.2.840.10008.1.1", "name": "Verification SOP Class"}]

    admitted = administrator.post(f"/peers/unknown/{unknown['id']}/admit", json={"port": 104, "allow": ["store"]})

    assert (admitted.json()["host"], admitted.json()["allow"]) == (ADDRESS, ["store"])
    assert administrator.get("/peers/unknown").json()["items"] == []


def test_a_peer_changes_only_where_told(administrator: TestClient) -> None:
    made = administrator.post(
        "/peers", json={"aeTitle": "CT1", "host": "10.0.0.1", "port": 104, "allow": ["store"]}
    ).json()

    changed = administrator.patch(f"/peers/{made['id']}", json={"port": None, "description": "Room 3"}).json()

    assert (changed["port"], changed["description"]) == (None, "Room 3")
    assert (changed["aeTitle"], changed["host"], changed["allow"]) == ("CT1", "10.0.0.1", ["store"])
    assert administrator.delete(f"/peers/{made['id']}").status_code == 204
    assert administrator.get("/peers").json()["items"] == []


def test_an_echo_to_a_peer_that_is_not_there_is_told_in_words(administrator: TestClient, archive: Archive) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    peer = peers.add_peer(archive, CLI, ae_title="GONE", host="127.0.0.1", port=port, allow=[])

    outcome = administrator.post(f"/peers/{peer.id}/echo").json()

    assert outcome["ok"] is False
    assert len(outcome["message"]) > 10
    assert [row.outcome for row in audit.read(archive, action="peer_echo")[0]] == ["failed"]


def test_an_echo_to_a_peer_that_answers_is_ok(administrator: TestClient, archive: Archive) -> None:
    from pynetdicom import AE, evt
    from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

    ae = AE("ECHO")
    ae.add_supported_context(Verification)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_ECHO, lambda _: 0x0000)])
    try:
        port = server.socket.getsockname()[1]
        peer = peers.add_peer(archive, CLI, ae_title="ECHO", host="127.0.0.1", port=port, allow=[])

        outcome = administrator.post(f"/peers/{peer.id}/echo").json()
    finally:
        server.shutdown()

    assert outcome["ok"] is True
    assert outcome["durationMs"] > 0


# Operation


def make_job(archive: Archive, name: str = "tidy") -> int:
    with archive.transaction() as session:
        return jobs.enqueue(session, name, {})


def test_jobs_are_listed_cancelled_and_tried_again(administrator: TestClient, archive: Archive) -> None:
    job = make_job(archive)
    make_job(archive)

    assert administrator.post(f"/jobs/{job}/cancel").status_code == 204

    page = administrator.get("/jobs", params={"state": "cancelled"}).json()
    assert [each["id"] for each in page["items"]] == [job]
    assert (page["counts"]["waiting"], page["counts"]["cancelled"]) == (1, 1)
    assert administrator.post(f"/jobs/{job}/cancel").status_code == 400
    assert administrator.post(f"/jobs/{job}/retry").status_code == 204
    assert administrator.get("/jobs").json()["counts"]["waiting"] == 2
    assert administrator.post("/jobs/99/retry").status_code == 404


def test_pages_of_jobs_follow_one_another(administrator: TestClient, archive: Archive) -> None:
    made = [make_job(archive) for _ in range(3)]

    first = administrator.get("/jobs", params={"limit": 2}).json()
    second = administrator.get("/jobs", params={"limit": 2, "cursor": first["nextCursor"]}).json()

    assert [each["id"] for each in first["items"] + second["items"]] == made[::-1]
    assert second["nextCursor"] is None


def test_a_queue_is_paused_and_resumed(administrator: TestClient, archive: Archive) -> None:
    assert administrator.post("/queues/send/pause").status_code == 204
    assert administrator.get("/jobs").json()["pausedQueues"] == ["send"]
    assert administrator.post("/queues/send/resume").status_code == 204

    assert administrator.get("/jobs").json()["pausedQueues"] == []
    assert [row.action for row in audit.read(archive)[0]][:2] == ["queue_resume", "queue_pause"]


def test_what_an_administrator_does_and_its_row_are_one_transaction(
    administrator: TestClient, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Conflict("no row today")

    monkeypatch.setattr(audit, "record", refuse)

    answer = administrator.post("/queues/send/pause")

    assert answer.status_code == 409
    with archive.reading() as session:
        assert not jobs.is_paused(session, "send")


def test_storage_counts_what_is_kept(administrator: TestClient, archive: Archive) -> None:
    for dataset in [*make.ct_series(3), make.color()]:
        receive(archive, CLI, io.BytesIO(make.part10(dataset)))

    storage = administrator.get("/storage").json()

    assert storage["numberOfInstances"] == 4
    assert sum(each["numberOfInstances"] for each in storage["byModality"]) == 4
    assert storage["usedBytes"] == sum(each["sizeBytes"] for each in storage["byModality"]) > 0
    assert 0 < storage["freeBytes"] < storage["capacityBytes"]
    assert (storage["conflicts"], storage["refusals"]) == (0, 0)


def test_a_conflict_is_listed_and_settled_once(administrator: TestClient, archive: Archive) -> None:
    dataset = make.ct_slice()
    receive(archive, CLI, io.BytesIO(make.part10(dataset)))
    dataset.PatientID = "somebody else"
    with pytest.raises(Conflict):
        receive(archive, CLI, io.BytesIO(make.part10(dataset)))

    [conflict] = administrator.get("/conflicts").json()["items"]
    assert conflict["sopInstanceUid"] == dataset.SOPInstanceUID
    assert administrator.get("/storage").json()["conflicts"] == 1
    assert administrator.post(f"/conflicts/{conflict['id']}/resolve").status_code == 204
    assert administrator.get("/storage").json()["conflicts"] == 0
    assert administrator.get("/conflicts").json()["items"][0]["resolvedBy"] == "Ada"
    assert administrator.post(f"/conflicts/{conflict['id']}/resolve").status_code == 409
    assert administrator.post("/conflicts/99/resolve").status_code == 404


def test_a_refused_file_is_listed_with_its_reason(administrator: TestClient) -> None:
    dataset = make.ct_slice()
    del dataset.StudyInstanceUID

    administrator.post("/uploads", content=make.part10(dataset))

    [refusal] = administrator.get("/refusals").json()["items"]
    assert refusal["reason"]
    assert refusal["sopInstanceUid"] == dataset.SOPInstanceUID


def test_the_system_says_what_runs_and_what_to_mend(
    administrator: TestClient, archive: Archive, archive_shape: str
) -> None:
    with archive.transaction() as session:
        problems.raise_problem(session, "disk", "", "the disk is nearly full", "free some room")

    with processes.alive(archive, "worker"):
        system = administrator.get("/system").json()

    assert [each["role"] for each in system["processes"]] == ["worker"]
    assert system["problems"] == [{"what": "the disk is nearly full", "whatToDo": "free some room"}]
    assert system["database"] == {"embedded": "SQLite", "scaled": "PostgreSQL"}[archive_shape]


def test_the_trail_is_read_in_pages_and_by_filter(administrator: TestClient) -> None:
    for name in ("a", "b", "c"):
        administrator.post(f"/queues/{name}/pause")

    first = administrator.get("/audit", params={"action": "queue_pause", "limit": 2}).json()
    second = administrator.get(
        "/audit", params={"action": "queue_pause", "limit": 2, "cursor": first["nextCursor"]}
    ).json()

    assert [row["object"] for row in first["items"] + second["items"]] == ["c", "b", "a"]
    assert second["nextCursor"] is None
    assert administrator.get("/audit", params={"actor": "Nobody"}).json()["items"] == []
    assert administrator.get("/audit", params={"to": "2001-01-01T00:00:00Z"}).json()["items"] == []
    assert administrator.get("/audit", params={"from": "2001-01-01T00:00:00"}).json()["items"] != []


def test_changes_at_once_do_not_lose_rows_of_the_trail(administrator: TestClient, archive: Archive) -> None:
    threads = [threading.Thread(target=administrator.post, args=(f"/queues/q{number}/pause",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(audit.read(archive, action="queue_pause")[0]) == 8
