"""Where files live and how they get there: the home folder, checked downloads, writes that are whole or absent, JSON.

Standard library and rich only, so that every room above may use it.
"""

from jaxvision.files.digest import digest, sha256
from jaxvision.files.download import fetch
from jaxvision.files.json_text import parse_json
from jaxvision.files.locking import exclusive
from jaxvision.files.places import home, offline
from jaxvision.files.progress import notice
from jaxvision.files.published import PublishedFile, verify
from jaxvision.files.writing import atomic_write, writing_error

__all__ = [
    "PublishedFile",
    "atomic_write",
    "digest",
    "exclusive",
    "fetch",
    "home",
    "notice",
    "offline",
    "parse_json",
    "sha256",
    "verify",
    "writing_error",
]
