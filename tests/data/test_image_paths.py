"""Files, folders and globs."""

import errno
from pathlib import Path

import pytest

from jaxvision.data import find_images, read_image
from jaxvision.errors import InputError


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("b.PNG", "a.jpg", "c.webp", "notes.txt", ".hidden.png", "deep/d.png", "deep/deeper/e.gif", "[1].png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def names(paths) -> list[str]:
    return [path.name for path in find_images(paths)]


def test_folders_are_sorted_and_not_searched_deeply(folder):
    assert names(folder) == names([str(folder)]) == ["[1].png", "a.jpg", "b.PNG", "c.webp"]


def test_globs(folder):
    assert names(f"{folder}/?.[jw]*") == ["a.jpg", "c.webp"]
    assert names(f"{folder}/*") == ["[1].png", "a.jpg", "b.PNG", "c.webp"]
    assert names(f"{folder}/**/*.???") == ["[1].png", "a.jpg", "b.PNG", "d.png", "e.gif"]


def test_a_name_with_brackets_is_a_file_first(folder):
    assert names(folder / "[1].png") == ["[1].png"]


def test_named_files_keep_their_order_and_need_no_suffix(folder):
    assert names([folder / "notes.txt", folder / "a.jpg"]) == ["notes.txt", "a.jpg"]


def test_duplicates_are_kept_out(folder):
    (folder / "link.png").symlink_to(folder / "a.jpg")
    paths = [folder / "c.webp", folder, f"{folder}/*.jpg", folder / "deep" / ".." / "a.jpg"]
    assert names(paths) == ["c.webp", "[1].png", "a.jpg", "b.PNG"]


def test_home_and_relative_paths(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert names("~/a.jpg") == ["a.jpg"]
    monkeypatch.chdir(folder)
    assert names(["a.jpg", "deep"]) == ["a.jpg", "d.png"]


@pytest.mark.parametrize(
    ("paths", "sentence"),
    [
        ([], "no images were given"),
        (["{}/missing.jpg"], "there is no file or folder .*missing.jpg.*check the path"),
        (["{}/a.jpg", "{}/missing"], "there is no file or folder .*missing"),
        (["{}/folder.png"], r"the folder .*folder.png holds no images.*\.jpg"),
        (["{}/*.bmp"], r"the pattern .*\*.bmp matches no image: expected"),
        (["{}/*.txt"], r"matches no image \(only 1 other files or folders\)"),
    ],
)
def test_nothing_to_read(folder, paths, sentence):
    with pytest.raises(InputError, match=sentence) as error:
        find_images([path.format(folder) for path in paths])
    assert "\n" not in str(error.value)


def test_a_folder_that_cannot_be_read(folder, monkeypatch):
    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match=r"cannot look into .*Permission denied"):
        find_images(folder)


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "a\0*", "~nobody_of_this_name/a.png", "\ud800", "*" * 5000])
def test_names_that_no_system_has_are_sentences(name):
    with pytest.raises(InputError, match=r"there is no file|cannot look into|matches no image"):
        find_images(name)
    with pytest.raises(InputError, match="there is no file"):
        read_image(name)


def test_symbolic_links_that_lead_nowhere_or_in_a_circle(tmp_path):
    (tmp_path / "circle.png").symlink_to(tmp_path / "circle.png")
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "none")
    for name in ("circle.png", "nowhere.png"):
        for read in (find_images, read_image):
            with pytest.raises(InputError, match="there is no file"):
                read(tmp_path / name)
    with pytest.raises(InputError, match="holds no images"):
        find_images(tmp_path)
