"""Which image files a user means: files, folders and globs, in a stable order, each one once."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from jaxvision.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".apng", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")


def find_images(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Expands files, folders and globs to image files.

    A file is taken whatever its name. Of a folder (not of the folders in it) and of a glob, files with one of
    IMAGE_SUFFIXES are taken, sorted by name, hidden ones left out. A file met twice counts once.

    Args:
        paths: one path or several; `~` is the home directory, `**` in a glob goes through folders.

    Returns:
        The files in the order in which the paths name them; at least one.

    Raises:
        InputError: if nothing is given, a path does not exist, a folder or a glob holds no image.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("b.png", "a.jpg", "notes.txt"):
        ...         _ = Path(folder, name).touch()
        ...     [path.name for path in find_images([folder, f"{folder}/*.png"])]
        ['a.jpg', 'b.png']
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    found: dict[Path, Path] = {}
    for path in given:
        for file in _expand(Path(os.path.expanduser(path))):
            found.setdefault(file.resolve(), file)
    if not found:
        raise InputError("no images were given: name at least one image file, folder or glob")
    return list(found.values())


def _expand(path: Path) -> list[Path]:
    try:
        if path.is_dir():
            if images := _images_among(path.iterdir()):
                return images
            raise InputError(
                f"the folder {path} holds no images: expected files ending in {', '.join(IMAGE_SUFFIXES)} in it "
                "(folders inside it are not searched; use a glob with ** for that)"
            )
        if path.exists():  # a name with brackets is a file before it is a pattern
            return [path]
        if glob.has_magic(str(path)):
            matches = [Path(match) for match in glob.glob(str(path), recursive=True)]
            if images := _images_among(matches):
                return images
            others = f" (only {len(matches)} other files or folders)" if matches else ""
            raise InputError(
                f"the pattern {path} matches no image{others}: expected at least one file ending in "
                f"{', '.join(IMAGE_SUFFIXES)}"
            )
    except OSError as error:
        raise InputError(f"cannot look into {path}: {error.strerror or error}; choose one that you can read") from error
    raise InputError(f"there is no file or folder {path}: check the path, it is looked up from {Path.cwd()}")


def _images_among(paths: Iterable[Path]) -> list[Path]:
    return sorted(
        path
        for path in paths
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
