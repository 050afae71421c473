"""Reading: what a reader says of images, written as DICOM objects of the study and stored like any other instance.

In: the choices of a reader, by UID (key images, how a viewport looked, what was drawn). Out: the UIDs of the object.
Not here: reading such objects back (the viewer does, from their metadata), how bytes are kept (`store`).
"""
