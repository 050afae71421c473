"""Every real DICOM file goes in, and what comes out is what went in, to the byte.

DCMTK's storescu sends them. It writes a data set anew when it sends it, so a recorder takes the same sending first and
what it saw on the wire is what is expected back. What storescu cannot read goes in by STOW-RS. What becomes of each
file is worked out from its bytes by pydicom alone: the first of a SOP Instance UID is stored, the same again is
welcome, other bytes are a conflict.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import _read_file_meta_info, read_preamble
from pynetdicom import AE, evt
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import register_uid, uid_to_service_class

from filmless.dimse.client import connect
from filmless.dimse.pdus import RoleSelection
from real_files import real_files
from running import RunningServer, children_of
from wire import Stored

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(240),
    pytest.mark.filterwarnings("ignore::UserWarning"),  # pydicom's, of what is odd in the files
]

STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
PALETTE, PALETTE_GET = "1.2.840.10008.5.1.4.39.1", "1.2.840.10008.5.1.4.39.4"
"""Color palettes are the real files that belong to no patient."""
IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
GETSCU_OPTIONS = {
    EXPLICIT_LE: "+xe",
    EXPLICIT_BE: "+xb",
    "1.2.840.10008.1.2.5": "+xr",
    "1.2.840.10008.1.2.4.50": "+xy",
    "1.2.840.10008.1.2.4.51": "+xx",
    "1.2.840.10008.1.2.4.70": "+xs",
    "1.2.840.10008.1.2.4.80": "+xt",
    "1.2.840.10008.1.2.4.81": "+xu",
    "1.2.840.10008.1.2.4.90": "+xv",
    "1.2.840.10008.1.2.4.91": "+xw",
}
"""Not +xi, with which getscu 3.6.7 proposes explicit VR, nor +xd, for it refuses to write deflated data sets unread."""
SUCCESS, CONFLICT = 0x0000, 0x0111
CONTEXTS_MAX = 120
IDENTITY = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


@dataclass(frozen=True)
class Sending:
    """One file as it was sent."""

    path: Path
    door: str
    transfer_syntax: str
    data_set: bytes = field(repr=False)
    uids: tuple[str, ...]  # as IDENTITY; "" for what is missing
    status: int
    reason: str = ""

    @property
    def instance(self) -> str:
        return self.uids[1]


def read_identity(part10: bytes) -> tuple[str, ...]:
    """What pydicom finds in the data set; of the SOP class also what group 0002 says."""
    found = pydicom.dcmread(BytesIO(part10), stop_before_pixels=True, force=True, specific_tags=list(IDENTITY))
    uids = [str(found.get(name) or "").strip() for name in IDENTITY]
    uids[0] = uids[0] or str(found.file_meta.get("MediaStorageSOPClassUID", ""))
    return tuple(uids)


def data_set_of(part10: bytes) -> bytes:
    """What follows group 0002."""
    file = BytesIO(part10)
    read_preamble(file, force=True)
    _read_file_meta_info(file)
    return part10[file.tell() :]


def claims_of(path: Path) -> tuple[str, str]:
    """SOP class and transfer syntax as the file names them; "" where it does not."""
    try:
        found = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=["SOPClassUID"])
    except Exception:  # pydicom raises many kinds
        return "", ""
    return str(found.get("SOPClassUID", "")), str(found.file_meta.get("TransferSyntaxUID", ""))


def syntax_of(path: Path) -> str:
    """The transfer syntax that a file names, else the one that it seems to be in."""
    if named := claims_of(path)[1]:
        return named
    encoding = pydicom.dcmread(path, stop_before_pixels=True, force=True).original_encoding
    return {(True, True): IMPLICIT_LE, (False, True): EXPLICIT_LE, (False, False): EXPLICIT_BE}[encoding]


def write_profile(path: Path, transfer_syntax: str, sop_classes: list[str]) -> None:
    """A configuration that has storescu propose these classes in one syntax."""
    lines = ["[[TransferSyntaxes]]", "[Only]", f"TransferSyntax1 = {transfer_syntax}", "[[PresentationContexts]]"]
    lines += ["[Sent]", *(f"PresentationContext{n} = {uid}\\Only" for n, uid in enumerate(sop_classes, 1))]
    lines += ["[[Profiles]]", "[All]", "PresentationContexts = Sent"]
    path.write_text("\n".join(lines) + "\n")


def know_as_storage(sop_class: str) -> None:
    """Have pynetdicom take instances of a class that it does not know: a retired or a private one."""
    if uid_to_service_class(sop_class) is not StorageServiceClass:
        register_uid(sop_class, f"Class{sop_class.replace('.', '_')}", StorageServiceClass)


def storescu(port: int, profile: Path, paths: list[Path]) -> dict[Path, int]:
    """Send files; return the status of each that was answered, in order."""
    words = ["storescu", "-d", "-nh", "-aet", "TEST", "-aec", "FILMLESS", "-xf", profile, "All", "127.0.0.1", str(port)]
    done = subprocess.run([*words, *paths], capture_output=True, check=False, timeout=120)
    text = (done.stdout + done.stderr).decode(errors="replace")
    answered = {}
    for block in text.split("I: Sending file: ")[1:]:
        status = re.search(r"DIMSE Status\s*: 0x([0-9a-fA-F]{4})", block)
        if status:
            answered[Path(block.split("\n", 1)[0].strip())] = int(status[1], 16)
    return answered


def send_by_storescu(server: RunningServer, paths: list[Path], folder: Path) -> Iterator[Sending]:
    """Send each syntax over one association, to a recorder and to the server."""
    groups: dict[str, list[tuple[Path, str]]] = defaultdict(list)
    for path in paths:
        sop_class, transfer_syntax = claims_of(path)
        if sop_class and transfer_syntax:
            groups[transfer_syntax].append((path, sop_class))
    seen: list[tuple[str, bytes, bytes]] = []

    def record(event: evt.Event) -> int:
        data_set = event.request.DataSet.getvalue()
        seen.append((event.context.transfer_syntax, data_set, event.encoded_dataset()))
        return SUCCESS

    recorder = AE("FILMLESS")
    for transfer_syntax, members in groups.items():
        for sop_class in {sop_class for _, sop_class in members}:
            know_as_storage(sop_class)
            recorder.add_supported_context(sop_class, transfer_syntax)
    listener = recorder.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, record)])
    try:
        for transfer_syntax, members in groups.items():
            profile = folder / f"{transfer_syntax}.cfg"
            write_profile(profile, transfer_syntax, sorted({sop_class for _, sop_class in members}))
            files = [path for path, _ in members]
            seen.clear()
            recorded = list(storescu(listener.server_address[1], profile, files))
            assert len(recorded) == len(seen)
            wire = dict(zip(recorded, seen, strict=True))
            for path, status in storescu(server.dicom_port, profile, files).items():
                syntax, data_set, part10 = wire[path]
                yield Sending(path, "storescu", syntax, data_set, read_identity(part10), status)
    finally:
        listener.shutdown()


def send_by_stow(server: RunningServer, path: Path) -> Sending:
    """POST one file as it is."""
    content = path.read_bytes()
    headers = {"Authorization": f"Bearer {server.sign_in()}", "Content-Type": "application/dicom"}
    try:
        with urlopen(Request(f"{server.url}/dicomweb/studies", content, headers), timeout=30) as answer:
            body = answer.read()
    except OSError as error:
        body = error.read()  # type: ignore[attr-defined]
    found = json.loads(body)
    failures = [item for tag in ("00081198", "0008119A") for item in found.get(tag, {}).get("Value", [])]
    status = failures[0]["00081197"]["Value"][0] if failures else SUCCESS
    reason = failures[0].get("00000902", {}).get("Value", [""])[0] if failures else ""
    try:
        uids, data_set, syntax = read_identity(content), data_set_of(content), syntax_of(path)
    except Exception:  # pydicom raises many kinds
        uids, data_set, syntax = ("",) * 4, b"", ""
    return Sending(path, "STOW-RS", syntax, data_set, uids, status, reason)


def is_palette(sending: Sending) -> bool:
    """Whether a file is a color palette that came by a door that takes them."""
    return sending.door == "storescu" and sending.uids[0] == PALETTE


def kept_of(sendings: list[Sending]) -> tuple[dict[str, Sending], Counter[str]]:
    """Judge each sending; return what must be kept now, and how many there were of each outcome."""
    kept: dict[str, Sending] = {}
    counts: Counter[str] = Counter()
    wrong = []
    for sending in sendings:
        if is_palette(sending):
            outcome, is_right = "palette", sending.status == SUCCESS
        elif not all(sending.uids):
            outcome, is_right = "refused", sending.status not in (SUCCESS, CONFLICT)
        elif sending.instance not in kept:
            outcome, is_right = "stored", sending.status == SUCCESS
            kept[sending.instance] = sending
        else:
            first = kept[sending.instance]
            is_same = (first.data_set, first.transfer_syntax) == (sending.data_set, sending.transfer_syntax)
            outcome = "duplicate" if is_same else "conflict"
            is_right = sending.status == (SUCCESS if is_same else CONFLICT)
        counts[outcome] += 1
        if not is_right:
            wrong.append(f"{outcome} expected: {sending}")
    assert not wrong, "\n".join(wrong)
    return kept, counts


def read_multipart(body: bytes, content_type: str) -> list[bytes]:
    """The contents of a multipart/related body."""
    message = Message()
    message["Content-Type"] = content_type
    parts = (b"\r\n" + body).split(b"\r\n--" + str(message.get_param("boundary")).encode())
    assert parts[-1].startswith(b"--")
    return [part.split(b"\r\n\r\n", 1)[1] for part in parts[1:-1]]


def got_by_wado(server: RunningServer, study: str) -> dict[str, tuple[str, bytes]]:
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    status, body, headers = server.get(f"/dicomweb/studies/{study}", accept)
    assert status == 200, (study, status, body[:300])
    got = {}
    for part10 in read_multipart(body, headers["content-type"]):
        found = pydicom.dcmread(BytesIO(part10), stop_before_pixels=True, specific_tags=["SOPInstanceUID"])
        got[str(found.SOPInstanceUID)] = (str(found.file_meta.TransferSyntaxUID), data_set_of(part10))
    return got


def got_palettes(server: RunningServer, palettes: list[Sending]) -> dict[str, tuple[str, bytes]]:
    """C-GET what belongs to no patient."""
    got: list[Stored] = []

    def take(request: Any) -> Stored:
        got.append(Stored(request))
        return got[-1]

    syntaxes = sorted({each.transfer_syntax for each in palettes})
    with connect(
        "127.0.0.1",
        server.dicom_port,
        called_ae="FILMLESS",
        calling_ae="TEST",
        contexts=[(PALETTE_GET, [EXPLICIT_LE]), *((PALETTE, [syntax]) for syntax in syntaxes)],
        roles=[RoleSelection(PALETTE, scu=False, scp=True)],
    ) as association:
        query = {"00080018": {"vr": "UI", "Value": sorted({each.instance for each in palettes})}}
        *_, (status, _) = association.get(PALETTE_GET, query, take)
        assert status == SUCCESS, hex(status)
    return {each.request.sop_instance_uid: (each.request.transfer_syntax_uid, each.data) for each in got}


def got_by_client(server: RunningServer, studies: dict[str, list[Sending]]) -> dict[str, tuple[str, bytes]]:
    """C-GET each study, with one context for each pair of SOP class and syntax in it."""
    got: list[Stored] = []

    def take(request: Any) -> Stored:
        got.append(Stored(request))
        return got[-1]

    for batch, pairs in batches_of(studies):
        with connect(
            "127.0.0.1",
            server.dicom_port,
            called_ae="FILMLESS",
            calling_ae="TEST",
            contexts=[(STUDY_GET, [EXPLICIT_LE]), *((uid, [syntax]) for uid, syntax in sorted(pairs))],
            roles=[RoleSelection(uid, scu=False, scp=True) for uid in sorted({uid for uid, _ in pairs})],
        ) as association:
            for study in batch:
                query = {
                    "00080052": {"vr": "CS", "Value": ["STUDY"]},
                    "0020000D": {"vr": "UI", "Value": [study]},
                }
                *_, (status, _) = association.get(STUDY_GET, query, take)
                assert status == SUCCESS, (study, hex(status))
    return {each.request.sop_instance_uid: (each.request.transfer_syntax_uid, each.data) for each in got}


def batches_of(studies: dict[str, list[Sending]]) -> Iterator[tuple[list[str], set[tuple[str, str]]]]:
    """Studies whose pairs of SOP class and syntax fit into one association."""
    batch: list[str] = []
    pairs: set[tuple[str, str]] = set()
    for study, members in studies.items():
        more = {(each.uids[0], each.transfer_syntax) for each in members}
        if batch and len(pairs | more) > CONTEXTS_MAX:
            yield batch, pairs
            batch, pairs = [], set()
        batch.append(study)
        pairs = pairs | more
    yield batch, pairs


def got_by_getscu(server: RunningServer, study: str, option: str, folder: Path) -> dict[str, tuple[str, bytes]]:
    """C-GET a study as DCMTK does it, written as it was received."""
    folder.mkdir()
    words = ["getscu", "+B", "-S", option, "-aet", "TEST", "-aec", "FILMLESS", "-od", str(folder)]
    words += ["-k", "0008,0052=STUDY", "-k", f"0020,000d={study}", "127.0.0.1", str(server.dicom_port)]
    subprocess.run(words, capture_output=True, check=True, timeout=60)
    got = {}
    for path in folder.iterdir():
        found = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPInstanceUID"])
        got[str(found.SOPInstanceUID)] = (str(found.file_meta.TransferSyntaxUID), data_set_of(path.read_bytes()))
    return got


def assert_same(got: dict[str, tuple[str, bytes]], expected: list[Sending]) -> None:
    assert set(got) == {each.instance for each in expected}
    for each in expected:
        syntax, data_set = got[each.instance]
        assert syntax == each.transfer_syntax, each
        assert data_set == each.data_set, each


def findscu(server: RunningServer, folder: Path, level: str, **keys: str) -> list[Dataset]:
    """C-FIND as DCMTK does it."""
    folder.mkdir(parents=True)
    words = ["findscu", "-S", "-X", "-od", str(folder), "-aet", "TEST", "-aec", "FILMLESS"]
    for keyword, value in {"QueryRetrieveLevel": level, **keys}.items():
        words += ["-k", f"{keyword}={value}"]
    subprocess.run([*words, "127.0.0.1", str(server.dicom_port)], capture_output=True, check=True, timeout=60)
    return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]


def assert_found_by_c_find(server: RunningServer, studies: dict[str, list[Sending]], folder: Path) -> None:
    keys = {"StudyInstanceUID": "", "NumberOfStudyRelatedInstances": ""}
    found = findscu(server, folder / "studies", "STUDY", **keys)
    counts = {str(each.StudyInstanceUID): int(each.NumberOfStudyRelatedInstances) for each in found}
    assert len(found) == len(counts)
    assert counts == {study: len(members) for study, members in studies.items()}
    for study, members in studies.items():
        for series in {each.uids[3] for each in members}:
            keys = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": ""}
            instances = findscu(server, folder / study / series, "IMAGE", **keys)
            expected = sorted(each.instance for each in members if each.uids[3] == series)
            assert sorted(str(each.SOPInstanceUID) for each in instances) == expected


def all_by_qido(server: RunningServer, what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        query = f"/dicomweb/{what}?limit=100&offset={len(found)}&includefield=00201208"
        status, body, _ = server.get(query, "application/dicom+json")
        page = json.loads(body) if status == 200 else []
        if not page:
            assert status in (200, 204)
            return found
        found += page


def assert_found_by_qido(server: RunningServer, studies: dict[str, list[Sending]]) -> None:
    found = all_by_qido(server, "studies")
    counts = {each["0020000D"]["Value"][0]: each["00201208"]["Value"][0] for each in found}
    assert len(found) == len(counts)
    assert counts == {study: len(members) for study, members in studies.items()}
    instances = sorted(each["00080018"]["Value"][0] for each in all_by_qido(server, "instances"))
    assert instances == sorted(each.instance for members in studies.values() for each in members)


def assert_got_back(server: RunningServer, kept: dict[str, Sending], folder: Path) -> None:
    """Each way out gives and finds exactly what is to be kept."""
    studies: dict[str, list[Sending]] = defaultdict(list)
    for sending in kept.values():
        studies[sending.uids[2]].append(sending)
    assert_found_by_c_find(server, studies, folder / "found")
    assert_found_by_qido(server, studies)
    for study, members in studies.items():
        assert_same(got_by_wado(server, study), members)
    assert_same(got_by_client(server, studies), list(kept.values()))
    tried = set()
    for study, members in studies.items():
        syntaxes = {each.transfer_syntax for each in members}
        option = GETSCU_OPTIONS.get(members[0].transfer_syntax)
        if len(syntaxes) == 1 and option and option not in tried:
            tried.add(option)
            assert_same(got_by_getscu(server, study, option, folder / option), members)
    assert {"+xe", "+xb", "+xs", "+xv", "+xy"} <= tried


def test_every_real_file_comes_back_as_it_was_sent(server: RunningServer, tmp_path: Path) -> None:
    assert server.process
    children = children_of(server.process.pid)
    paths = real_files()
    sendings = list(send_by_storescu(server, paths, tmp_path))
    sent = {sending.path for sending in sendings}
    assert len(sent) > 0.8 * len(paths)
    sendings += [send_by_stow(server, path) for path in paths if path not in sent]
    kept, counts = kept_of(sendings)
    print(f"{len(paths)} files, {len(sent)} by storescu: {dict(counts)}")
    assert counts.total() == len(paths)
    assert all(counts[outcome] for outcome in ("stored", "duplicate", "conflict", "refused")), counts
    assert all(each.reason for each in sendings if each.door == "STOW-RS" and each.status != SUCCESS)
    assert_got_back(server, kept, tmp_path)
    palettes = [sending for sending in sendings if is_palette(sending)]
    assert_same(got_palettes(server, palettes), palettes)
    assert children_of(server.process.pid) == children
    assert "Traceback" not in server.log()


def test_every_real_file_posted_as_it_is_comes_back_to_the_byte(server: RunningServer, tmp_path: Path) -> None:
    assert server.process
    children = children_of(server.process.pid)
    sendings = [send_by_stow(server, path) for path in real_files()]
    kept, counts = kept_of(sendings)
    print(f"{len(sendings)} files by STOW-RS: {dict(counts)}")
    assert all(each.reason for each in sendings if each.status != SUCCESS)
    assert_got_back(server, kept, tmp_path)
    assert children_of(server.process.pid) == children
    assert "Traceback" not in server.log()
