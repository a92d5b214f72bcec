import pytest

from jaxvision.training import progress
from jaxvision.training.progress import status


def test_hours_left():
    assert status(10, 7210, {}, rate=1.0).endswith("2:00:00 left")


def test_no_rate_yet():
    assert status(0, 10, {"loss": 2.0}, rate=0.0) == "step 0/10, 0 steps/s, loss 2, 0:00 left"


def test_a_log_gets_one_line_at_the_end_and_nothing_on_standard_output(capsys):
    with progress(100) as report:
        for step in range(10, 101, 10):
            report(step, {"loss": 0.5})
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("step 100/100, ")


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with progress(100, done=20) as report:
        report(60, {"loss": 0.5})
    out, err = capsys.readouterr()
    assert out == ""
    assert "step 60/100" in err
    assert "loss 0.5" in err
    assert "━" in err


def test_errors_pass_through():
    with pytest.raises(ZeroDivisionError), progress(3):
        raise ZeroDivisionError
