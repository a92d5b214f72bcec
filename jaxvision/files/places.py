"""The two environment variables: where downloads are kept, and whether the network may be touched."""

import os
import sys
from pathlib import Path


def home() -> Path:
    """The folder that holds downloads: `JAXVISION_HOME`, else `jaxvision` in the user's cache folder.

    The environment is read at every call and nothing is created. The folder may be read-only: what lies in it is used,
    and only a download needs to write.

    Returns:
        An absolute path, which need not exist yet.

    Example:
        >>> home().is_absolute()
        True
    """
    value = os.environ.get("JAXVISION_HOME")
    return Path(value).expanduser().absolute() if value else _user_cache() / "jaxvision"


def offline() -> bool:
    """Whether `JAXVISION_OFFLINE` forbids the network (set to anything but an empty string, `0`, `false` or `no`).

    Returns:
        True where nothing may be downloaded.

    Example:
        >>> offline() in (True, False)
        True
    """
    return os.environ.get("JAXVISION_OFFLINE", "").strip().lower() not in ("", "0", "false", "no")


def _user_cache() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    value = os.environ.get(variable)
    # The XDG specification asks to ignore a relative path.
    return Path(value) if value and Path(value).is_absolute() else Path.home() / ".cache"
