"""Names and texts that mean something elsewhere: paths, markup, control characters, other files' first bytes."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest

import make
from filmless.dimse import commands as c
from filmless.dimse import pdus
from filmless.dimse.client import Rejected, connect
from hostile_wire import Target
from wire import CT, IMPLICIT_LE, VERIFICATION, Raw, p_data, request_of, store_command

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("hostile")]

MARKUP = "<script>alert(1)</script>"
INJECTION = 'x"; filename=evil.exe\r\nSet-Cookie: a=b\r\n\r\n<html>'


def files_of(target: Target) -> set[Path]:
    return set(target.server.data.parent.rglob("*evil*")) | set(Path("/tmp").glob("*evil-hard*"))


@pytest.mark.parametrize(
    "uid",
    ["../../evil", "..", ".", "/etc/evil", "1.2\x00.3", "1.2\r\n3", "<b>", "1?2", "1#2", "%2e%2e", "1,2", "*"],
)
@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_a_uid_that_is_a_path_or_markup_is_refused(keyword: str, uid: str, target: Target) -> None:
    ds = make.ct_slice(rows=4)
    whole = make.part10(ds)
    old = str(ds[keyword].value)
    new = uid.ljust(len(old), "\0")
    assert target.stow(whole.replace(old.encode(), new.encode())).status == 409
    assert files_of(target) == set()


def test_names_in_a_zip_are_told_and_never_followed(target: Target) -> None:
    names = ["../../evil-hard.dcm", "/tmp/evil-hard.dcm", "C:\\..\\evil-hard.dcm", f"{MARKUP}.dcm", "a\nb\x1b[31m.dcm"]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, make.part10(make.ct_slice(rows=4)))
    name = quote("..\\../" + INJECTION)
    with target.unharmed():
        reply = target.ask("POST", f"/api/v1/uploads?name={name}", {}, out.getvalue())
    assert reply.status == 200
    results = json.loads(reply.body)["results"]
    assert [result["outcome"] for result in results] == ["stored"] * 5
    assert "set-cookie" not in reply.headers
    assert reply.headers["content-type"] == "application/json"
    assert files_of(target) == set()


def test_a_dicomdir_that_names_other_files_is_passed_over(target: Target) -> None:
    ds = make.instance("1.2.840.10008.1.3.10")
    ds.ReferencedFileID = ["..", "..", "ETC", "PASSWD"]
    reply = target.ask("POST", "/api/v1/uploads?name=DICOMDIR", {}, make.part10(ds))
    assert json.loads(reply.body)["results"][0]["outcome"] == "skipped"


@pytest.mark.parametrize(
    "begin", [b"MZ\x90\0", b"\x7fELF\x02\x01\x01", b"II*\0\x08\0\0\0", b"%PDF-1.7", b"#!/bin/sh\n", b"<html>"]
)
def test_a_preamble_of_another_format_is_zeroed_on_entry(begin: bytes, target: Target) -> None:
    ds = make.ct_slice(rows=4)
    assert target.stow(begin.ljust(128, b"\x90") + make.part10(ds)[128:]).status == 200
    reply = target.ask("GET", target.path_of(ds), {"Accept": "application/dicom; transfer-syntax=*"})
    assert reply.body[:132] == bytes(128) + b"DICM"
    ds = make.ct_slice(rows=4)
    file = begin.ljust(128, b"\x90") + make.part10(ds)[128:]
    assert b'"stored"' in target.ask("POST", "/api/v1/uploads?name=a.exe", {}, file).body
    for blob in (target.server.data / "blobs").rglob("*.dcm"):
        with blob.open("rb") as file:
            assert file.read(132) == bytes(128) + b"DICM"


def test_texts_with_markup_and_control_characters_stay_texts(target: Target) -> None:
    ds = make.ct_slice(
        rows=4,
        PatientName=f"{MARKUP}^\x1b[31m",
        PatientID="=1+1\r\nX: y",
        StudyDescription=INJECTION,
        SeriesDescription="..\\../evil\x07\u202e",
        AccessionNumber="'; DROP--",
    )
    with target.unharmed():
        assert target.stow(make.part10(ds)).status == 200
        study = f"/dicomweb/studies/{ds.StudyInstanceUID}"
        for path, accept in (
            (study, "application/zip"),
            (f"{study}/metadata", "application/dicom+json"),
            (f"/dicomweb/studies?StudyInstanceUID={ds.StudyInstanceUID}", "application/dicom+json"),
            (f"{study}/rendered", "image/png"),
            (f"/api/v1/studies/{ds.StudyInstanceUID}", "application/json"),
        ):
            reply = target.ask("GET", path, {"Accept": accept})
            assert reply.status == 200, (path, reply.body[:300])
            assert "set-cookie" not in reply.headers
            assert "html" not in reply.headers["content-type"]
            assert reply.headers["x-content-type-options"] == "nosniff"
            assert "evil" not in reply.headers.get("content-disposition", "")
        zipped = target.ask("GET", study, {"Accept": "application/zip"})
        for name in zipfile.ZipFile(io.BytesIO(zipped.body)).namelist():
            assert ".." not in name
            assert name.isascii() and name.isprintable() and not name.startswith("/")


def test_a_report_with_markup_is_a_page_on_which_it_is_text(target: Target) -> None:
    ds = make.text_report(PatientName=MARKUP, StudyDescription=INJECTION, CompletionFlag=MARKUP)
    finding = ds.ContentSequence[0]
    finding.TextValue = f"{MARKUP}\x00\x1b[31m<img src=x onerror=alert(1)>"
    finding.ConceptNameCodeSequence[0].CodeMeaning = f'"onmouseover="alert(1)" {MARKUP}'
    with target.unharmed():
        assert target.stow(make.part10(ds)).status == 200
        reply = target.ask("GET", f"{target.path_of(ds)}/rendered", {"Accept": "text/html"})
    assert reply.status == 200
    assert b"&lt;script&gt;" in reply.body
    assert all(each not in reply.body for each in (b"<script", b"<img", b'"onmouseover', b"\x1b", b"\0"))
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_a_document_that_calls_itself_a_page_is_not_shown_as_one(target: Target) -> None:
    ds = make.instance("1.2.840.10008.5.1.4.1.1.104.1", MIMETypeOfEncapsulatedDocument="text/html")
    ds.EncapsulatedDocument = b"<html><script>alert(1)</script></html>"
    assert target.stow(make.part10(ds)).status == 200
    reply = target.ask("GET", f"{target.path_of(ds)}/rendered", {"Accept": "*/*"})
    assert "html" not in reply.headers["content-type"]
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "title", [MARKUP[:16], "\x1b[31mEVIL", "A\r\nB: C", "../../evil", "\xff\xfe", "A\\B", "{0}%s%n"]
)
def test_an_ae_title_of_a_stranger_does_not_break_a_line_of_the_log(title: str, target: Target) -> None:
    with target.unharmed(), pytest.raises(Rejected):
        connect(
            "127.0.0.1",
            target.server.dicom_port,
            called_ae="FILMLESS",
            calling_ae=title,
            contexts=[(VERIFICATION, [IMPLICIT_LE])],
        )
    for line in target.server.log().splitlines()[-20:]:
        json.loads(line)
    assert "\x1b" not in target.server.log()


@pytest.mark.parametrize("uid", ["../../evil", "/etc/evil", "<b>evil</b>", "1.2\r\n3", "*", "\x1b[31m", ""])
@pytest.mark.parametrize("where", ["command", "data set", "both"])
def test_a_uid_in_a_c_store_that_is_a_path_or_markup_is_refused(where: str, uid: str, target: Target) -> None:
    ds = make.ct_slice(rows=4)
    data = make.dataset_bytes(ds, make.IMPLICIT_LE)
    if where != "command":
        old = str(ds.SOPInstanceUID)
        old += "\0" * (len(old) % 2)
        data = data.replace(old.encode(), uid.ljust(len(old), "\0").encode())
    command = store_command(uid=str(ds.SOPInstanceUID) if where == "data set" else uid)
    peer = Raw(target.server.dicom_port)
    peer.send(request_of((CT, IMPLICIT_LE), called="FILMLESS", calling="TEST"))
    assert peer.read_pdu()[0] == pdus.ASSOCIATE_AC
    peer.send(p_data(1, command, command=True) + p_data(1, data, command=False))
    kind, body = peer.read_pdu()
    peer.close()
    assert kind == pdus.ABORT or c.decode_command(body[6:]).status != c.SUCCESS, c.decode_command(body[6:])
    assert target.ask("GET", target.path_of(ds) + "/metadata").status == 404
    assert files_of(target) == set()


@pytest.mark.parametrize("title", [MARKUP, "A\r\nB: C", "../../evil", "A\\B", "", " ", "\x1b[31m", "A" * 17, "\0"])
def test_an_ae_title_that_cannot_be_one_is_no_peer(title: str, target: Target) -> None:
    peer = {"aeTitle": title, "host": "127.0.0.1", "port": 104, "allow": []}
    headers = {"Content-Type": "application/json"}
    reply = target.ask("POST", "/api/v1/peers", headers, json.dumps(peer).encode())
    assert reply.status in {400, 422} or (title == "../../evil" and reply.status in {201, 409})  # of allowed characters
    assert MARKUP not in target.ask("GET", "/api/v1/peers").body.decode()
    assert files_of(target) == set()


def test_a_host_of_a_peer_is_a_host(target: Target) -> None:
    headers = {"Content-Type": "application/json"}
    for host in ("a b", MARKUP, "http://x/", "a\r\nb", "", "x" * 3000, "127.0.0.1;reboot", "$(reboot)"):
        peer = {"aeTitle": "HOSTILE", "host": host, "port": 104, "allow": []}
        assert target.ask("POST", "/api/v1/peers", headers, json.dumps(peer).encode()).status in {400, 422}, host


def test_a_move_to_a_destination_that_is_a_path_or_markup_is_refused(target: Target) -> None:
    study_root_move = "1.2.840.10008.5.1.4.1.2.2.2"
    for destination in (MARKUP[:16], "../../etc/passwd", "\x1b[31m", "A\\B"):
        with connect(
            "127.0.0.1",
            target.server.dicom_port,
            called_ae="FILMLESS",
            calling_ae="TEST",
            contexts=[(study_root_move, [IMPLICIT_LE])],
        ) as association:
            (context,) = association.contexts.values()
            request: dict[int, c.Value] = {
                c.AFFECTED_SOP_CLASS_UID: study_root_move,
                c.COMMAND_FIELD: c.C_MOVE_RQ,
                c.MESSAGE_ID: 1,
                c.PRIORITY: 0,
                c.MOVE_DESTINATION: destination,
                c.COMMAND_DATA_SET_TYPE: c.DATA_SET,
            }
            key = struct.pack("<HHL", 0x0008, 0x0052, 6) + b"STUDY " + struct.pack("<HHL", 0x0020, 0x000D, 4) + b"1.2\0"
            association.send_message(context.context_id, request, key)
            _, answer = association.read_command(20)
            assert answer.status == 0xA801  # Refused: Move Destination unknown


def test_no_text_of_a_request_breaks_a_line_of_the_log(target: Target) -> None:
    nasty = "%0d%0a%1b[31mFORGED%c2%85%e2%80%a8"
    with target.unharmed():
        for path in (
            f"/{nasty}",
            f"/dicomweb/studies/{nasty}",
            f"/api/v1/studies/{nasty}",
            f"/dicomweb/studies?{nasty}=1",
        ):
            target.ask("GET", path, {"User-Agent": "a\tb\x1b[31m\xff", "X-Request-Id": "a\tb"})
        target.stow(b"\r\nFORGED")
        assert target.stow(make.part10(make.ct_slice(rows=4, Modality="C\r\nFORGED"))).status == 200
    log = target.server.log()
    for line in log.splitlines():
        json.loads(line)
    assert not any(each in log for each in "\x1b\x85\u2028")


def test_the_log_in_text_form_keeps_each_event_on_one_line() -> None:
    code = (
        "import logging, structlog; from filmless.app.logs import configure_logs; from filmless.config import Settings;"
        "configure_logs(Settings(log_format='text'), 'web');"
        "said = 'a\\r\\nFORGED \\x1b[31m\\x85\\u2028\\u202e<b>';"
        "structlog.get_logger().warning(said, reason=said); logging.getLogger('x').warning(said)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert r"a\r\nFORGED \x1b[31m\x85\u2028\u202e<b>" in line
        assert "\x1b[31m\x85" not in line


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/assets/../../../etc/passwd",
        "/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..\\..\\config.py",
        "//etc/passwd",
        "/%00",
        "/" + "a/" * 5000,
        f"/{quote(MARKUP)}",
    ],
)
def test_the_screen_gives_no_file_but_its_own(path: str, target: Target) -> None:
    reply = target.ask("GET", path, known=False)
    assert reply.status in {200, 400, 404, 414}
    assert b"root:" not in reply.body
    assert MARKUP.encode() not in reply.body
