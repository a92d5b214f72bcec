"""Files that were once neither read nor refused by one clear sentence, the smallest of each kind that was found.

Found by `python -m tests.fuzzing`, but for those marked as foreseen. A file of several parts begins with the byte of
its part.
"""

import json
import struct
from pathlib import Path

import numpy as np

from tests.fuzzing.parsers import COCO, CS231N, KARPATHY, WORDS, as_json, tensors_file, zipped

FOUND = Path(__file__).with_name("found")
DEEP = b"[" * 100_000 + b"]" * 100_000
DIGITS = b"9" * 5000


def coco(number: bytes) -> bytes:
    """COCO's file with another number of the first picture, and of what is said of it."""
    return as_json(COCO).replace(b": 7", b": " + number)


def patched(data: bytes, at: bytes, offset: int, new: bytes) -> bytes:
    """Bytes changed after the last place where a signature stands."""
    place = data.rindex(at) + offset
    return data[:place] + new + data[place + len(new) :]


ZIP = zipped({"val2017/a.jpg": b"encoded", "val2017/b.jpg": b"encoded"})
LONG = zipped({"val2017/a.jpg": np.random.default_rng(0).bytes(9000), "val2017/b.jpg": b"encoded"})
CENTRAL, LOCAL = b"PK\1\2", b"PK\3\4"
CAPTIONER = {"kind": "captioner", "encoder": "scenes", "encoder_sha256": "0" * 64, "max_length": "17"}
CAPTIONER |= {"cell": "lstm", "vocabulary": json.dumps(WORDS)}
ATTENTIVE = CAPTIONER | {"model": "attention", "sizes": '{"feature_size": 3, "vocabulary_size": 7}'}
SHAPES = {"W_proj": (3, 4), "b_proj": (4,), "W_embed": (7, 4), "W_vocab": (4, 7), "b_vocab": (7,)}
SHAPES |= {"Wx": (4, 16), "Wh": (4, 16), "b": (16,)}
CELLS = {name: np.ones(shape, np.float16) for name, shape in SHAPES.items()}
GENERATOR = {"kind": "generator", "network": "mlp", "latent_dim": "96", "shape": "28 x 28 x 1"}


def about(said: dict[str, str], tensors: dict[str, np.ndarray] | None = None, **changed: str | None) -> bytes:
    """A safetensors file that says this of itself, some of it otherwise or not at all."""
    kept = {name: value for name, value in (said | changed).items() if value is not None}
    return tensors_file(tensors or CELLS, kept)


def tensor(shape: list[int]) -> bytes:
    header = as_json({"x": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}})
    return struct.pack("<Q", len(header)) + header


