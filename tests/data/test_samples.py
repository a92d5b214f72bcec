"""The photographs that lie in scikit-image's wheel."""

import socket
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

from jaxvision.data import SAMPLES, read_image, sample_file, samples
from jaxvision.errors import InputError

# The package re-exports a function of the module's name.
module = import_module("jaxvision.data.samples")
HAS_SKIMAGE = module.find_spec("skimage") is not None
needs_skimage = pytest.mark.skipif(not HAS_SKIMAGE, reason="scikit-image is not installed (extra `demo`)")


@needs_skimage
def test_real_photographs_without_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("the samples must not touch the network")

    monkeypatch.setattr(socket, "socket", refuse)
    names, images = samples(48)
    assert names == tuple(SAMPLES)
    assert images.shape == (len(SAMPLES), 48, 48, 3)
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 1
    assert np.all(images.std(axis=(1, 2, 3)) > 0.1)  # pictures of something
    cat, cameraman = images[names.index("cat")], images[names.index("cameraman")]
    assert cat[..., 0].mean() > cat[..., 2].mean() + 0.1  # a ginger cat
    np.testing.assert_array_equal(cameraman[..., 0], cameraman[..., 2])  # a grey photograph


@needs_skimage
def test_the_cat_is_scikit_images_own():
    code = "import skimage.data, numpy; x = skimage.data.chelsea(); print(x.shape, int(x.sum()))"
    shape_and_sum = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    cat = read_image(sample_file("cat"))
    assert shape_and_sum.stdout.strip() == f"{cat.shape} {int(cat.sum())}"


def test_without_scikit_image(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"scikit-image, which is not installed: pip install .*jaxvision\[demo\]"):
        samples()
