"""Arrays in HDF5 files that somebody else wrote."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from jaxvision.data.captions.extra import extra
from jaxvision.errors import InputError

MAX_BYTES = 1 << 32  # of one array: three times the largest of the course's pack
_MAX_RATIO = 1032  # of deflate, the best that these files are pressed by


def read_dataset(path: str | os.PathLike[str], name: str, rank: int, kinds: str) -> Shaped[np.ndarray, "..."]:
    """One array of an HDF5 file, in memory.

    What a file can say and is not followed: a link to another file, values that lie in another file, a size that the
    file itself is too small to hold.

    Args:
        path: the file.
        name: of the data set, below the root.
        rank: how many dimensions it must have.
        kinds: NumPy's letters of the types it may have, "iu" for integers, "f" for floats.

    Returns:
        The array, of the file's own type.

    Raises:
        InputError: if the file is missing or damaged, there is no such data set, or it is of another form.

    Example:
        >>> import h5py, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with h5py.File(f"{folder}/a.h5", "w") as file:
        ...         file["features"] = np.ones((1, 2))
        ...     read_dataset(f"{folder}/a.h5", "features", 2, "f")
        array([[1., 1.]])

    References:
        The HDF Group, "HDF5 file format specification", version 3.0, https://docs.hdfgroup.org/hdf5/v1_14/_f_m_t3.html
    """
    path = Path(path)
    with extra(f"{path} is an HDF5 file and h5py"):
        import h5py  # noqa: PLC0415 - an extra
    try:
        with h5py.File(path, "r") as file:
            link: Any = file.get(name, getlink=True)
            found: Any = file.get(name) if isinstance(link, h5py.HardLink) else None
            if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
                raise InputError(
                    f"{path} has no data set {name!r}, only {', '.join(file) or 'nothing'} or what lies elsewhere: "
                    "get another copy"
                )
            if found.ndim != rank or found.dtype.kind not in kinds or 0 in found.shape:
                raise InputError(
                    f"{name!r} in {path} is {found.dtype} of shape {found.shape}: expected {rank} dimensions of "
                    f"{'floats' if kinds == 'f' else 'integers'}, none of them empty"
                )
            if found.nbytes > min(MAX_BYTES, _MAX_RATIO * path.stat().st_size):
                raise InputError(
                    f"{name!r} in {path} states {found.nbytes:,} bytes, more than a file of "
                    f"{path.stat().st_size:,} can hold: get a whole copy of it"
                )
            return found[()]
    except InputError:
        raise
    except Exception as error:  # on damaged files HDF5 raises nearly anything
        raise InputError(f"{path} is damaged or no HDF5 file ({error}): get a whole copy of it") from error
