"""The DICOM JSON Model and the Native DICOM Model in XML, as nobody who means well would write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydicom.uid import generate_uid

import make
from filmless.dicom.xml import to_xml
from hostile_wire import MIB, Reply, Target

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("hostile")]

XML = "application/dicom+xml"
JSON = "application/dicom+json"


def send(target: Target, media_type: str, body: bytes, bulk: bytes = b"") -> Reply:
    """STOW-RS of metadata; `bulk` are further parts, whole."""
    said = f'multipart/related; type="{media_type}"; boundary=b'
    head = f"--b\r\nContent-Type: {media_type}\r\n\r\n".encode()
    return target.ask("POST", "/dicomweb/studies", {"Content-Type": said}, head + body + b"\r\n" + bulk + b"--b--\r\n")


def part(location: str, body: bytes = b"x", media_type: str = "application/octet-stream") -> bytes:
    return f"--b\r\nContent-Type: {media_type}\r\nContent-Location: {location}\r\n\r\n".encode() + body + b"\r\n"


def dataset(**more: Any) -> dict[str, Any]:
    return {
        "00080016": {"vr": "UI", "Value": ["1.2.3.4"]},  # of a private class nothing more is required
        "00080018": {"vr": "UI", "Value": [generate_uid()]},
        "0020000D": {"vr": "UI", "Value": [generate_uid()]},
        "0020000E": {"vr": "UI", "Value": [generate_uid()]},
        **more,
    }


# XML ------------------------------------------------------------------------------------------------------------------


def model(inner: str, head: str = "") -> bytes:
    right = to_xml(dataset()).decode().partition('preserve">')[2].partition("</NativeDicomModel>")[0]
    return f"<?xml version='1.0'?>{head}<NativeDicomModel>{inner}{right}</NativeDicomModel>".encode()


def laughs() -> bytes:
    """Ten entities that are each ten of the one before, and so on nine times: a gigabyte."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    name = "<DicomAttribute tag='00100020' vr='LO'><Value number='1'>&l9;</Value></DicomAttribute>"
    return model(name, f'<!DOCTYPE x [<!ENTITY l0 "lolololol">{entities}]>')


def doctype(inner: str) -> bytes:
    return model("<DicomAttribute tag='00100020' vr='LO'><Value number='1'>&a;</Value></DicomAttribute>", inner)


def attributes(count: int, inner: str) -> bytes:
    return model("".join(f"<DicomAttribute tag='0009{n:04X}' vr='LO'>{inner}</DicomAttribute>" for n in range(count)))


XML_BOMBS: dict[str, Callable[[], bytes]] = {
    "a billion laughs": laughs,
    "one long entity, many times": lambda: doctype(f'<!DOCTYPE x [<!ENTITY a "{"a" * MIB}">]>').replace(
        b"&a;", b"&a;" * 5000
    ),
    "a file": lambda: doctype('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'),
    "another server": lambda: doctype('<!DOCTYPE x [<!ENTITY a SYSTEM "http://127.0.0.1:1/x">]>'),
    "a parameter entity": lambda: doctype('<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>'),
    "a DOCTYPE in UTF-16": lambda: doctype('<!DOCTYPE x SYSTEM "/dev/zero">').decode().encode("utf-16"),
    "a DOCTYPE in UTF-7": lambda: b"<?xml version='1.0' encoding='UTF-7'?>+ADwAIQ-DOCTYPE x+AD4-<NativeDicomModel/>",
    "items ten thousand deep": lambda: model("<DicomAttribute tag='00081140' vr='SQ'><Item number='1'>" * 10_000),
    "elements that have no place": lambda: model("<a>" * 100_000),
    "many attributes": lambda: attributes(65_536, "<Value/><Value/><Value/>"),
    "numbers left out": lambda: attributes(5000, "".join(f"<Value number='{n}001'/>" for n in range(20))),
    "many values": lambda: attributes(1, "<Value/>" * 2_000_000),
    "a long text": lambda: attributes(1, f"<Value number='1'>{'a' * 12 * MIB}</Value>"),
    "a long name": lambda: model(f"<{'a' * 10 * MIB}/>"),
    "many XML attributes": lambda: model("<DicomAttribute " + " ".join(f"a{n}=''" for n in range(200_000)) + "/>"),
    "many namespaces": lambda: model("<DicomAttribute " + " ".join(f"xmlns:a{n}='b'" for n in range(100_000)) + "/>"),
    "longer than may be": lambda: model(" " * 40 * MIB),
}


