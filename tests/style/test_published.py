"""The course's published values, through the public functions (they need its weights and pictures)."""

import numpy as np
import pytest
from PIL import Image

from jaxvision import cs231n
from jaxvision.backbones import squeezenet1_1
from jaxvision.pixels import normalize


def prepared(path, short_side=192):
    """As the course's PIL pipeline does: bilinear, the long side cut to a whole number."""
    with Image.open(path) as image:
        w, h = image.size
        size = (short_side * w // min(w, h), short_side * h // min(w, h))
        pixels = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BILINEAR))
    return normalize(pixels[None].astype(np.float32) / 255)


@pytest.fixture(scope="module")
def published(needs):
    answers = np.load(needs("checks/style_transfer.npz"))
    cnn = squeezenet1_1(needs("weights/squeezenet1_1.safetensors"))
    content = prepared(needs("images/tubingen.jpg"))
    style = prepared(needs("images/starry_night.jpg"))
    features = {
        name: cs231n.extract_features(image, cnn)
        for name, image in {"content": content, "style": style, "zero": 0 * content}.items()
    }
    return answers, content, features


def error(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    return float(np.max(np.abs(found - expected) / np.maximum(1e-8, np.abs(found) + np.abs(expected))))


def test_content_loss(published):
    answers, _, features = published
    assert error(cs231n.content_loss(6e-2, features["content"][3], features["zero"][3]), answers["cl_out"]) < 1e-3


def test_gram_matrix(published):
    answers, _, features = published
    assert error(cs231n.gram_matrix(features["style"][5]), answers["gm_out"]) < 1e-3


def test_style_loss(published):
    answers, _, features = published
    layers, weights = [1, 4, 6, 7], [300_000, 1000, 15, 3]
    targets = [cs231n.gram_matrix(features["style"][layer]) for layer in layers]
    assert error(cs231n.style_loss(features["content"], layers, targets, weights), answers["sl_out"]) < 1e-3


def test_total_variation(published):
    answers, content, _ = published
    assert error(cs231n.tv_loss(content, 2e-2), answers["tv_out"]) < 1e-3
