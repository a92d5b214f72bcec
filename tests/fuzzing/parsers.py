"""The readers of files that users bring, each with valid files to begin with and the public function that reads them.

A file of several parts begins with a byte that says which part it takes the place of; the others are as they should be.
"""

import gzip
import io
import json
import os
import random
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, SupportsIndex
from unittest import mock

import numpy as np

from tests.fuzzing.campaign import Parser
from tests.fuzzing.mutations import (
    Mutate,
    mutate_bytes,
    mutate_gzip,
    mutate_image,
    mutate_json,
    mutate_safetensors,
    mutate_zip,
)


def of_parts(*mutates: Mutate) -> Mutate:
    """The first byte chooses."""

    def mutate(data: bytes, rng: random.Random) -> bytes:
        part = data[0] % len(mutates) if data else 0
        if rng.random() < 0.02:
            part = rng.randrange(len(mutates))
        return bytes([part]) + mutates[part](data[1:], rng)

    return mutate


def numbered(parts: list[list[bytes]]) -> list[bytes]:
    return [bytes([place]) + data for place, seeds in enumerate(parts) for data in seeds]


def part_of(data: bytes, n: int) -> tuple[int, bytes]:
    return (data[0] % n if data else 0), data[1:]


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def zipped(members: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return written.getvalue()


def tensors_file(tensors: dict[str, np.ndarray], about: dict[str, str] | None = None) -> bytes:
    import safetensors.numpy

    return safetensors.numpy.save(tensors, about)


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return path


def once(folder: Path, make: Callable[[Path], Any]) -> None:
    """What does not change from file to file is made for the first one."""
    mark = folder / ".made"
    if not mark.exists():
        make(folder)
        mark.touch()


# Data sets


def idx() -> Parser:
    from jaxvision.data import read_idx

    def file(shape: tuple[int, ...]) -> bytes:
        return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + bytes(int(np.prod(shape)))

    shapes = ((5,), (3, 4, 5), (2, 0, 3), (1,) * 7)
    seeds = [file(shape) for shape in shapes] + [gzip.compress(file((2, 3)), mtime=0)]
    return Parser(lambda: list(seeds), lambda data, at: read_idx(written(at, "a.idx", data)), mutate_gzip(mutate_bytes))


def cifar() -> Parser:
    """With files of one image instead of 10,000."""
    from jaxvision.data import CIFAR10_FILE, cifar10

    def tar(form: int, names: tuple[str, ...]) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
            for name in names:
                member = tarfile.TarInfo(name)
                member.size = 3073
                archive.addfile(member, io.BytesIO(bytes(3073)))
        return stream.getvalue()

    name = "cifar-10-batches-bin/test_batch.bin"
    seeds = [tar(form, (name,)) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
    seeds += [tar(tarfile.PAX_FORMAT, ("é" * 120, name)), tar(tarfile.GNU_FORMAT, ("long" * 60, name))]
    seeds += [gzip.compress(seeds[0], mtime=0)]

    def headers(data: bytes, rng: random.Random) -> bytes:
        """A tar file's field changed and its check sum made right."""
        found = bytearray(mutate_bytes(data, rng))
        for start in range(0, len(found) - 511, 512):
            if found[start + 257 : start + 262] == b"ustar":
                found[start + 148 : start + 156] = b" " * 8
                found[start + 148 : start + 156] = b"%06o\0 " % sum(found[start : start + 512])
        return bytes(found)

    def read(data: bytes, at: Path) -> None:
        written(at, f"home/{CIFAR10_FILE.path}", data)
        with mock.patch.object(sys.modules["jaxvision.data.cifar"], "_N_RECORDS", 1):
            cifar10("test")

    return Parser(lambda: list(seeds), read, mutate_gzip(headers))


def image() -> Parser:
    from PIL import Image

    from jaxvision.data import read_image, read_metadata

    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (9, 11, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture"

    def saved(form: str, mode: str = "RGB", **options: Any) -> bytes:
        stream = io.BytesIO()
        picture.convert(mode).save(stream, form, **options)
        return stream.getvalue()

    seeds = [saved("PNG"), saved("PNG", "P"), saved("PNG", "LA"), saved("PNG", "1"), saved("PNG", "I;16")]
    seeds += [saved("JPEG", exif=exif), saved("JPEG", "CMYK"), saved("JPEG", "L", progressive=True)]
    seeds += [saved("GIF"), saved("GIF", save_all=True, append_images=[picture.rotate(90).resize((11, 9))])]
    seeds += [saved("WEBP"), saved("WEBP", lossless=True, exif=exif), saved("BMP"), saved("BMP", "1"), saved("PPM")]
    seeds += [saved("TIFF"), saved("TIFF", compression="tiff_lzw"), saved("TIFF", "F"), saved("TIFF", "I;16")]
    seeds += [saved("TIFF", compression="jpeg"), saved("TIFF", "1", compression="group4"), saved("PPM", "L")]
    seeds += [saved("PNG", save_all=True, append_images=[picture.rotate(180)], exif=exif)]
    seeds += [b"P3 9 9 255\n" + b"1 2 3 " * 81, b"P2 9 9 65535\n" + b"7 " * 81, b"P1 9 9\n" + b"1 0 1 " * 27]

    def read(data: bytes, at: Path) -> None:
        path = written(at, "a.png", data)
        try:
            read_image(path)
        finally:
            read_metadata(path)

    return Parser(lambda: list(seeds), read, mutate_image)


COCO = {
    "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg", "width": 3}],
    "annotations": [{"id": i, "image_id": 7 + i % 2, "caption": f"A cat {i}."} for i in range(4)],
}
KARPATHY = {
    "images": [
        {"split": split, "filepath": "val2014", "filename": f"{i}.jpg", "cocoid": i, "sentences": [{"raw": "A cat."}]}
        for i, split in enumerate(("train", "restval", "val", "test"))
    ]
}


def coco_json() -> Parser:
    """COCO's captions and Karpathy's splits, each as JSON and in a zip file."""
    from jaxvision.data.captions.coco_json import read_coco_json, read_karpathy_json

    member = "annotations/captions.json"
    contents = [as_json(COCO), as_json(KARPATHY)]
    seeds = numbered([[content] for content in contents] + [[zipped({member: content})] for content in contents])

    def read(data: bytes, at: Path) -> None:
        part, content = part_of(data, 4)
        path = written(at, "captions", content)
        inside = member if part >= 2 else None
        records = read_karpathy_json(path, "train", member=inside) if part % 2 else read_coco_json(path, member=inside)
        for record in records:  # what is made of them: text that can be written down, names of files
            record.file.encode(), [caption.encode() for caption in record.captions]
            np.int64(record.image_id)

    changes = of_parts(mutate_json, mutate_json, mutate_zip(mutate_json), mutate_zip(mutate_json))
    return Parser(lambda: list(seeds), read, changes)


def pictures() -> Parser:
    from jaxvision.data.captions.pictures import Pictures

    names = ["a.jpg", "b.jpg"]
    seeds = [zipped({f"val2017/{name}": b"encoded" * 9 for name in names}), zipped({})]

    def read(data: bytes, at: Path) -> None:
        with Pictures(written(at, "val2017.zip", data)) as found:
            found.check_holds(names, at / "captions.json")
            for name in names:
                assert len(found.read(name)) < 1 << 27

    return Parser(lambda: list(seeds), read, mutate_zip(mutate_bytes))


WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", "a", "cat", "sits"]
CS231N = {"idx_to_word": WORDS, "word_to_idx": {word: place for place, word in enumerate(WORDS)}}


def hdf5_file(arrays: dict[str, np.ndarray], version: str = "earliest", **options: Any) -> bytes:
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w", libver=version) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, **options)
    return stream.getvalue()


def hdf5() -> Parser:
    """One array, in the oldest form and the latest, pressed and not, and where it is none of the file's own."""
    import h5py

    from jaxvision.data.captions.hdf5 import read_dataset

    arrays = {"features": np.arange(12, dtype=np.float32).reshape(3, 4), "other": np.arange(3)}
    options: list[dict[str, Any]] = [{}, {"version": "latest"}, {"compression": "gzip", "chunks": True}]
    options += [{"compression": "lzf", "shuffle": True}, {"fletcher32": True}]
    seeds = [hdf5_file({"features": arrays["features"]}, **some) for some in options]
    seeds += [hdf5_file(arrays), hdf5_file(arrays, version="latest")]
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["features"] = h5py.ExternalLink("/etc/hostname", "features")
        file.create_dataset("outside", (3, 4), "f4", external=[("/etc/passwd", 0, 48)])
    seeds.append(stream.getvalue())

    def read(data: bytes, at: Path) -> None:
        read_dataset(written(at, "a.h5", data), "features", 2, "f")

    return Parser(lambda: list(seeds), read, mutate_bytes)


def course() -> Parser:
    """The four files of the course's pack, and the pack."""
    from jaxvision.data.captions import course_captions

    said = np.array([[1, 4, 5, 2, 0], [1, 4, 5, 6, 2], [1, 4, 3, 2, 0]], np.int32)
    captions = {"val_captions": said, "val_image_idxs": np.array([0, 2, 0], np.int32)}
    features = {"features": np.arange(12, dtype=np.float32).reshape(3, 4)}
    versions: list[dict[str, Any]] = [{}, {"version": "latest"}, {"compression": "gzip", "chunks": True}]
    parts = [
        [hdf5_file(captions, **options) for options in versions],
        [hdf5_file(features, **options) for options in versions],
        [as_json(CS231N)],
        [b"http://example.org/0.jpg\nhttp://example.org/1.jpg\nhttp://example.org/2.jpg\n"],
    ]
    names = ["coco2014_captions.h5", "val2014_vgg16_fc7_pca.h5", "coco2014_vocab.json", "val2014_urls.txt"]
    whole = [part[0] for part in parts]
    pack = zipped({f"coco_captioning/{name}": content for name, content in zip(names, whole, strict=True)})
    seeds = numbered([*parts, [pack]])

    def make(at: Path) -> None:
        for name, content in zip(names, whole, strict=True):
            written(at, f"home/coco_captioning/{name}", content)

    def read(data: bytes, at: Path) -> None:
        once(at, make)
        part, content = part_of(data, 5)
        folder = at / "home" / "coco_captioning"
        changed = "coco_captioning.zip" if part == 4 else names[part]
        written(folder, changed, content)
        if part == 4:
            (folder / names[2]).unlink()
        try:
            course_captions("validation")
        finally:
            (folder / changed).unlink()
            written(folder, names[2] if part == 4 else changed, whole[2 if part == 4 else part])

    changes = of_parts(mutate_bytes, mutate_bytes, mutate_json, mutate_bytes, mutate_zip(mutate_bytes))
    return Parser(lambda: list(seeds), read, changes)


def features() -> Parser:
    """The cache of features: what is said of it, and the array_record file with its sum made right."""
    from jaxvision.data.captions import CaptionedImage, cached_features
    from jaxvision.files import sha256

    class Images:
        names, captions, identity = ("a", "b"), (("c",), ("d",)), "two pictures"

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: SupportsIndex) -> CaptionedImage:
            picture = np.full((8, 8, 3), range(2)[index], np.uint8)
            return CaptionedImage(self.names[index], picture, self.captions[index])

        def __iter__(self) -> Iterator[CaptionedImage]:
            return (self[index] for index in range(2))

    images, kept = Images(), dict[str, Any]()

    def mean(x: np.ndarray) -> np.ndarray:
        return x.mean((1, 2))

    def ask() -> Any:
        return cached_features(images, mean, np.float32(2), preprocessing="mean", size=8, batch_size=2)

    def make(at: Path) -> None:
        found = ask()
        kept["path"] = found.path
        kept["about"] = (found.path / "about.json").read_bytes()
        kept["records"] = (found.path / "features.array_record").read_bytes()

    def seeds() -> list[bytes]:
        import tempfile

        if not kept:
            with tempfile.TemporaryDirectory() as at, mock.patch.dict(os.environ, JAXVISION_HOME=at):
                make(Path(at))
        return numbered([[kept["about"]], [kept["records"]]])

    def read(data: bytes, at: Path) -> None:
        seeds()
        part, content = part_of(data, 2)
        folder = at / "home" / "features" / kept["path"].name
        written(folder, "features.array_record", content if part else kept["records"])
        about = content
        if part:
            about = as_json(json.loads(kept["about"]) | {"sha256": sha256(folder / "features.array_record")})
        written(folder, "about.json", about)
        found = ask()
        found.load()

    return Parser(seeds, read, of_parts(mutate_json, mutate_bytes))