@pytest.mark.parametrize("bomb", XML_BOMBS)
def test_an_xml_bomb_is_refused(bomb: str, target: Target) -> None:
    with target.unharmed():
        reply = send(target, XML, XML_BOMBS[bomb]())
    assert reply.status in {409, 413}
    assert b"root:" not in reply.body
    assert len(reply.body) < 2000


@pytest.mark.parametrize("noise", ["<!---->", "<?xml-stylesheet href='http://127.0.0.1:1/x'?>", "<![CDATA[]]>", " "])
def test_what_says_nothing_in_xml_costs_nothing(noise: str, target: Target) -> None:
    with target.unharmed():
        assert send(target, XML, model(noise * 100_000)).status == 200


# JSON -----------------------------------------------------------------------------------------------------------------


def test_what_the_bombs_are_made_of_is_stored(target: Target) -> None:
    """So that each of them is refused for what it is, not for what it lacks."""
    assert send(target, JSON, json.dumps([dataset()]).encode()).status == 200
    assert send(target, JSON, with_text(b'{"vr":"LO","Value":["a"]}')).status == 200
    assert send(target, JSON, nested(40)).status == 200
    assert send(target, XML, to_xml(dataset())).status == 200


def with_text(text: bytes) -> bytes:
    """A data set that is right but for one more attribute of any text."""
    return json.dumps([dataset()]).encode()[:-2] + b', "00091010": ' + text + b"}]"


def nested(depth: int) -> bytes:
    return with_text(b'{"vr":"SQ","Value":[{"00091010":' * depth + b"{}" + b"}]}" * depth)


JSON_BOMBS: dict[str, Callable[[], bytes]] = {
    "sequences ten thousand deep": lambda: nested(10_000),
    "sequences three hundred deep": lambda: nested(300),
    "sequences seventy deep": lambda: nested(70),
    "many empty data sets": lambda: b"[" + b"{}," * 5_000_000 + b"{}]",
    "many empty items": lambda: with_text(b'{"vr":"SQ","Value":[' + b"{}," * 5_000_000 + b"{}]}"),
    "many values": lambda: with_text(b'{"vr":"LO","Value":[' + b'"a",' * 5_000_000 + b'"a"]}'),
    "a long number": lambda: with_text(b'{"vr":"IS","Value":[' + b"9" * MIB + b"]}"),
    "a number of another kind": lambda: with_text(b'{"vr":"US","Value":[1e400,-1,70000]}'),
    "values that are objects": lambda: with_text(b'{"vr":"LO","Value":[{"a":1},[[]],null]}'),
    "a VR that is none": lambda: with_text(b'{"vr":"\\u0000<b>","Value":["a"]}'),
    "no base64": lambda: with_text(b'{"vr":"OB","InlineBinary":"\\uD800!!"}'),
    "half a character": lambda: with_text(b'{"vr":"LO","Value":["\xed\xa0\x80"]}'),
    "longer than may be": lambda: b"[" + b" " * 40 * MIB + b"]",
}


@pytest.mark.parametrize("bomb", JSON_BOMBS)
def test_a_json_bomb_is_refused(bomb: str, target: Target) -> None:
    with target.unharmed():
        reply = send(target, JSON, JSON_BOMBS[bomb]())
    assert reply.status in {409, 413}
    assert len(reply.body) < 2000


