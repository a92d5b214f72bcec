"""What every source of captioned images gives out."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, SupportsIndex, runtime_checkable

import numpy as np
from jaxtyping import UInt8


class CaptionedImage(NamedTuple):
    """One picture and what people say of it.

    Fields:
        name: what the picture is called, each name once in a source: the file's name, or a number.
        image: `(h, w, 3)` RGB in [0, 255].
        captions: reference captions as they were written, at least one.
    """

    name: str
    image: UInt8[np.ndarray, "h w 3"]
    captions: tuple[str, ...]


@runtime_checkable
class CaptionedImages(Protocol):
    """A sequence of captioned images, drawn or decoded when asked for; names and captions are there at once.

    Grain and `cached_features` take any object of this form.

    Attributes:
        names: `(n,)` what the pictures are called, each different.
        captions: `(n,)` the captions of each.
        identity: says which pictures and captions these are: another text where one of them is another.
    """

    @property
    def names(self) -> Sequence[str]:
        """What the pictures are called."""
        ...

    @property
    def captions(self) -> Sequence[tuple[str, ...]]:
        """The captions of each picture."""
        ...

    @property
    def identity(self) -> str:
        """Which pictures and captions these are."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: SupportsIndex, /) -> CaptionedImage: ...

    def __iter__(self) -> Iterator[CaptionedImage]: ...
