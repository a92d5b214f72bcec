"""A file that somebody publishes: where it is, what it must hash to, under which terms."""

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from jaxvision.errors import InputError
from jaxvision.files.digest import digest
from jaxvision.files.places import home


def secure(url: str) -> bool:
    """Whether nobody on the way can change what comes from an address: https, or this machine itself.

    Example:
        >>> secure("https://example.org/a"), secure("http://example.org/a"), secure("http://127.0.0.1:80@example.org/")
        (True, False, False)
    """
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost"))


@dataclass(frozen=True)
class PublishedFile:
    """One line of a manifest.

    Args:
        path: where the file is kept, relative to the home folder, with forward slashes.
        url: where it is published.
        digest: `sha256:HEX`, or `md5:HEX` where the publisher gives only that, or empty where none is published: the
            first download is trusted then, and its SHA-256 recorded in `NAME.sha256` beside it.
        size: bytes, or None where the publisher does not say.
        licence: the terms, in a few words.
        note: anything a user should know.

    Raises:
        ValueError: for a path that leaves the home folder, an address that is not https, or a digest of another form.

    Example:
        >>> PublishedFile("sets/a.gz", "https://example.org/a.gz", "sha256:" + 64 * "0", 12, "public domain").name
        'a.gz'
    """

    path: str
    url: str
    digest: str
    size: int | None
    licence: str
    note: str = ""

    def __post_init__(self):
        parts = PurePosixPath(self.path)
        if parts.is_absolute() or ".." in parts.parts or not parts.name:
            raise ValueError(f"path must stay inside the home folder, got {self.path!r}")
        if not secure(self.url):
            raise ValueError(f"url must begin with https://, got {self.url!r}")
        algorithm, _, value = self.digest.partition(":")
        digits = {"sha256": 64, "md5": 32, "": 0}.get(algorithm)
        if len(value) != digits or not set(value) <= set("0123456789abcdef"):
            raise ValueError(f"digest must be sha256:HEX or md5:HEX in lower case, got {self.digest!r}")

    @property
    def name(self) -> str:
        """The file's own name, without folders."""
        return PurePosixPath(self.path).name

    @property
    def location(self) -> Path:
        """Where the file is kept under the present home folder, whether it is there or not."""
        return home() / self.path

    @property
    def part(self) -> Path:
        """Where a download that broke off waits to be resumed."""
        return self.location.with_name(f"{self.name}.part")

    @property
    def record(self) -> Path:
        """Where the SHA-256 of a download without a published digest is kept."""
        return self.location.with_name(f"{self.name}.sha256")


def verify(file: PublishedFile, path: str | os.PathLike[str]) -> None:
    """Check a file on disk against the published digest (0.5 GB take about half a second to a few seconds).

    Without a published digest the one that was recorded at the first download counts.

    Args:
        file: what was published.
        path: what is there.

    Raises:
        InputError: if the digests differ (the sentence names both), or there is none to compare with.
        OSError: if the file cannot be read.

    Example:
        >>> nothing = PublishedFile("a", "https://example.org/a", "md5:d41d8cd98f00b204e9800998ecf8427e", 0, "none")
        >>> verify(nothing, os.devnull)
    """
    expected = file.digest or _recorded(file)
    found = digest(path, expected.partition(":")[0])
    if found != expected:
        raise InputError(
            f"{path} is not the file published at {file.url}: expected {expected}, found {found}; "
            "move it away to have it downloaded again"
        )


def _recorded(file: PublishedFile) -> str:
    try:
        found = file.record.read_text(encoding="utf-8", errors="replace").strip()
        if re.fullmatch(r"sha256:[0-9a-f]{64}", found) is None:
            raise InputError(f"{file.record} records no SHA-256: remove it and {file.location} to download both anew")
        return found
    except OSError as error:
        raise InputError(
            f"no digest of {file.url} is published and none was recorded in {file.record}: there is nothing to compare "
            "with; compare with another copy instead"
        ) from error
