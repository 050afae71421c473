"""Sample studies for `filmless demo`: what a department sees in a day, made here or taken from packages with data.

In: a folder to write to. Out: Part 10 files, sent through the ordinary import. Not here: anything the product needs.
Every generated organ has a known value (`phantoms.py`), so measurements on the samples can be checked.
"""
