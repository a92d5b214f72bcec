import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxvision.errors import InputError
from jaxvision.files import sha256
from jaxvision.training import checkpoints, start

OPTIMIZER = optax.adam(1e-3)


def state(seed=0, *, width=4):
    return start(nnx.Linear(3, width, rngs=nnx.Rngs(seed)), OPTIMIZER, key=jax.random.key(seed))


def flip(path: Path, position: int):
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(bytes(data))


@pytest.fixture(scope="module")
def numbers():
    """Bit patterns that a careless round trip loses: minus zero, NaN with a payload, denormals, half precision."""
    return {
        "special": jnp.asarray(np.array([0x80000000, 0x7FC00123, 0x00000001, 0xFF800000], np.uint32).view(np.float32)),
        "half": jnp.asarray([1.5, -2.25], jnp.bfloat16),
        "whole": {"signed": jnp.int32(-7), "bits": jnp.arange(3, dtype=jnp.uint8), "truth": jnp.asarray([True, False])},
        "keys": (jax.random.key(3), jax.random.split(jax.random.key(4, impl="rbg"), 2)),
        "empty": jnp.zeros((0, 3)),
        "a/b.c [0] é": jnp.ones(2),
    }


def test_round_trip_keeps_every_bit(tmp_path, numbers, bits):
    path = checkpoints.save(tmp_path, numbers, step=0)
    assert bits(checkpoints.load(path, numbers)) == bits(numbers)
    shapes = jax.eval_shape(lambda: numbers)
    assert bits(checkpoints.load(path, shapes)) == bits(numbers)


def test_round_trip_of_a_network_with_its_optimiser(tmp_path, bits):
    saved = state(1)._replace(step=jnp.int32(12))
    path = checkpoints.save(tmp_path, saved)
    assert path == tmp_path / "step-00000012"
    assert bits(checkpoints.load(path, state(0))) == bits(saved)


def test_nothing_but_empty_arrays(tmp_path, bits):
    tree = {"none": None, "empty": jnp.zeros(0)}
    assert bits(checkpoints.load(checkpoints.save(tmp_path, tree, step=0), tree)) == bits(tree)


def test_sha256sum_agrees(tmp_path):
    path = checkpoints.save(tmp_path, state())
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=path, check=True)