# Words and weights


def vocabulary() -> Parser:
    from jaxvision.captioning import Vocabulary

    seeds = numbered([[as_json({"format": "jaxvision vocabulary 1", "words": WORDS})], [as_json(CS231N)]])

    def read(data: bytes, at: Path) -> None:
        part, content = part_of(data, 2)
        path = written(at, "vocabulary.json", content)
        found = Vocabulary.from_cs231n(path) if part else Vocabulary.load(path)
        found.save(at / "again.json")  # whatever was read can be written

    return Parser(lambda: list(seeds), read, of_parts(mutate_json, mutate_json))


def class_names() -> Parser:
    """The list of names, and Keras's index."""
    from jaxvision.weights import imagenet_class_names

    own = as_json([f"class {i}" for i in range(1000)])
    index = as_json({str(i): [f"n{i:08d}", f"class_{i}"] for i in range(1000)})
    seeds = numbered([[own], [index]])

    def read(data: bytes, at: Path) -> None:
        part, content = part_of(data, 2)
        folder = at / "home" / "imagenet"
        path = written(folder, ("class_names.json", "imagenet_class_index.json")[part], content)
        try:
            "".join(imagenet_class_names()).encode()
        finally:
            path.unlink()

    return Parser(lambda: list(seeds), read, of_parts(mutate_json, mutate_json))


