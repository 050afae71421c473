"""Names and texts that mean something elsewhere: paths, markup, control characters, other files' first bytes."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest

import make
from filmless.dimse.client import Rejected, connect
from hostile_wire import Target
from wire import IMPLICIT_LE, VERIFICATION

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
