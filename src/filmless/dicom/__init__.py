"""The standard as pure functions: buffers in, values out, and nothing is opened, kept or sent here.

In: Part 10 files and bare data sets in any transfer syntax, DICOM JSON. Out: headers with offsets, DICOM JSON, bytes,
frame tables, names folded for search. Every loop, depth and allocation is bounded by `scanner.ScanLimits`.
Not here: sockets (`dimse/`), files and rows (`archive/`).
"""
