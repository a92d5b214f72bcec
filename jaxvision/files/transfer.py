"""One HTTP connection that appends to a partial file."""

import http.client
import re
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from jaxvision.errors import InputError
from jaxvision.files.progress import Report
from jaxvision.files.published import secure

PIECE = 1 << 18  # bytes; what a slow line delivers in well under a second


class _Secure(HTTPRedirectHandler):
    """Follows no redirect away from https, where anybody on the way could answer."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        if not secure(newurl) or (req.type, newurl.partition(":")[0]) == ("https", "http"):
            raise HTTPError(newurl, code, msg, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Interrupted(Exception):
    """The transfer broke in a way that another attempt may mend."""


def receive(url: str, part: Path, *, offset: int, size: int | None, timeout: float, report: Report) -> None:
    """Ask for the bytes from `offset` on and append them; start over where the server sends the whole file.

    Args:
        url: an https address; redirects are followed to others of the kind.
        part: the partial file, `offset` bytes long.
        offset: bytes that are already there.
        size: bytes of the whole file, or None if unknown.
        timeout: seconds without a byte after which the server counts as stalled.
        report: called with (bytes that are there, bytes of the whole or None) after each piece.

    Raises:
        Interrupted: if there is no connection, it breaks, or fewer bytes arrived than were announced.
        HTTPError: if the server refuses; an open response, to be closed by the caller.
        InputError: if the server announces or sends another size than was published.
        OSError: from the disk only.
    """
    headers = {"User-Agent": "jaxvision", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    with _connect(Request(url, headers=headers), timeout) as response:
        offset, total = _extent(response, offset, part)
        if size is not None and total not in (None, size):
            raise InputError(
                f"{url} offers {total} bytes where {size} were published: the file has changed, or something between "
                "here and there answers in its place (a proxy or a login page); try from another network"
            )
        total = total or size
        with part.open("r+b" if offset else "wb") as stream:
            stream.seek(offset)
            report(offset, total)
            while piece := _piece(response, timeout):
                stream.write(piece)
                offset += len(piece)
                report(offset, total)
                if size is not None and offset > size:
                    raise InputError(f"{url} sends more than the {size} bytes that were published: it has changed")
    if total is not None and offset < total:
        raise Interrupted(f"the server closed the connection after {offset} of {total} bytes")


def _connect(request: Request, timeout: float) -> http.client.HTTPResponse:
    try:
        return build_opener(_Secure).open(request, timeout=timeout)
    except HTTPError:
        raise
    except TimeoutError as error:
        raise _stalled(timeout) from error
    except URLError as error:
        raise Interrupted(f"no connection: {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise Interrupted(f"no connection: {error or type(error).__name__}") from error


def _piece(response: http.client.HTTPResponse, timeout: float) -> bytes:
    # read1 returns what has arrived instead of waiting for a full piece, so that a stall loses nothing.
    try:
        return response.read1(PIECE)
    except TimeoutError as error:
        raise _stalled(timeout) from error
    except (OSError, http.client.HTTPException) as error:
        raise Interrupted(f"the connection broke: {error or type(error).__name__}") from error


def _stalled(timeout: float) -> Interrupted:
    return Interrupted(f"the server sent nothing for {timeout:g} s")


def _extent(response: http.client.HTTPResponse, offset: int, part: Path) -> tuple[int, int | None]:
    """Where the body starts in the file, and how long the file is."""
    if response.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if not found or int(found[1]) != offset:
            part.unlink(missing_ok=True)  # this server cannot resume: the next attempt asks for the whole file
            raise Interrupted("the server resumed at another place than it was asked to")
        return offset, None if found[2] == "*" else int(found[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None
