"""/metrics of a whole server tells what its DICOM process did."""

from __future__ import annotations

import os
import re
import signal
import socket
from io import BytesIO
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE

import make
from filmless.archive import Archive
from filmless.archive.processes import list_processes
from filmless.config import Settings
from running import RunningServer
from waiting import until

pytestmark = pytest.mark.system

CT = "1.2.840.10008.5.1.4.1.1.2"
VERIFICATION = "1.2.840.10008.1.1"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"


def sendable(**attributes: Any) -> Dataset:
    """A slice as pynetdicom wants to have it."""
    return dcmread(BytesIO(make.part10(make.ct_slice(**attributes))))


def metrics_of(server: RunningServer) -> dict[str, float]:
    status, body, _ = server.get("/metrics")
    assert status == 200
    lines = re.findall(r"^(filmless_dimse_\S+) (\S+)$", body.decode(), re.MULTILINE)
    return {name: float(value) for name, value in lines}


def test_metrics_tell_of_associations_operations_and_bytes(server: RunningServer) -> None:
    def associate(calling: str = "TEST", called: str = "FILMLESS") -> Any:
        ae = AE(calling)
        for uid in (VERIFICATION, CT, STUDY_ROOT_FIND):
            ae.add_requested_context(uid)
        return ae.associate("127.0.0.1", server.dicom_port, ae_title=called)

    ds = sendable(rows=256)
    association = associate()
    assert association.send_c_echo().Status == 0
    assert association.send_c_store(ds).Status == 0
    wrong = sendable(rows=16)
    del wrong.StudyInstanceUID
    assert association.send_c_store(wrong).Status >> 12 == 0xC
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", str(ds.StudyInstanceUID)
    assert [status.Status for status, _ in association.send_c_find(query, STUDY_ROOT_FIND)] == [0xFF00, 0x0000]
    assert metrics_of(server)["filmless_dimse_associations_open"] == 1
    association.release()
    assert associate(calling="NOBODY").is_rejected
    assert associate(called="OTHER").is_rejected
    socket.create_connection(("127.0.0.1", server.dicom_port)).close()

    until(lambda: metrics_of(server).get('filmless_dimse_associations_refused_total{reason="no_request"}') == 1)
    told = metrics_of(server)
    assert told["filmless_dimse_associations_open"] == 0
    assert told["filmless_dimse_associations_accepted_total"] == 1
    assert told['filmless_dimse_associations_refused_total{reason="calling_ae_not_recognized"}'] == 1
    assert told['filmless_dimse_associations_refused_total{reason="called_ae_not_recognized"}'] == 1
    assert told['filmless_dimse_operations_total{operation="C-ECHO",status="success"}'] == 1
    assert told['filmless_dimse_operations_total{operation="C-STORE",status="success"}'] == 1
    assert told['filmless_dimse_operations_total{operation="C-STORE",status="failure"}'] == 1
    assert told['filmless_dimse_operations_total{operation="C-FIND",status="success"}'] == 1
    assert told['filmless_dimse_operation_seconds_count{operation="C-STORE"}'] == 2
    assert told['filmless_dimse_operation_seconds_bucket{le="+Inf",operation="C-FIND"}'] == 1
    assert 256 * 256 * 2 < told['filmless_dimse_bytes_total{direction="in"}'] < 256 * 256 * 2 + 50_000
    assert 0 < told['filmless_dimse_bytes_total{direction="out"}'] < 50_000


def test_an_association_of_a_process_that_was_killed_is_not_counted_as_open(server: RunningServer) -> None:
    ae = AE("TEST")
    ae.add_requested_context(VERIFICATION)
    association = ae.associate("127.0.0.1", server.dicom_port, ae_title="FILMLESS")
    assert association.is_established
    assert metrics_of(server)["filmless_dimse_associations_open"] == 1
    with Archive.open(Settings(data=server.data)) as archive, archive.reading() as session:
        (dicom,) = [process for process in list_processes(session) if process.role == "dicom"]

    os.kill(dicom.pid, signal.SIGKILL)

    until(lambda: metrics_of(server).get("filmless_dimse_associations_open", 0) == 0)
    assert metrics_of(server)["filmless_dimse_associations_accepted_total"] == 1
