"""Signals: held back until asked for, and nothing of it left behind."""

import signal
import threading

import pytest

from jaxvision.training import Preempted, preemptible, stoppable

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def handlers_come_back():
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Preempted)])
def test_the_first_is_held_back(number, kind):
    with stoppable() as stopping:
        assert stopping() is None
        signal.raise_signal(number)
        assert type(stopping()) is kind


@pytest.mark.parametrize("first", SIGNALS)
def test_ctrl_c_after_a_signal_does_not_wait(first):
    with stoppable():
        signal.raise_signal(first)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_sigterm_again_changes_nothing():
    with stoppable() as stopping:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
            signal.raise_signal(number)
        assert type(stopping()) is KeyboardInterrupt


def test_within_a_preemptible_program_it_is_held_back_too():
    with preemptible():
        with stoppable() as stopping:
            signal.raise_signal(signal.SIGTERM)
            assert type(stopping()) is Preempted
        with pytest.raises(Preempted) as stop:
            signal.raise_signal(signal.SIGTERM)
    assert stop.value.code == 0


def test_elsewhere_than_in_the_main_thread_nothing_is_touched():
    seen = []

    def work():
        with preemptible(), stoppable() as stopping:
            seen.extend([stopping(), [signal.getsignal(number) for number in SIGNALS]])

    before = [signal.getsignal(number) for number in SIGNALS]
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None, before]
