"""Reading: what a reader says of images, written as DICOM objects of the study and stored like any other instance.

In: the choices of a reader, by UID (key images, how a viewport looked, what was drawn). Out: the UIDs of the
object; the marks in reports, ours and those of others. Marks that are no report yet are drafts (`tables.py`).
Not here: reading other objects back (the viewer does, from their metadata), how bytes are kept (`store`).
"""
