"""Encoded pictures in a folder or a zip file."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from jaxvision.data.captions.zips import check_size, unzipping
from jaxvision.errors import InputError

MAX_BYTES = 1 << 28  # of one picture, encoded: more than any that `decode_image` takes


class Pictures:
    """The files of a folder, or of a zip file with such a folder inside; use it in a `with` statement.

    Args:
        place: the folder, or the zip file.

    Attributes:
        marks: for each file name what tells whether it is still the same: its size and its time or checksum.

    Raises:
        InputError: if it cannot be read, or the zip file is damaged.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "a.jpg").write_bytes(b"encoded")
        ...     with Pictures(Path(folder)) as pictures:
        ...         sorted(pictures.marks), pictures.read("a.jpg")
        (['a.jpg'], b'encoded')
    """

    def __init__(self, place: Path):
        self.place = place
        self._archive: zipfile.ZipFile | None = None
        self._members: dict[str, zipfile.ZipInfo] = {}
        self.marks: dict[str, str] = {}
        try:
            if place.is_dir():
                for file in place.iterdir():
                    status = file.stat()
                    self.marks[file.name] = f"{status.st_size} {status.st_mtime_ns}"
                return
        except OSError as error:
            raise InputError(f"cannot read {place}: {error.strerror or error}; choose one that you can read") from error
        with unzipping(place):
            self._archive = zipfile.ZipFile(place)
            members = self._archive.infolist()
            self._members = {Path(info.filename).name: info for info in members if not info.filename.endswith("/")}
        self.marks = {name: f"{info.file_size} {info.CRC:08x}" for name, info in self._members.items()}

    def __enter__(self) -> "Pictures":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._archive is not None:
            self._archive.close()

    def read(self, name: str) -> bytes:
        """The bytes of one picture, encoded as they are; a damaged zip file is an InputError."""
        self.check_holds([name], self.place)  # so that no name leads out of the folder
        if self._archive is not None:
            with unzipping(self.place):
                check_size(self.place, self._members[name], MAX_BYTES)
                return self._archive.read(self._members[name])
        try:
            return (self.place / name).read_bytes()
        except OSError as error:
            raise InputError(
                f"cannot read {name} in {self.place}: {error.strerror or error}; choose one that you can read"
            ) from error

    def check_holds(self, names: Sequence[str], said_by: Path) -> None:
        """Raises an InputError that says how many of the names are missing."""
        if missing := [name for name in names if name not in self.marks]:
            raise InputError(
                f"{len(missing):,} of the {len(names):,} pictures that {said_by} lists are not in {self.place} (first "
                f"of all {missing[0]}): get a whole copy of the pictures, or a caption file that belongs to them"
            )
