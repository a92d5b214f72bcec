import shutil

import pytest


@pytest.fixture(scope="session")
def java():
    """The words of sentences, by pycocoevalcap's tokenizer."""
    if shutil.which("java") is None:
        pytest.skip("pycocoevalcap's tokenizer needs Java")
    module = pytest.importorskip("pycocoevalcap.tokenizer.ptbtokenizer", reason="extra `peers`")

    def words(sentences):
        found = module.PTBTokenizer().tokenize({0: [{"caption": sentence} for sentence in sentences]})[0]
        assert len(found) == len(sentences)
        return [sentence.split() for sentence in found]

    return words