def safetensors() -> Parser:
    from jaxvision import weights

    arrays = {"a.weight": np.ones((2, 3), np.float32), "b": np.array(3, np.int64), "c": np.zeros((0, 4), np.float16)}
    seeds = [
        tensors_file(arrays, {"kind": "captioner"}),
        tensors_file({"m": np.array([True]), "u": np.arange(4, dtype=np.uint8)}),
        struct.pack("<Q", 64)
        + as_json({"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).ljust(64)
        + bytes(4),
    ]

    def read(data: bytes, at: Path) -> None:
        path = written(at, "a.safetensors", data)
        try:
            weights.load(path)
        finally:
            weights.metadata(path)

    return Parser(lambda: list(seeds), read, mutate_safetensors)


def network() -> Parser:
    """What --weights FILE takes."""
    from experiments.networks import load_network

    def tensors(**shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
        return {name.replace("_", "."): np.ones(shape, np.float16) for name, shape in shapes.items()}

    lenet = tensors(
        conv1_weight=(20, 1, 5, 5),
        conv1_bias=(20,),
        conv2_weight=(50, 20, 5, 5),
        conv2_bias=(50,),
        fc1_weight=(2, 2),
        fc1_bias=(500,),
        fc2_weight=(10, 500),
        fc2_bias=(10,),
    )
    others = [
        tensors(features_3_squeeze_weight=(2,), classifier_1_bias=(3,)),
        tensors(features_28_weight=(2,), classifier_6_bias=(3,)),
    ]
    seeds = [tensors_file(arrays) for arrays in (lenet, *others)]
    return Parser(
        lambda: list(seeds), lambda data, at: load_network(str(written(at, "w.safetensors", data))), mutate_safetensors
    )


def captioner_file() -> Parser:
    """Of --captioner FILE; the encoder comes with the project and is made once."""
    import jax

    from experiments import captioner_files, captioners
    from experiments.encoders import Encoder
    from jaxvision.captioning import attention_captioner, captioner

    encoder = Encoder("scenes", None, 64, "0" * 64, "none")
    sizes = {"feature_size": 3, "vocabulary_size": len(WORDS), "embed_size": 4, "hidden_size": 4}
    about = {"kind": "captioner", "encoder": "scenes", "encoder_sha256": "0" * 64, "max_length": "17"}
    about["vocabulary"] = json.dumps(WORDS)
    key = jax.random.key(0)
    attentive = jax.eval_shape(partial(attention_captioner, **sizes, attention_size=4), key)
    of_cells = captioners.OfRawCells(attentive, np.zeros(3, np.float32), np.ones(3, np.float32))
    plain = [(jax.eval_shape(partial(captioner, **sizes, cell=cell), key), {"cell": cell}) for cell in ("lstm", "gru")]
    models = [*plain, (of_cells, {"model": "attention", "sizes": json.dumps(sizes | {"attention_size": 4})})]

    def file(model: Any, form: dict[str, str]) -> bytes:
        leaves = captioners.named_leaves(model).items()
        return tensors_file({name: np.ones(leaf.shape, np.float16) for name, leaf in leaves}, about | form)

    seeds = [file(model, form) for model, form in models]

    def read(data: bytes, at: Path) -> None:
        path = written(at, "captioner.safetensors", data)
        with mock.patch.object(captioner_files, "load_encoder", return_value=encoder):
            captioner_files.load_captioner(path)

    return Parser(lambda: list(seeds), read, mutate_safetensors)


def generator() -> Parser:
    """Of --generator FILE; the files lack their largest kernels, and are refused for that at the latest."""
    from experiments.generator_files import load_generator

    about = {"kind": "generator", "network": "mlp", "latent_dim": "96", "shape": "28 x 28 x 1", "dataset": "mnist"}
    tensors = {"a.weight": np.ones((2, 3), np.int8), "a.weight.scale": np.ones((2, 1), np.float32)}
    forms = [about, about | {"network": "dcgan"}, about | {"network": "resnet", "shape": "32 x 32 x 3"}]
    seeds = [tensors_file(tensors, of) for of in forms]
    return Parser(
        lambda: list(seeds), lambda data, at: load_generator(written(at, "g.safetensors", data)), mutate_safetensors
    )


def stylizer() -> Parser:
    """Of --network FILE; the files lack most of their kernels, and are refused for that at the latest."""
    from experiments import stylizer_files
    from experiments.networks import load_network

    scenes = load_network("scenes")
    about = {"kind": "adain", "encoder": "scenes", "encoder_sha256": stylizer_files.fingerprint(scenes)}
    decoder = {"in.conv.weight": np.ones((2, 3, 3, 3), np.float16), "up0.0.conv.weight": np.ones(3, np.float16)}
    seeds = [
        tensors_file({"down0.conv.weight": np.ones((2, 3), np.float16)}, {"kind": "transformer"}),
        tensors_file(decoder, about | {"layer": "features.4"}),
    ]

    def read(data: bytes, at: Path) -> None:
        path = written(at, "s.safetensors", data)
        with mock.patch.object(
            stylizer_files, "load_network", lambda name: scenes if name == "scenes" else load_network(name)
        ):
            stylizer_files.load_stylizer(path)

    return Parser(lambda: list(seeds), read, mutate_safetensors)


def state_dict() -> Parser:
    """PyTorch's files, which `python -m jaxvision.weights convert` opens by PyTorch's restricted reader."""
    import torch

    from jaxvision.weights import convert

    seeds = []
    for content in ({"a": torch.ones(2, 3), "n": torch.tensor(3)}, {"state_dict": {"a": torch.ones(2).half()}}):
        for form in (True, False):
            stream = io.BytesIO()
            torch.save(content, stream, _use_new_zipfile_serialization=form)
            seeds.append(stream.getvalue())
    return Parser(
        lambda: list(seeds),
        lambda data, at: convert(written(at, "w.pth", data), at / "w.safetensors", overwrite=True),
        mutate_zip(mutate_bytes),
    )


def labels() -> Parser:
    """Of --labels FILE."""
    from experiments.attack_strength import read_labels

    seeds = [as_json({"cat.jpg": 281, "dog.jpg": 3})]
    return Parser(lambda: list(seeds), lambda data, at: read_labels(written(at, "labels.json", data)), mutate_json)


# Runs


def run() -> Parser:
    """A run that is gone on with: its settings, and its metrics."""
    from jaxvision.training import resumed_run

    config = {"steps": 100, "learning_rate": 0.1, "images": ["a.jpg"], "weights": None, "run_dir": "x", "resume": True}
    rows = b"".join(as_json({"step": step, "loss": 1 / step}) + b"\n" for step in range(1, 4))
    seeds = numbered([[as_json(config)], [rows, rows[:-9]]])

    def lines(data: bytes, rng: random.Random) -> bytes:
        found = data.split(b"\n")
        place = rng.randrange(len(found))
        found[place] = mutate_json(found[place], rng)
        return b"\n".join(found)

    def read(data: bytes, at: Path) -> None:
        part, content = part_of(data, 2)
        folder = at / "run"
        written(folder, "config.json", as_json(config) if part else content)
        written(folder, "metrics.jsonl", content if part else rows)
        opened = resumed_run("train", config, run_dir=folder)
        try:
            if part:
                opened.restore(SimpleNamespace(step=2))
        finally:
            opened.close()

    return Parser(lambda: list(seeds), read, of_parts(mutate_json, lines))


def checkpoint() -> Parser:
    """A checkpoint's sums; its description and one of its arrays' files with sums made right."""
    import jax.numpy as jnp

    from jaxvision.files import sha256
    from jaxvision.training import checkpoints

    state = {"weights": jnp.ones(3), "step": jnp.int32(7)}
    kept: dict[str, bytes] = {}

    def make(at: Path) -> None:
        path = checkpoints.save(at / "kept", state, step=7)
        kept.update(
            {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}
        )

    def seeds() -> list[bytes]:
        import tempfile

        if not kept:
            with tempfile.TemporaryDirectory() as at:
                make(Path(at))
        arrays = [bytes([place]) + kept[name] for place, name in enumerate(others())]
        return numbered([[kept["SHA256SUMS"]], [kept["tree.json"]], arrays])

    def others() -> list[str]:
        return [name for name in sorted(kept) if name.startswith("arrays/")]

    def read(data: bytes, at: Path) -> None:
        seeds()
        part, content = part_of(data, 3)
        folder = at / "checkpoints" / "step-00000007"
        once(at, lambda at: [written(folder, name, content) for name, content in kept.items()])
        place, content = part_of(content, len(others())) if part == 2 else (0, content)
        name = ("SHA256SUMS", "tree.json", others()[place])[part]
        written(folder, name, content)
        if part:
            lines = [line for line in kept["SHA256SUMS"].decode().splitlines() if not line.endswith(f"  {name}")]
            sums = sorted([*lines, f"{sha256(folder / name)}  {name}"], key=lambda line: line.split("  ", 1)[1])
            written(folder, "SHA256SUMS", ("\n".join(sums) + "\n").encode())
        try:
            path, _ = checkpoints.latest(folder.parent)
            checkpoints.load(path, state)
        finally:
            written(folder, name, kept[name])
            written(folder, "SHA256SUMS", kept["SHA256SUMS"])

    def one_of_the_arrays(data: bytes, rng: random.Random) -> bytes:
        return data[:1] + mutate_bytes(data[1:], rng)

    return Parser(seeds, read, of_parts(mutate_bytes, mutate_json, one_of_the_arrays))


PARSERS: dict[str, Callable[[], Parser]] = {
    "idx": idx,
    "cifar": cifar,
    "image": image,
    "coco_json": coco_json,
    "pictures": pictures,
    "hdf5": hdf5,
    "course": course,
    "features": features,
    "vocabulary": vocabulary,
    "class_names": class_names,
    "safetensors": safetensors,
    "network": network,
    "captioner": captioner_file,
    "generator": generator,
    "stylizer": stylizer,
    "state_dict": state_dict,
    "labels": labels,
    "run": run,
    "checkpoint": checkpoint,
}
