"""A modality that stores without pause and remembers what was acknowledged."""

from __future__ import annotations

import threading
import time
import uuid

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE

import make
from running import RunningServer

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


class Sender(threading.Thread):
    """Stores instances of its own over one association after another, and remembers what was acknowledged."""

    def __init__(self, server: RunningServer, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.server, self.stop_event = server, stop
        self.acknowledged: dict[str, str] = {}
        self.refused: list[int] = []
        self.study = f"2.25.{uuid.uuid4().int}"

    def instance(self, count: int) -> Dataset:
        ds = make.ct_slice(rows=128)
        ds.StudyInstanceUID = self.study
        ds.SeriesInstanceUID = f"{self.study}.{1 + count // 40}"
        ds.SOPInstanceUID = f"{self.study}.9.{count}"
        ds.InstanceNumber = count
        ds.PixelData = np.random.default_rng(count).integers(0, 4000, 128 * 128, np.uint16).tobytes()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        return ds

    def run(self) -> None:
        ae, count = AE("TEST"), 0
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = 5
        ae.add_requested_context(CT_IMAGE, ExplicitVRLittleEndian)
        ds = self.instance(count)
        while not self.stop_event.is_set():
            association = ae.associate("127.0.0.1", self.server.dicom_port, ae_title="FILMLESS")
            while association.is_established and not self.stop_event.is_set():
                try:
                    status = association.send_c_store(ds)
                except RuntimeError:
                    break
                if "Status" not in status:
                    break  # unanswered: it may or may not be there, and is sent again
                if status.Status == 0x0000:
                    self.acknowledged[ds.SOPInstanceUID] = make.dataset_bytes(ds).hex()[-64:]
                    count += 1
                    ds = self.instance(count)
                else:
                    self.refused.append(status.Status)
                    break
            if association.is_established:
                association.release()
            time.sleep(0.1)
