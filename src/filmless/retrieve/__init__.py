"""What is taken out of the archive: instances, frames, bulk data, metadata, pictures, ZIP files.

In: a principal, UIDs, and the form wanted. Out: byte ranges as stored wherever that will do, else iterators of bytes.
Stored pixel data is decoded only in the child processes of `decoding.py`.
Not here: searching (`query`), the protocols (`scp`, `dicomweb`, `api`).
"""
