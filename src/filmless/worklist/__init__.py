"""The worklist: Unified Procedure Steps (PS3.4 annex CC), their states, who is told of them.

In: workitems and changes to them as DICOM JSON, from DIMSE and HTTP alike. Out: workitems, searches over them, event
reports in the order in which they came about. Not here: statuses of a protocol (the doors), the wire (`dimse`).
"""