@pytest.mark.parametrize("tag", ["00080018", "0020000D", "0020000E", "00080016"])
@pytest.mark.parametrize("uid", ["../../evil", "/etc/evil", "1.2\0.3", "<b>", "1.2\r\n3", "*", "", 5, None, {}, ["1"]])
def test_a_uid_in_metadata_that_is_a_path_or_markup_is_refused(tag: str, uid: object, target: Target) -> None:
    bad = dataset(**{tag: {"vr": "UI", "Value": [uid]}})
    reply = send(target, JSON, json.dumps([bad]).encode())
    assert reply.status == 409
    assert list(target.server.data.parent.rglob("*evil*")) == []


@pytest.mark.parametrize(
    "uri",
    ["file:///etc/passwd", "/etc/passwd", "../../../etc/passwd", "http://127.0.0.1:1/x", "\\\\host\\share", "a\0"],
)
def test_bulk_data_are_taken_from_the_request_and_from_nowhere_else(uri: str, target: Target) -> None:
    """An address in metadata is a name for a part: it is never opened."""
    bad = dataset(**{"00091010": {"vr": "OB", "BulkDataURI": uri}})
    reply = send(target, JSON, json.dumps([bad]).encode())
    assert reply.status == 409
    assert b"did not come" in reply.body
    assert b"root:" not in reply.body


def test_a_flood_of_bulk_data_that_nobody_named_is_cut_short(target: Target) -> None:
    with target.unharmed():
        reply = send(target, JSON, json.dumps([dataset()]).encode(), b"".join(part(f"x{n}") for n in range(20_000)))
    assert reply.status == 202
    assert reply.body.count(b"00081197") == 51


def test_a_flood_of_metadata_parts_is_cut_short(target: Target) -> None:
    flood = f"--b\r\nContent-Type: {JSON}\r\n\r\n[]x\r\n".encode() * 20_000
    with target.unharmed():
        assert send(target, JSON, b"[]x", flood).status == 413


def test_more_bulk_data_than_may_be_waited_for_are_refused(target: Target) -> None:
    wanted = {f"0009{0x1000 + n:04X}": {"vr": "OB", "BulkDataURI": f"x{n}"} for n in range(20_000)}
    with target.unharmed():
        reply = send(target, JSON, json.dumps([dataset(**wanted)]).encode(), part("x1"))
    assert reply.status == 409
    assert b"stow_bulk_waiting_max" in reply.body or b"waited for at once" in reply.body


# Workitems ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bomb", [bomb for bomb in JSON_BOMBS if bomb != "longer than may be"])
def test_a_workitem_that_is_a_bomb_is_refused(bomb: str, target: Target) -> None:
    with target.unharmed():
        reply = target.ask("POST", "/dicomweb/workitems", {"Content-Type": JSON}, JSON_BOMBS[bomb]())
    assert reply.status in {400, 409, 413}


@pytest.mark.parametrize("uid", ["..%2f..%2fevil", "%00", "%0d%0aX:y", "<b>", "*", "1" * 5000])
def test_a_workitem_under_a_uid_that_is_a_path_or_markup_is_refused(uid: str, target: Target) -> None:
    body = json.dumps([dataset()]).encode()
    try:
        reply = target.ask("POST", f"/dicomweb/workitems?workitem={uid}", {"Content-Type": JSON}, body)
    except ValueError:
        return
    assert reply.status in {400, 414}
    assert "x" not in reply.headers
    assert b"<b>" not in reply.body


# What was kept --------------------------------------------------------------------------------------------------------


def test_a_sequence_as_deep_as_may_be_is_kept_and_given_in_every_form(target: Target) -> None:
    """The deepest that is read can be written, in each of the forms: no reader's limit is above a writer's."""
    ds = make.nested(60)
    path = target.path_of(ds)
    with target.unharmed():
        assert target.stow(make.part10(ds)).status == 200
        for accept in (JSON, f'multipart/related; type="{XML}"'):
            assert target.ask("GET", f"{path}/metadata", {"Accept": accept}).status == 200
        assert target.ask("GET", path.replace("/dicomweb", "/api/v1") + "/tags").status == 200
