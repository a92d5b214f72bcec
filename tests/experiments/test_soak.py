import pytest

from experiments.soak import TRAININGS, Config, Look, growth, main, table
from jaxvision.errors import InputError


def looks(*, leak=0.0, slower=0.0):
    """A hundred looks, a second apart, at a training whose first fifth is wild."""
    wild = [Look(float(t), 500.0 - 10 * t, 99, 99, 5 * t) for t in range(20)]
    calm = [Look(20.0 + t, 300 + leak * t, 12, 8, 100 + int((10 - slower * t) * t)) for t in range(81)]
    return wild + calm


def test_a_process_that_does_not_grow():
    found = growth("gan", looks(), 50)
    assert found.memory == (300, 300)
    assert (found.files, found.threads) == ((12, 12), (8, 8))
    assert found.rate == pytest.approx((10, 10))
    assert (found.steps, found.checkpoints) == (900, 18)


def test_one_that_does():
    found = growth("gan", looks(leak=1.0, slower=0.05), 50)
    assert found.memory == (313, 367)  # medians of 27 looks at each end
    assert found.rate[1] < found.rate[0]
    assert table([found])[1][3] == "313 to 367 (+17.3 %)"


def test_too_short_to_say_anything():
    with pytest.raises(InputError, match=r"--minutes 0.1 leave fewer than nine looks"):
        main(Config(minutes=0.1))


@pytest.mark.slow
def test_a_minute(tmp_path):
    result = main(Config(minutes=0.9, every=0.5, run_dir=tmp_path / "run"))
    assert [one.training for one in result.trainings] == list(TRAININGS)
    for one in result.trainings:
        assert one.steps > 0
        assert one.rate[1] > 0
        assert one.files[1] < one.files[0] + 40  # the look at the first third may have missed a checkpoint's writing
        assert len((tmp_path / "run" / f"{one.training}.jsonl").read_text().splitlines()) >= one.looks
    assert "open files" in (tmp_path / "run" / "soak.md").read_text()
