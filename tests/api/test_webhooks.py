"""Webhooks, with real receivers: signed, in order, none missed, nobody held up, nowhere where they should not go."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from certificates import make_certificate
from filmless.access import audit
from filmless.app.worker import make_worker
from filmless.archive import Archive, events, feed, jobs
from filmless.archive.tables import events as event_table
from filmless.archive.tables import jobs as job_table
from filmless.config import Settings
from filmless.errors import Refused
from filmless.routing import deliveries, receivers
from filmless.routing.receivers import Message, sign
from filmless.routing.tables import webhooks as table
from waiting import until

PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"


class Receiver:
    """An HTTP server that keeps what it takes. `answer` says how: a status, or what to do with the request."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[BaseHTTPRequestHandler], int] = lambda _request: 204
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = outer.answer(self)
                if 200 <= status < 300:
                    outer.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
                if status:
                    self.send_response(status)
                    self.send_header("content-length", "0")
                    self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?key=hush"

    @property
    def keys(self) -> list[str]:
        return [json.loads(body)["data"].get("key") for _, body in self.taken]

    @property
    def types(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.taken]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


@pytest.fixture
def other() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    changes = {"webhook_timeout_s": 1.0, "job_backoff_s": 600.0, "job_poll_s": 0.05, "job_threads": 1}
    return settings.model_copy(update=changes)


