import hashlib
import json

import pytest

from jaxvision.errors import InputError
from jaxvision.files import PublishedFile
from jaxvision.weights import CLASS_NAMES, imagenet_class_names

NAMES = [f"class {i}" for i in range(1000)]


def put(home, path, content):
    (home / path).parent.mkdir(parents=True, exist_ok=True)
    (home / path).write_text(content if isinstance(content, str) else json.dumps(content))


def test_the_list_in_home_comes_first(own_home):
    put(own_home, "imagenet/class_names.json", NAMES)
    put(own_home, CLASS_NAMES.path, {})
    assert imagenet_class_names() == tuple(NAMES)


def test_the_published_index_is_sorted_by_number(own_home):
    index = {str(i): [f"n{i:08d}", f"class_{i}"] for i in reversed(range(1000))}
    put(own_home, CLASS_NAMES.path, index)
    assert imagenet_class_names() == tuple(NAMES)


def test_the_published_index_is_downloaded_and_checked(own_home, site, monkeypatch):
    folder, url = site
    content = json.dumps({str(i): [f"n{i:08d}", f"class_{i}"] for i in range(1000)})
    put(folder, "index.json", content)
    digest = "md5:" + hashlib.md5(content.encode()).hexdigest()
    published = PublishedFile(CLASS_NAMES.path, f"{url}/index.json", digest, len(content), "none")
    monkeypatch.setattr("jaxvision.weights.class_names.CLASS_NAMES", published)
    assert imagenet_class_names() == tuple(NAMES)
    assert (own_home / CLASS_NAMES.path).exists()


@pytest.mark.parametrize("content", [NAMES[:-1], [1] * 1000, {"0": "tench"}, "not json"])
def test_another_list_is_a_sentence(content, own_home):
    put(own_home, "imagenet/class_names.json", content)
    with pytest.raises(InputError, match=r"class_names\.json is not"):
        imagenet_class_names()


@pytest.mark.parametrize("content", [{"0": ["n01440764", "tench"]}, NAMES, {str(i): "n" for i in range(1000)}])
def test_another_index_is_a_sentence(content, own_home):
    put(own_home, CLASS_NAMES.path, content)
    with pytest.raises(InputError, match="not the published class index"):
        imagenet_class_names()


def test_real_names(needs, monkeypatch):
    needs("imagenet/class_names.json")
    names = imagenet_class_names()
    assert names[0].startswith("tench")
    assert names[281].startswith("tabby")
    assert names[999].startswith("toilet tissue")
