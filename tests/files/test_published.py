import pytest

from jaxvision.errors import InputError
from jaxvision.files import PublishedFile, digest, sha256, verify

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4's own example


def published(path="sets/abc.bin", digest="sha256:" + ABC):
    return PublishedFile(path, "https://example.org/abc.bin", digest, 3, "none")


def test_digests_of_the_standards_example(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == ABC
    assert digest(tmp_path / "abc", "sha256") == "sha256:" + ABC
    assert digest(tmp_path / "abc", "md5") == "md5:900150983cd24fb0d6963f7d28e17f72"  # RFC 1321, appendix A.5


def test_location_is_under_home(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXVISION_HOME", str(tmp_path))
    assert published().location == tmp_path / "sets" / "abc.bin"
    assert published().name == "abc.bin"


@pytest.mark.parametrize("path", ["/etc/passwd", "../abc", "sets/../../abc", ""])
def test_a_path_outside_home_is_refused(path):
    with pytest.raises(ValueError, match="inside the home folder"):
        published(path=path)


@pytest.mark.parametrize("digest", [ABC, "sha256:" + ABC.upper(), "sha256:" + ABC[:-1], "md5:" + ABC, "sha1:" + ABC])
def test_a_malformed_digest_is_refused(digest):
    with pytest.raises(ValueError, match="digest must be"):
        published(digest=digest)


def test_verify_names_both_digests(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    verify(published(), tmp_path / "abc")
    (tmp_path / "abc").write_bytes(b"abd")
    with pytest.raises(InputError) as raised:
        verify(published(), tmp_path / "abc")
    assert ABC in str(raised.value)
    assert sha256(tmp_path / "abc") in str(raised.value)
    assert (tmp_path / "abc").read_bytes() == b"abd"


@pytest.mark.parametrize("recorded", [b"", b"\xff\xfe", b"crc32:0", b"sha256:" + b"0" * 63])
def test_a_record_that_is_none_is_a_sentence(tmp_path, monkeypatch, recorded):
    monkeypatch.setenv("JAXVISION_HOME", str(tmp_path))
    file = published("abc.bin", digest="")
    file.location.write_bytes(b"abc")
    file.record.write_bytes(recorded)
    with pytest.raises(InputError, match="records no SHA-256"):
        verify(file, file.location)
    file.record.write_text(f"sha256:{ABC}\n")
    verify(file, file.location)
