"""The folder through which host and kernel talk: where it is, what is in it, that it goes away."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from optdsl.lab.kernels.boot import _control_folder, _end, _write_control

booting = importlib.import_module("optdsl.lab.kernels.boot")  # the package has a function of that name


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands for /dev/shm."""
    folder = tmp_path / "shm"
    folder.mkdir()
    monkeypatch.setattr(booting, "_SHARED_MEMORY", folder)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return folder


def test_it_is_in_memory_only_if_that_holds_the_machines(memory: Path, tmp_path: Path) -> None:
    told = os.statvfs(memory)
    for size, place in ((1 << 20, memory), (told.f_blocks * told.f_frsize + 1, tmp_path)):
        with _control_folder(size) as folder:
            assert folder.parent == place
        assert not folder.exists()


def test_other_labs_may_remove_the_same_orphan(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (memory / "optdsl-lab-999999999-a").mkdir()
    (memory / "optdsl-lab-999999999-b").symlink_to("gone")
    glob = Path.glob

    def found(place: Path, pattern: str) -> list[Path]:
        return [*glob(place, pattern), memory / "optdsl-lab-999999999-c"]

    monkeypatch.setattr(Path, "glob", found)
    with _control_folder(0) as folder:
        assert folder.parent == memory
        assert not (memory / "optdsl-lab-999999999-a").exists()
    assert not folder.exists()


def test_it_goes_away_if_orphans_cannot_be_removed(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise OSError

    monkeypatch.setattr(booting, "_remove_orphans", refuse)
    with pytest.raises(OSError), _control_folder(0):
        pass
    assert list(memory.iterdir()) == []


def test_the_first_process_is_found_by_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    control = tmp_path / "it's \udcff $HOME"
    control.mkdir()
    echo = tmp_path / "an 'echo"
    echo.symlink_to(shutil.which("echo") or "/bin/echo")
    monkeypatch.setattr(sys, "executable", str(echo))
    _write_control(control, {}, b"")
    told = subprocess.run([control / "init"], capture_output=True, check=True).stdout
    assert told.startswith(b"-I -S /")
    assert told.endswith(b"/guest.py " + os.fsencode(control) + b"\n")


def test_zombies_are_not_waited_for() -> None:
    leader = subprocess.Popen(["sleep", "60"], process_group=0)
    member = subprocess.Popen(["sleep", "60"], process_group=leader.pid)
    began = time.monotonic()
    _end(leader)
    assert time.monotonic() - began < 0.7
    assert member.wait() == -signal.SIGKILL