def add(administrator: TestClient, url: str, **fields: Any) -> dict[str, Any]:
    answer = administrator.post("/webhooks", json={"url": url, "names": ["study"], **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


def read(administrator: TestClient) -> dict[str, Any]:
    (webhook,) = administrator.get("/webhooks").json()["items"]
    return webhook  # type: ignore[no-any-return]


def publish(archive: Archive, key: str, name: str = "study") -> None:
    with archive.transaction() as session:
        events.publish(session, name, key, key)


def deliver(archive: Archive) -> None:
    """What the worker does by itself: look, and run what is due."""
    deliveries.Lookout(archive).look()
    run_due(archive)


def run_due(archive: Archive) -> None:
    """Run jobs in a thread, as a worker does: in ours Playwright may have left an event loop that runs."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(make_worker(archive).run_due).result()


def make_due(archive: Archive) -> None:
    with archive.transaction() as session:
        session.execute(update(job_table).values(run_at=0.0))


def verify_of_the_page() -> Callable[[str, dict[str, str], bytes], None]:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code.group(1), names)
    return names["verify"]  # type: ignore[no-any-return]


def test_each_event_arrives_in_order_and_the_documented_example_verifies_it(
    administrator: TestClient, archive: Archive, receiver: Receiver
) -> None:
    publish(archive, "before")
    secret = add(administrator, receiver.url)["secret"]
    for number in range(250):
        publish(archive, str(number))

    deliver(archive)

    assert receiver.keys == [str(number) for number in range(250)]
    verify = verify_of_the_page()
    for headers, body in receiver.taken:
        verify(secret, headers, body)
    headers, body = receiver.taken[0]
    with pytest.raises(ValueError, match="wrong signature"):
        verify(secret, headers, body.replace(b"study", b"sturdy"))
    with pytest.raises(ValueError, match="wrong signature"):
        verify(secret, headers | {"webhook-id": "1-1"}, body)
    assert (read(administrator)["state"], read(administrator)["delivered"]) == ("fine", 250)


def test_the_signature_is_that_of_the_published_example_of_standard_webhooks() -> None:
    message = Message("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}')

    signature = sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", message, 1614265330)

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_event_that_commits_late_is_delivered(
    administrator: TestClient, archive: Archive, receiver: Receiver
) -> None:
    if archive.database.is_sqlite:
        pytest.skip("one transaction writes at a time")
    add(administrator, receiver.url)
    with archive.transaction() as late:
        events.publish(late, "study", "late", None)
        publish(archive, "early")
        deliveries.Lookout(archive).look()
        assert receiver.keys == []

    deliver(archive)

    assert receiver.keys == ["late", "early"]


def test_what_fails_is_told_tried_again_later_and_not_missed(
    administrator: TestClient, archive: Archive, receiver: Receiver
) -> None:
    add(administrator, receiver.url)
    ids = []

    def refuse(request: BaseHTTPRequestHandler) -> int:
        ids.append(request.headers["webhook-id"])
        return 503

    receiver.answer = refuse
    publish(archive, "1")
    deliver(archive)
    publish(archive, "2")
    deliver(archive)  # nothing is due: it waits

    failing = read(administrator)
    assert (failing["state"], failing["failures"]) == ("failing", 1)
    assert failing["lastError"].endswith("answered 503")
    assert "hush" not in failing["lastError"]
    assert failing["nextAttemptAt"] is not None
    receiver.answer = lambda _request: 200
    make_due(archive)
    deliver(archive)
    assert receiver.keys == ["1", "2"]
    assert receiver.taken[0][0]["webhook-id"] == ids[0]
    mended = read(administrator)
    assert (mended["state"], mended["failures"], mended["failingSince"]) == ("fine", 0, None)
    assert "503" in mended["lastError"]


def test_what_was_taken_before_a_failure_is_not_sent_again(
    administrator: TestClient, archive: Archive, receiver: Receiver
) -> None:
    add(administrator, receiver.url)
    receiver.answer = lambda _request: 500 if len(receiver.taken) == 2 else 200
    for key in "1234":
        publish(archive, key)
    deliver(archive)
    receiver.answer = lambda _request: 200

    deliver(archive)

    assert receiver.keys == ["1", "2", "3", "4"]


def test_after_a_crash_an_event_comes_again_with_the_same_id(
    administrator: TestClient, archive: Archive, receiver: Receiver
) -> None:
    key = add(administrator, receiver.url)["webhook"]["id"]
    with archive.reading() as session:
        cursor = session.execute(select(table.c.cursor)).scalar_one()
    publish(archive, "1")
    deliver(archive)
    with archive.transaction() as session:  # as if it had been killed before it noted how far it was
        session.execute(update(table).where(table.c.id == key).values(cursor=cursor))

    deliver(archive)

    first, second = receiver.taken
    assert first[0]["webhook-id"] == second[0]["webhook-id"]


def test_a_receiver_that_hangs_holds_up_neither_the_others_nor_other_jobs(
    administrator: TestClient, archive: Archive, receiver: Receiver, other: Receiver
) -> None:
    hangs, goes_on = threading.Event(), threading.Event()

    def hang(_request: BaseHTTPRequestHandler) -> int:
        hangs.set()
        goes_on.wait(30)
        return 200

    patient = Archive(archive.settings.model_copy(update={"webhook_timeout_s": 30.0}), archive.database)
    receiver.answer = hang
    add(administrator, receiver.url)
    publish(archive, "1")
    stop = threading.Event()
    threads = [
        threading.Thread(target=make_worker(patient).run, args=(stop,)),
        threading.Thread(target=deliveries.watch, args=(patient, stop)),
    ]
    for thread in threads:
        thread.start()
    assert hangs.wait(20)

    add(administrator, other.url)
    publish(archive, "2")
    with archive.transaction() as session:
        job_id = jobs.enqueue(session, "tidy", {})

    until(lambda: other.keys == ["2"] and _state_of(archive, job_id) == "done")
    assert receiver.taken == []
    goes_on.set()
    until(lambda: receiver.keys == ["1", "2"])
    stop.set()
    for thread in threads:
        thread.join()


def _state_of(archive: Archive, job_id: int) -> str:
    with archive.reading() as session:
        return jobs.get_job(session, job_id).state


def test_who_answers_byte_by_byte_is_given_up(administrator: TestClient, archive: Archive, receiver: Receiver) -> None:
    def trickle(request: BaseHTTPRequestHandler) -> int:
        for byte in b"HTTP/1.1 200 OK\r\nx-slow: " + b"x" * 40:
            try:
                request.wfile.write(bytes([byte]))
            except OSError:
                break
            time.sleep(0.1)
        request.close_connection = True
        return 0

    receiver.answer = trickle
    add(administrator, receiver.url)
    publish(archive, "1")
    deliver(archive)

    assert read(administrator)["lastError"].endswith("did not answer within 1 s")


def test_redirects_are_not_followed(
    administrator: TestClient, archive: Archive, receiver: Receiver, other: Receiver
) -> None:
    def redirect(request: BaseHTTPRequestHandler) -> int:
        request.send_response(307)
        request.send_header("location", other.url)
        request.send_header("content-length", "0")
        request.end_headers()
        return 0

    receiver.answer = redirect
    key = add(administrator, receiver.url)["webhook"]["id"]

    outcome = administrator.post(f"/webhooks/{key}/test").json()

    assert outcome["ok"] is False
    assert "redirects are not followed" in outcome["message"]
    assert other.taken == []


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "0.0.0.0",
        "224.0.0.1",
    ],
)
@pytest.mark.embedded
def test_link_local_and_metadata_addresses_are_refused(administrator: TestClient, host: str) -> None:
    answer = administrator.post("/webhooks", json={"url": f"http://{host}/latest"})

    assert answer.status_code == 400
    assert "webhook_networks" in answer.json()["detail"]


@pytest.mark.embedded
@pytest.mark.parametrize("url", ["ftp://h/", "file:///etc/passwd", "http://", "http://a:b@h/", "http://h/#x", "h/x"])
def test_what_is_no_address_of_a_receiver_is_refused(administrator: TestClient, url: str) -> None:
    assert administrator.post("/webhooks", json={"url": url}).status_code == 400


@pytest.mark.embedded
def test_the_setting_allows_exceptions(settings: Settings) -> None:
    allowing = settings.model_copy(update={"webhook_networks": "169.254.7.0/24, fe80::/10"})

    assert receivers.checked_url(allowing, "http://169.254.7.9/x") == "http://169.254.7.9/x"
    with pytest.raises(Refused):
        receivers.checked_url(allowing, "http://169.254.169.254/x")


@pytest.mark.embedded
def test_a_name_that_leads_to_a_metadata_address_is_not_called(
    administrator: TestClient, archive: Archive, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = receiver.server.server_port
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.1", "169.254.169.254")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: found)
    key = add(administrator, f"http://rebound.example:{port}/")["webhook"]["id"]

    outcome = administrator.post(f"/webhooks/{key}/test").json()

    assert outcome["ok"] is False
    assert "169.254.169.254" in outcome["message"]
    assert receiver.taken == []


@pytest.mark.embedded
def test_the_address_that_was_looked_at_is_called_with_the_name_as_host(
    administrator: TestClient, archive: Archive, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = receiver.server.server_port
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: found)
    key = add(administrator, f"http://ris.example:{port}/in")["webhook"]["id"]

    assert administrator.post(f"/webhooks/{key}/test").json()["ok"] is True

    assert receiver.taken[0][0]["host"] == f"ris.example:{port}"
    assert receiver.types == ["test"]


@pytest.mark.embedded
def test_a_receiver_whose_certificate_nobody_vouches_for_is_not_told(
    administrator: TestClient, receiver: Receiver, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(tmp_path, "ris"))
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    url = receiver.url.replace("http:", "https:")
    key = add(administrator, url)["webhook"]["id"]

    outcome = administrator.post(f"/webhooks/{key}/test").json()

    assert outcome["ok"] is False
    assert "certificate" in outcome["message"]
    assert receiver.taken == []


def test_one_that_is_disabled_gets_nothing_and_goes_on_where_it_stopped(
    administrator: TestClient, archive: Archive, receiver: Receiver
) -> None:
    key = add(administrator, receiver.url)["webhook"]["id"]
    publish(archive, "1")
    deliver(archive)
    assert administrator.patch(f"/webhooks/{key}", json={"isActive": False}).json()["state"] == "disabled"
    publish(archive, "2")
    deliver(archive)
    assert receiver.keys == ["1"]

    administrator.patch(f"/webhooks/{key}", json={"isActive": True})
    publish(archive, "3")
    deliver(archive)

    assert receiver.keys == ["1", "2", "3"]


def test_one_that_is_removed_gets_nothing(administrator: TestClient, archive: Archive, receiver: Receiver) -> None:
    key = add(administrator, receiver.url)["webhook"]["id"]
    publish(archive, "1")
    deliveries.Lookout(archive).look()

    assert administrator.delete(f"/webhooks/{key}").status_code == 204
    run_due(archive)

    assert receiver.taken == []
    assert administrator.get("/webhooks").json()["items"] == []


def test_after_days_of_failures_it_is_parked_and_somebody_can_try_again(
    administrator: TestClient, archive: Archive, receiver: Receiver
) -> None:
    key = add(administrator, receiver.url)["webhook"]["id"]
    receiver.answer = lambda _request: 500
    publish(archive, "1")
    deliver(archive)
    assert read(administrator)["state"] == "failing"
    with archive.transaction() as session:
        session.execute(update(job_table).values(run_at=0.0, attempts=50, created_at=time.time() - 4 * 86400))
        session.execute(update(table).values(failing_since=time.time() - 4 * 86400))
    deliver(archive)
    deliver(archive)
    parked = read(administrator)
    assert (parked["state"], parked["failures"]) == ("parked", 2)
    assert "answered 500" in json.dumps(administrator.get("/health").json())

    receiver.answer = lambda _request: 200
    administrator.post(f"/webhooks/{key}/retry")
    deliver(archive)

    assert receiver.keys == ["1"]
    assert read(administrator)["state"] == "fine"


def test_events_that_were_forgotten_undelivered_are_told_as_lost(
    administrator: TestClient, archive: Archive, receiver: Receiver
) -> None:
    add(administrator, receiver.url)
    for key in "12":
        publish(archive, key)
    with archive.transaction() as session:
        session.execute(update(event_table).values(at=event_table.c.at - 10 * 86400))
    publish(archive, "3")
    with archive.transaction() as session:
        feed.forget_before(session, time.time() - 86400)
        session.execute(update(table).values(cursor="1.1"))

    deliver(archive)

    assert receiver.types == ["events_lost", "study", "study"]
    assert receiver.keys[1:] == ["2", "3"]


def test_the_cursor_of_one_that_nothing_concerns_is_moved_on_before_it_expires(
    administrator: TestClient, archive: Archive, receiver: Receiver
) -> None:
    publish(archive, "0")
    add(administrator, receiver.url, names=["conflict"])
    for key in "12":
        publish(archive, key)
    with feed.reading(archive) as final:
        first = final.read_after(feed.START, 1)[0]
        newest = final.find_newest()
    old = feed.cursor_of(first).split(".")[0] + f".{int((time.time() - 7200) * 1e6)}"
    with archive.transaction() as session:
        moment = int(old.split(".")[1]) / 1e6
        session.execute(update(event_table).where(event_table.c.id == first.id).values(at=moment))
        at = session.execute(select(event_table.c.at).where(event_table.c.id == first.id)).scalar_one()
        session.execute(update(table).values(cursor=feed.cursor_of(type(first)(first.id, at, "study", "0", None))))

    deliver(archive)

    with archive.reading() as session:
        assert session.execute(select(table.c.cursor)).scalar_one() == feed.cursor_of(newest)
    assert receiver.taken == []


def test_deliveries_of_every_event_come_to_an_end(
    administrator: TestClient, archive: Archive, receiver: Receiver
) -> None:
    add(administrator, receiver.url, names=None)
    deliver(archive)
    count = len(receiver.taken)

    for _ in range(3):
        deliver(archive)

    assert receiver.types[:1] == ["webhook"]
    assert len(receiver.taken) == count


def rotate(administrator: TestClient, webhook_id: int, **how: Any) -> str:
    answer = administrator.post(f"/webhooks/{webhook_id}/rotate", json=how)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["secret"])


def test_for_a_time_both_secrets_sign_and_then_the_new_one_alone(
    administrator: TestClient, archive: Archive, receiver: Receiver
) -> None:
    created = add(administrator, receiver.url)
    first, key = created["secret"], created["webhook"]["id"]
    second = rotate(administrator, key)
    publish(archive, "1")
    deliver(archive)
    with archive.transaction() as session:
        session.execute(update(table).values(previous_secret_until=time.time()))
    publish(archive, "2")
    deliver(archive)

    verify = verify_of_the_page()
    (overlap, body), (after, later) = receiver.taken
    assert len(overlap["webhook-signature"].split(" ")) == 2
    for secret in (first, second):
        verify(secret, overlap, body)
    verify(second, after, later)
    with pytest.raises(ValueError, match="wrong signature"):
        verify(first, after, later)
    with archive.reading() as session:
        assert session.execute(select(table.c.previous_secret)).scalar_one() is None
    assert read(administrator)["previousSecretUntil"] is None


def test_a_secret_that_others_know_is_changed_at_once(
    administrator: TestClient, archive: Archive, receiver: Receiver
) -> None:
    created = add(administrator, receiver.url)
    first, key = created["secret"], created["webhook"]["id"]
    second = rotate(administrator, key)
    third = rotate(administrator, key, atOnce=True)
    publish(archive, "1")
    deliver(archive)

    verify = verify_of_the_page()
    ((headers, body),) = receiver.taken
    verify(third, headers, body)
    for secret in (first, second):
        with pytest.raises(ValueError, match="wrong signature"):
            verify(secret, headers, body)


@pytest.mark.embedded
def test_the_command_line_adds_lists_rotates_and_removes(
    archive: Archive, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from filmless.cli import webhooks as commands
    from filmless.cli.main import app

    monkeypatch.setattr(commands, "open_archive", lambda *_: nullcontext(archive))

    def run(*words: str) -> str:
        result = CliRunner().invoke(app, ["webhook", *words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    first = run("add", receiver.url, "--event", "study").strip()
    key, state, url, names, delivered, overlap = run("list").strip().split("\t")
    assert (state, url, names, delivered, overlap) == ("fine", receiver.url, "study", "0", "-")
    second = run("rotate", key).strip()
    assert first.startswith("whsec_")
    assert second not in {first, ""}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", run("list").strip().split("\t")[5])
    publish(archive, "1")
    deliver(archive)
    assert receiver.keys == ["1"]
    run("remove", key)
    assert run("list") == ""


@pytest.mark.embedded
def test_the_secret_is_told_once_and_in_no_list_or_trail(
    administrator: TestClient, archive: Archive, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    created = add(administrator, receiver.url)
    secret = created["secret"]
    administrator.patch(f"/webhooks/{created['webhook']['id']}", json={"description": "RIS"})
    second = rotate(administrator, created["webhook"]["id"])
    publish(archive, "1")
    deliver(archive)

    rows, _ = audit.read(archive)
    assert {row.action for row in rows} >= {"webhook_add", "webhook_change", "webhook_rotate"}
    told = administrator.get("/webhooks").text + repr(rows) + "".join(capsys.readouterr())
    for each in (secret, second):
        assert each not in told
        assert each.removeprefix("whsec_") not in told


@pytest.mark.embedded
def test_webhooks_are_for_administrators(radiologist: TestClient) -> None:
    assert radiologist.get("/webhooks").status_code == 403
    assert radiologist.post("/webhooks", json={"url": "http://127.0.0.1/"}).status_code == 403
    assert radiologist.post("/webhooks/1/rotate", json={}).status_code == 403


@pytest.mark.embedded
def test_there_are_no_more_than_the_setting_allows(administrator: TestClient, archive: Archive) -> None:
    for number in range(archive.settings.webhooks_max):
        add(administrator, f"http://127.0.0.1:{9000 + number}/")

    answer = administrator.post("/webhooks", json={"url": "http://127.0.0.1:8999/"})

    assert answer.status_code == 400
    assert "webhooks_max" in answer.json()["detail"]


@pytest.mark.embedded
def test_an_event_that_does_not_exist_cannot_be_asked_for(administrator: TestClient) -> None:
    answer = administrator.post("/webhooks", json={"url": "http://127.0.0.1/", "names": ["studdy"]})

    assert answer.status_code == 400
    assert "study_completed" in answer.json()["detail"]
