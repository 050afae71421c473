"""RFC 2046 5.1: bodies are cut into the same parts however the bytes arrive."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filmless.dicomweb.multipart import HEADERS_MAX_BYTES, Multipart, closing, content_type, new_boundary, part_head
from filmless.errors import Refused


def parts_of(body: bytes, boundary: str = "b", piece: int = 7) -> list[tuple[dict[str, str], bytes]]:
    pieces = [body[start : start + piece] for start in range(0, len(body), piece)]
    source = itertools.chain(pieces, itertools.repeat(b""))
    parts = Multipart(lambda: next(source), boundary).parts()
    return [(dict(part.headers), part.read()) for part in parts]


SIMPLE = b"--b\r\nContent-Type: application/dicom\r\n\r\nfirst\r\n--b\r\n\r\nsecond\r\n--b--\r\n"


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 8, 13, 1000])
def test_parts_are_the_same_however_they_arrive(piece: int) -> None:
    assert parts_of(SIMPLE, piece=piece) == [({"content-type": "application/dicom"}, b"first"), ({}, b"second")]


def test_a_preamble_and_an_epilogue_are_passed_over() -> None:
    assert [data for _, data in parts_of(b"to whom it may concern\r\n" + SIMPLE + b"yours")] == [b"first", b"second"]


def test_line_ends_without_carriage_return_are_read_too() -> None:
    assert [data for _, data in parts_of(SIMPLE.replace(b"\r\n", b"\n"))] == [b"first", b"second"]


def test_a_line_break_before_the_first_boundary_is_no_part() -> None:
    assert [data for _, data in parts_of(b"\r\n" + SIMPLE)] == [b"first", b"second"]


def test_data_that_end_in_line_breaks_keep_them() -> None:
    body = b"--b\r\n\r\ndata\r\n\r\n\r\n--b--"
    assert parts_of(body) == [({}, b"data\r\n\r\n")]


@pytest.mark.parametrize("piece", [1, 5, 1000])
def test_data_that_look_like_the_boundary_are_data(piece: int) -> None:
    body = b"--b\r\n\r\n-b \r\n-b\r\n--\r\n\r--b\r\n--b--"
    assert parts_of(body, piece=piece) == [({}, b"-b \r\n-b\r\n--\r\n\r--b")]


@pytest.mark.parametrize("piece", [1, 5, 1000])
def test_the_line_end_after_the_headers_may_be_that_of_the_delimiter(piece: int) -> None:
    assert parts_of(b"--b\r\nA: 1\r\n\r\n--b\r\n\r\nx\r\n--b--", piece=piece) == [({"a": "1"}, b""), ({}, b"x")]


def test_an_empty_part_is_a_part() -> None:
    assert parts_of(b"--b\r\nA: 1\r\n\r\n\r\n--b\r\n\r\n--b--") == [({"a": "1"}, b""), ({}, b"")]


def test_a_part_that_is_not_read_is_passed_over() -> None:
    source = iter([SIMPLE, b""])
    seen = [dict(part.headers) for part in Multipart(lambda: next(source), "b").parts()]
    assert seen == [{"content-type": "application/dicom"}, {}]


def test_blanks_after_a_boundary_are_forgiven() -> None:
    assert parts_of(b"--b  \r\n\r\nx\r\n--b--") == [({}, b"x")]


def test_a_body_that_ends_too_early_is_refused() -> None:
    with pytest.raises(Refused, match="before its closing delimiter"):
        parts_of(SIMPLE[:-10])


def test_headers_without_end_are_refused() -> None:
    with pytest.raises(Refused, match="longer than"):
        parts_of(b"--b\r\nA: " + b"x" * (HEADERS_MAX_BYTES + 100) + b"\r\n\r\n", piece=4096)


@pytest.mark.parametrize("boundary", ["", "a" * 300, 'quo"te', "ends in blank ", "new\nline"])
def test_a_boundary_that_is_none_is_refused(boundary: str) -> None:
    with pytest.raises(Refused):
        parts_of(SIMPLE, boundary)


@settings(max_examples=200, deadline=None)
@given(
    bodies=st.lists(st.binary(max_size=60), max_size=4),
    piece=st.integers(1, 40),
    boundary=st.sampled_from(["b", "----WebKitFormBoundary", "0" * 32]),
)
def test_what_is_written_is_read_back(bodies: list[bytes], piece: int, boundary: str) -> None:
    delimiter = f"\n--{boundary}".encode()
    bodies = [body for body in bodies if delimiter not in b"\n" + body]
    written = b"".join(part_head(boundary, [("Content-Type", "a/b")]) + body for body in bodies)
    read = parts_of(written + closing(boundary), boundary, piece)
    assert [data for _, data in read] == bodies


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300), piece=st.integers(1, 50))
def test_any_bytes_give_parts_or_a_refusal(data: bytes, piece: int) -> None:
    try:
        parts_of(b"--b\r\n" + data, piece=piece)
    except Refused:
        return


def test_reading_holds_no_more_than_a_window() -> None:
    boundary = new_boundary()
    head = part_head(boundary, [])
    pieces = itertools.chain([head], itertools.repeat(b"x" * 65536, 200), [closing(boundary)], itertools.repeat(b""))
    source = Multipart(lambda: next(pieces), boundary)
    total = 0
    for part in source.parts():
        while data := part.read(65536):
            total += len(data)
            assert len(source._buffer) < 300_000
    assert total == 200 * 65536


def test_the_root_type_is_quoted() -> None:
    assert content_type("b", "application/dicom") == 'multipart/related; type="application/dicom"; boundary="b"'
