import pytest


@pytest.fixture
def unloaded(monkeypatch):
    """Let a script that loads a network fail the test."""

    def fail(*_):
        raise AssertionError("the network was loaded before the check")

    for module in ("scripts.propagate_video", "scripts.evaluation.loop"):
        monkeypatch.setattr(f"{module}.load_network", fail)