def test_every_files_every_part_is_checked(tmp_path, bits):
    path = checkpoints.save(tmp_path, state())
    files = [file for file in path.rglob("*") if file.is_file() and file.stat().st_size]
    assert len(files) > 4
    for file in files:
        size = file.stat().st_size
        for position in sorted({0, size // 3, size // 2, size - 1}):
            flip(file, position)
            with pytest.raises(InputError, match="step-00000000"):
                checkpoints.load(path, state())
            flip(file, position)
    assert bits(checkpoints.load(path, state())) == bits(state())


@pytest.mark.parametrize("harm", ["truncate", "delete", "add", "unsum"])
def test_files_cut_missing_or_added_are_told(tmp_path, harm):
    path = checkpoints.save(tmp_path, state())
    victim = max((file for file in path.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)
    name = victim.relative_to(path).as_posix()
    if harm == "truncate":
        victim.write_bytes(victim.read_bytes()[:-5])
    elif harm == "delete":
        victim.unlink()
    elif harm == "add":
        (path / "extra").write_text("x")
    else:
        (path / "SHA256SUMS").unlink()
    words = {"truncate": f"{name} has changed", "delete": f"{name} is missing", "add": "extra was added"}
    with pytest.raises(InputError, match=words.get(harm, "not a whole checkpoint")):
        checkpoints.load(path, state())


def test_falls_back_to_the_newest_intact_one_and_says_so(tmp_path):
    for step in (1, 2, 3):
        checkpoints.save(tmp_path, state(step)._replace(step=jnp.int32(step)))
    flip(tmp_path / "step-00000003" / "tree.json", 5)
    (tmp_path / "step-00000002" / "SHA256SUMS").write_bytes(b"\xff\xfe")
    path, skipped = checkpoints.latest(tmp_path)
    assert path.name == "step-00000001"
    assert [sentence.count(f"step-0000000{step}") for sentence, step in zip(skipped, (3, 2), strict=True)] == [1, 1]
    assert "tree.json has changed" in skipped[0]
    flip(path / "tree.json", 5)
    with pytest.raises(InputError, match=r"only damaged ones: .*step-00000003.*step-00000002.*step-00000001"):
        checkpoints.latest(tmp_path)


def test_no_checkpoint_at_all(tmp_path):
    with pytest.raises(InputError, match="holds none"):
        checkpoints.latest(tmp_path / "nowhere")
    with pytest.raises(InputError, match="not a whole checkpoint"):
        checkpoints.load(tmp_path / "nowhere", state())


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (lambda: state(width=5), r"model/bias/value is float32 \(4,\) there and float32 \(5,\) here"),
        (lambda: state()._replace(step=jnp.int16(0)), r"step is int32 \(\) there and int16 \(\) here"),
        (
            lambda: state()._replace(key=jax.random.key(0, impl="rbg")),
            r"key is key<threefry2x32> \(\) there and key<rbg>",
        ),
        (lambda: state()._replace(optimizer_state=()), r"optimizer_state/0/count is int32 \(\) there and absent here"),
        (lambda: (state(), jnp.ones(2)), "absent"),
    ],
)
def test_another_structure_shape_or_dtype_is_told(tmp_path, template, words):
    path = checkpoints.save(tmp_path, state())
    with pytest.raises(InputError, match=words):
        checkpoints.load(path, template())


def test_keeps_the_newest_few(tmp_path):
    for step in range(5):
        checkpoints.save(tmp_path, state()._replace(step=jnp.int32(step)), keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000003", "step-00000004"]
    with pytest.raises(ValueError, match="keep must be at least 1"):
        checkpoints.save(tmp_path, state(), keep=0)


def test_what_was_just_saved_stays_and_so_does_what_is_newer(tmp_path):
    for step in (100, 200, 300, 400):
        checkpoints.save(tmp_path, {"w": jnp.ones(2)}, step=step, keep=4)
    for step in (200, 300, 400):
        flip(tmp_path / f"step-{step:08d}" / "tree.json", 20)
    assert checkpoints.latest(tmp_path).path.name == "step-00000100"
    for step in (150, 160, 170, 180):
        path = checkpoints.save(tmp_path, {"w": jnp.ones(2)}, step=step)
        assert checkpoints.latest(tmp_path).path == path
    assert [path.name[-3:] for path in checkpoints.found(tmp_path)] == ["400", "300", "200", "180", "170", "160"]
    checkpoints.save(tmp_path, {"w": jnp.ones(2)}, step=200)
    assert [path.name[8:] for path in checkpoints.found(tmp_path)] == ["00400", "00300", "00200-1", "00180", "00170"]


def test_two_leaves_of_one_name_are_refused(tmp_path):
    with pytest.raises(InputError, match="two leaves of the state have the name a/b"):
        checkpoints.save(tmp_path, {"a/b": jnp.ones(3), "a": {"b": jnp.zeros(2)}}, step=1)


def test_saving_a_step_again_replaces_it(tmp_path, bits):
    for seed in range(3):
        path = checkpoints.save(tmp_path, state(seed), step=7)
    assert checkpoints.found(tmp_path) == [path]
    assert checkpoints.latest(tmp_path).path == path
    assert bits(checkpoints.load(path, state())) == bits(state(2))


def test_more_devices_load_what_one_wrote(tmp_path):
    assert jax.device_count() >= 2
    values = jnp.arange(8.0)
    path = checkpoints.save(tmp_path, {"x": values}, step=0)
    mesh = Mesh(np.asarray(jax.devices()[:2]), ("data",))
    split = jax.device_put(jnp.zeros(8), NamedSharding(mesh, PartitionSpec("data")))
    loaded = checkpoints.load(path, {"x": split})["x"]
    assert loaded.sharding == split.sharding
    np.testing.assert_array_equal(loaded, values)
    back = checkpoints.save(tmp_path, {"x": loaded}, step=1)
    np.testing.assert_array_equal(checkpoints.load(back, {"x": values})["x"], values)


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(InputError, match=r"taken.*is a file, not a folder"):
        checkpoints.save(tmp_path / "taken" / "checkpoints", state())


def test_full_disk_keeps_the_checkpoint_before(mount, caplog, bits):
    disk = mount("size=200k")
    small = {"x": jnp.arange(1000.0)}
    path = checkpoints.save(disk, small, step=1)
    big = {"x": jax.random.normal(jax.random.key(0), (100_000,))}
    with pytest.raises(InputError, match=f"cannot write {disk}: the disk is full"):
        checkpoints.save(disk, big, step=2)
    assert [entry.name for entry in disk.iterdir()] == ["step-00000001"]  # what was half written makes room again
    assert bits(checkpoints.load(path, small)) == bits(small)
    assert not caplog.records  # one sentence, not Orbax's pages of tracebacks


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_disk_errors_from_the_system_become_sentences(tmp_path, monkeypatch, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    if code == errno.EROFS:  # a folder that cannot be flushed is no reason to fail
        checkpoints.verify(checkpoints.save(tmp_path, state()))
        return
    with pytest.raises(InputError, match="the disk is full"):
        checkpoints.save(tmp_path, state())
    assert list(tmp_path.iterdir()) == []


WRITER = """
import itertools, sys
import jax.numpy as jnp
from jaxvision.training import checkpoints
for step in itertools.count(int(sys.argv[2])):
    checkpoints.save(sys.argv[1], {"x": jnp.full(2000, step, jnp.int32), "step": jnp.int32(step)}, step=step)
    print(step, flush=True)
"""


def kill_while_saving(folder: Path, generator: random.Random, n_kills: int):
    """Starts a process that saves without pause and kills it `n_kills` times, each time looking at what is left."""
    template = {"x": jnp.zeros(2000, jnp.int32), "step": jnp.int32(0)}
    first, leftovers = 0, 0
    for _ in range(n_kills):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(first)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
        )
        assert writer.stdout is not None
        told = int(writer.stdout.readline())  # at least one is whole
        time.sleep(generator.uniform(0, 0.15))
        writer.send_signal(signal.SIGKILL)
        told = max([told, *(int(line) for line in writer.stdout.read().split("\n")[:-1])])
        writer.stdout.close()
        assert writer.wait() == -signal.SIGKILL
        leftovers += len(list(folder.glob(".*.partial")))
        path, skipped = checkpoints.latest(folder)
        assert skipped == ()  # not one name of a checkpoint on something that is none
        loaded = checkpoints.load(path, template)
        assert int(loaded["step"]) >= told
        np.testing.assert_array_equal(loaded["x"], jnp.full(2000, loaded["step"]))
        first = int(loaded["step"]) + 1
    return leftovers


def test_kill_9_in_mid_write_leaves_a_loadable_checkpoint(tmp_path):
    assert kill_while_saving(tmp_path, random.Random(0), n_kills=3) > 0  # some were killed in mid-write
    checkpoints.save(tmp_path, {"x": jnp.zeros(3)}, step=10**6)
    assert not list(tmp_path.glob(".*.partial"))


@pytest.mark.slow
def test_kill_9_fifty_times(tmp_path):
    assert kill_while_saving(tmp_path, random.Random(1), n_kills=50) > 10


def test_a_checkpoint_of_a_later_version_says_what_to_do(tmp_path):
    path = checkpoints.save(tmp_path, {"w": jnp.ones(2)}, step=1)
    tree = path / checkpoints.TREE
    tree.write_text(tree.read_text().replace('"format": 1', '"format": 2'))
    sums = path / checkpoints.SUMS
    lines = [line for line in sums.read_text().splitlines() if not line.endswith(checkpoints.TREE)]
    sums.write_text("\n".join([*lines, f"{sha256(tree)}  {checkpoints.TREE}"]) + "\n")
    with pytest.raises(
        InputError, match="is of format 2 and this version of jaxvision reads formats up to 1: go on with"
    ):
        checkpoints.load(path, {"w": jnp.zeros(2)})
