"""DICOMweb (PS3.18) under /dicomweb: STOW-RS, QIDO-RS, WADO-RS with rendered forms and thumbnails.

In: HTTP requests of a recognised caller. Out: answers by `store`, `query` and `retrieve`, streamed both ways.
Not here: who the caller is (`access.http`), what an instance is, SQL.
"""