CASES = {
    "idx": [
        bytes([0, 0, 8, 10]) + b"\xff" * 36 + bytes(4),  # none of rows longer than memory
        bytes([0, 0, 8, 65]) + bytes([0, 0, 0, 1]) * 65 + b"\0",  # more axes than NumPy has
    ],
    "coco_json": [
        b"\0" + coco(b"Infinity"),
        b"\0" + coco(b"1e999"),
        b"\0" + coco(DIGITS),
        b"\0" + coco(b"9223372036854775808"),
        b"\0" + coco(b'7, "a": 8, "a": 9'),  # foreseen: which of both?
        b"\0" + as_json(COCO).replace(b"A cat 0.", b"\\ud800"),  # cannot be written down again
        b"\1" + as_json(KARPATHY).replace(b'"cocoid": 0', b'"cocoid": Infinity'),
        b"\2" + zipped({"annotations/captions.json": DIGITS}),
        b"\2" + zipped({"annotations/captions.json": bytes(1 << 25)}),  # foreseen: a bomb
    ],
    "pictures": [
        patched(ZIP, CENTRAL, 6, b"\xfe\0"),  # a version of the format that is yet to come
        patched(ZIP, CENTRAL, 10, b"\x63\0"),  # an unknown compression
        patched(ZIP, CENTRAL, 8, b"\1\0"),  # encrypted
        patched(patched(ZIP, CENTRAL, 8, b"\0\x08"), CENTRAL, 46, b"\xf5\xf5"),  # a name that is no UTF-8
        patched(patched(ZIP, CENTRAL, 32, b"\x0d\0"), CENTRAL, 28, b"\0\0"),  # no name, and its letters a comment
        patched(patched(ZIP, LOCAL, 6, b"\0\x08"), LOCAL, 30, b"\x80"),
        LONG[:26] + b"\xff\x12" + LONG[28:],  # in front of the content a very long name, quoted in the sentence
        patched(ZIP, CENTRAL, 24, b"\xff\xff\xff\x7f"),  # foreseen: two gigabytes of seven bytes
    ],
    "course": [
        b"\2" + DEEP,
        b"\2" + as_json(CS231N).replace(b'"a": 4', b'"a": Infinity'),
        b"\3\xff\xfe",
        b"\4" + patched(ZIP, CENTRAL, 6, b"\xff\0"),
        b"\4" + patched(patched(ZIP, CENTRAL, 8, b"\0\x08"), CENTRAL, 46, b"\xff\xff"),
    ],
    "features": [
        b"\0" + DEEP,
        b"\1",
        b"\1" + bytes(1 << 16),
    ],
    "image": [
        b"P6 46875541 1000 255\n" + bytes(99),
        b"II*\0\x08\0\0\0\xff\xff" + bytes(40),
        *(file.read_bytes() for file in sorted((FOUND / "image").iterdir())),
    ],
    "vocabulary": [
        b"\0" + as_json({"format": "jaxvision vocabulary 1", "words": ["<NULL>" + "a" * 5000]}),
        b"\0" + as_json({"format": "jaxvision vocabulary 1", "words": [*WORDS[:4], "\ud800"]}),
        b"\1" + as_json(CS231N).replace(b'"a": 4', b'"a": 5, "a": 4'),  # foreseen
    ],
    "class_names": [b"\0" + DEEP, b"\1" + DEEP, b"\1" + as_json({str(i): ["n", "\ud800"] for i in range(1000)})],
    "safetensors": [
        b"",
        b"\0",
        tensor([0, 2**62]),
        tensor([0, 2**31, 2**31]),
        tensors_file({"a\x1b[2J": np.ones(1, np.float32)})[:-1],
    ],
    "network": [
        tensors_file({"\n\x1b[2J": np.ones(1, np.float32)}),
        tensors_file({"a" * 5000: np.ones(1, np.float32)}),
    ],
    "captioner": [
        *(
            about(CAPTIONER, **{name: None})
            for name in ("encoder", "encoder_sha256", "max_length", "vocabulary", "cell")
        ),
        *(about(CAPTIONER, max_length=number) for number in ("{}", "0", "-1")),
        about(CAPTIONER, encoder="/etc"),
        *(about(CAPTIONER, vocabulary=words) for words in ("", "2.5", "[[]]", "[1]", DEEP.decode(), DIGITS.decode())),
        about(ATTENTIVE, sizes=None),
        about(ATTENTIVE, model="cubist"),
        *(about(ATTENTIVE, sizes=sizes) for sizes in ("0.5", "[1", '{"feature_size": "3"}', "{}", DEEP.decode())),
        about(ATTENTIVE, sizes='{"feature_size": 9223372036854775807, "vocabulary_size": 7}'),
    ],
    "generator": [
        about(GENERATOR, network=None),
        about(GENERATOR, network="d"),
        *(about(GENERATOR, latent_dim=number) for number in ("0", "-1", "0.5", "9" * 400, "²")),
        *(about(GENERATOR, shape=shape) for shape in ("..", "28 x 28")),
        tensors_file({"a": np.ones((2, 3), np.int8), "a.scale": np.ones(2, np.float32)}, GENERATOR),
        tensors_file({"a": np.full(2, 100, np.int8), "a.scale": np.full(2, 3e38, np.float32)}, GENERATOR),
    ],
    "stylizer": [
        tensors_file(
            {"in.conv.weight": np.ones(1), "up0.0.conv.weight": np.ones(1)}, {"encoder": "a" * 300, "layer": "b"}
        )
    ],
    "labels": [b"[]", b'{"a": Infinity}', b'{"a": null}', DEEP, b"\xff"],
    "run": [
        b"\0" + DEEP,
        b"\0" + b"5",
        b"\1\n\n",
        b"\1" + DEEP + b"\n",
        b"\1{}\n",
        b"\1" + b"5\n",
        b"\1\xff\n",
        b'\1{"step": "1"}\n',
    ],
    "checkpoint": [b"\1\xff", b"\1", b"\1[]", b'\1{"leaves": 5}', b'\1{"leaves": {"step": 5}}', b"\1" + DEEP],
}
