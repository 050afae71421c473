"""Finding studies: keys come in, rows of the archive's tables go out.

`search` answers C-FIND and QIDO-RS (PS3.4 C.4.1, PS3.18 10.6) in the DICOM JSON Model, `listing` the screen.
Matching rules are pure functions in `matching`; `conditions` says the same in SQL.
Not here: what a door calls its parameters and statuses, and the instances' bytes (`retrieve`).
"""
