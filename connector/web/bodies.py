"""Reads what a client sends with a request: forms, files, JSON; bounded in bytes, parts, fields, depth and time. And
what others answer to us.

Nothing is ever inflated: a request with a Content-Encoding is refused before its body is read, and the web server runs
with `auto_decompress=False` (connections.py), so that aiohttp does not inflate what it discards after an answer either.
194 kB of gzip inflate to 200 MB, which stopped the event loop for 1.6 s.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, ClientResponse, MultipartReader, StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError

from connector.core.tables import decoded
from connector.web.problems import Problem
from connector.words import tr

MOST_FORM = 256 * 1024
MOST_FIELDS = 200
MOST_PARTS = 64
MOST_PART_HEADERS = 2 * 1024
MOST_DEPTH = 20
READ_LIMIT_S = 30
FILE_LIMIT_S = 300
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


def check_encoding(request: web.BaseRequest) -> None:
    """Refuse a compressed body. Problem media_type; the connection is closed with the answer."""
    coding = ", ".join(request.headers.getall("Content-Encoding", []))
    transfer = ", ".join(request.headers.getall("Transfer-Encoding", [])).strip().lower()
    if coding or transfer not in ("", "chunked"):
        found = Problem("media_type", "A compressed request body is not accepted. Send it without Content-Encoding.")
        found.headers["Connection"] = "close"
        raise found


def check_text(*texts: str, nul: bool = False) -> None:
    """Problem malformed if a text has a half surrogate, or a NUL where that is not allowed: neither can be stored."""
    for text in texts:
        if not _is_unicode(text) or ("\0" in text and not nul):
            raise Problem("malformed", "The request has characters that are not valid Unicode text.")


async def read_all(request: web.BaseRequest, most: int, limit_s: float = READ_LIMIT_S) -> bytes:
    """The whole body, `most` bytes or fewer. Problem too_large, or malformed if it does not arrive in `limit_s`."""
    if (request.content_length or 0) > most:
        raise Problem("too_large")
    try:
        async with asyncio.timeout(limit_s):
            raw = await _whole(request.content, most)
    except (TimeoutError, ConnectionError, web.RequestPayloadError):
        raise Problem("malformed", "The body did not arrive.") from None
    if raw is None:
        raise Problem("too_large")
    return raw


async def read_answer(answer: ClientResponse, most: int) -> bytes:
    """The whole body of an answer to us, in however many pieces. ValueError if it has more than `most` bytes."""
    raw = await _whole(answer.content, most)
    if raw is None:
        raise ValueError(f"the answer has more than {most} bytes")
    return raw


async def _whole(content: StreamReader, most: int) -> bytes | None:
    """All of a body, however it comes in pieces; None once it has more than `most` bytes."""
    raw = bytearray()
    async for some in content.iter_chunked(64 * 1024):
        raw += some
        if len(raw) > most:
            return None
    return bytes(raw)


async def read_form(request: web.BaseRequest, most_with_files: int | None = None) -> dict[str, str]:
    """The fields of a form by name, files as text; of a name that comes twice, the last.

    `most_with_files`: the page takes files, so that multipart is read too, up to so many bytes; None: it does not.
    Problem malformed, media_type or too_large; BadInput for a file that is not text.
    """
    kind = request.content_type
    if kind == MULTIPART and most_with_files is not None:
        given = await _read_parts(request, most_with_files)
    elif kind == FORM or (kind in ("", "application/octet-stream") and not request.can_read_body):
        given = _fields(request, await read_all(request, MOST_FORM))
    else:
        raise Problem("media_type", tr("The form has the wrong type. Send it as {kind}.", kind=FORM))
    check_text(*given, *given.values())
    return given


def read_json(raw: bytes) -> bytes:
    """JSON as a strict reader takes it: checked for depth, duplicate keys and half surrogates, 32.0 written as 32.

    To a JSON schema 32.0 is an integer, to a strict reader it is not. Problem malformed.
    """
    try:
        found = json.loads(raw, parse_float=_number, parse_constant=_not_json, object_pairs_hook=_unique)
        _check_depth(found)
        return json.dumps(found, ensure_ascii=False).encode()
    except _DuplicateKey as error:
        raise Problem("malformed", f"The JSON has the key {ascii(str(error))[:60]} twice in one object.") from None
    except RecursionError:
        raise Problem("malformed", f"The JSON is nested deeper than {MOST_DEPTH} levels.") from None
    except ValueError:  # UnicodeEncodeError, of a half surrogate, is one
        raise Problem("malformed", "The body is not valid JSON.") from None


class _DuplicateKey(Exception):
    """An object names a key twice: which value counts would be a guess."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _DuplicateKey(key)
        found[key] = value
    return found


def _number(text: str) -> int | float:
    found = float(text)
    return int(found) if found.is_integer() and abs(found) < 2**63 else found


def _not_json(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")  # NaN and Infinity, which Python would take


def _check_depth(found: Any) -> None:
    level = [found]
    for _ in range(MOST_DEPTH):
        level = [
            each
            for holder in level
            if isinstance(holder, dict | list)
            for each in (holder.values() if isinstance(holder, dict) else holder)
        ]
        if not level:
            return
    raise RecursionError


def _fields(request: web.BaseRequest, raw: bytes) -> dict[str, str]:
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Problem("malformed", "The form is not in UTF-8.")
    if raw.count(b"&") >= MOST_FIELDS:
        raise Problem("malformed", tr("The form has more than {most} fields.", most=MOST_FIELDS))
    try:
        return dict(parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS))
    except ValueError:
        raise Problem("malformed", "The form cannot be read: it is not UTF-8.") from None


async def _read_parts(request: web.BaseRequest, most: int) -> dict[str, str]:
    if (request.content_length or 0) > most:
        raise Problem("too_large", "A file is too long.")
    given: dict[str, str] = {}
    left = most
    try:
        async with asyncio.timeout(FILE_LIMIT_S):
            reader = MultipartReader(request.headers, request.content, max_headers=8, max_field_size=MOST_PART_HEADERS)
            for _ in range(MOST_PARTS):
                part = await reader.next()
                if part is None:
                    return given
                if not isinstance(part, BodyPartReader) or not part.name:
                    raise Problem("malformed", "The form has a part without a name.")
                if any(name in part.headers for name in ("Content-Encoding", "Content-Transfer-Encoding")):
                    raise Problem("media_type", "The form has an encoded part. Send its parts as they are.")
                content = bytearray()
                while chunk := await part.read_chunk(64 * 1024):
                    content += chunk
                    left -= len(chunk)
                    if left < 0:
                        raise Problem("too_large", "A file is too long.")
                # A workbook takes seconds.
                given[part.name] = await asyncio.to_thread(_text_of, part.filename, bytes(content))
            raise Problem("malformed", tr("The form has more than {most} parts.", most=MOST_PARTS))
    except (TimeoutError, ConnectionError, web.RequestPayloadError):
        raise Problem("malformed", "The form did not arrive.") from None
    except (HttpProcessingError, ValueError, LookupError, AssertionError, RuntimeError):
        raise Problem("malformed", "The form cannot be read: its parts are not valid multipart/form-data.") from None


def _text_of(file: str | None, content: bytes) -> str:
    if file:
        return decoded(content, file)
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Problem("malformed", "The form has a field that is not UTF-8.") from None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
