"""DIMSE (PS3.7) over the DICOM upper layer (PS3.8), as a library: `Server` answers, `connect` asks.

In: sockets, limits, a callback that admits associations and one handler per command. Out: statuses, and data
sets passed on piece by piece as they arrive. Not here: the archive, who may do what, settings, jobs.
"""
