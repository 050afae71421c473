"""The DICOM door: DIMSE services as SCP (PS3.4), one file a service.

In: associations of known peers. Out: statuses, and what store, query and retrieve give. Not here: the wire
(`dimse`), what is stored, matched or sent (the verbs), who may do what (`access`).
"""
