"""Compiles the hand-written programs, and the samples beside them, for tests and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from optdsl.kernel.clang import compile_bpf
from samples.sample_objects import compile_sample

SOURCES: Final = Path(__file__).resolve().parent / "handwritten"
SAMPLES: Final = ("delack", "uto", "cc", "iw", "selftest")
OPTION_NAMES: Final = {
    "delack": "delayed_ack",
    "uto": "user_timeout",
    "cc": "congestion_control",
    "iw": "initial_window",
    "selftest": "selftest",
}
BY_HAND: Final = "by hand"
MAKERS: Final = ("llvm", "c", BY_HAND)
"""Who makes an object: the back ends, and a person who writes C."""


def compile_handwritten(name: str, folder: Path) -> Path:
    """The object of `handwritten/NAME.bpf.c`, with the options that the C back end's programs are compiled with."""
    folder.mkdir(parents=True, exist_ok=True)
    return compile_bpf(SOURCES / f"{name}.bpf.c", folder / f"{name}.bpf.o", "-Wextra")


def compile_by(maker: str, name: str, folder: Path) -> Path:
    """The object of a sample by one of `MAKERS`, in a folder of its own below `folder`."""
    where = folder / f"{name}-{maker.replace(' ', '-')}"
    where.mkdir(parents=True, exist_ok=True)
    return compile_handwritten(name, where) if maker == BY_HAND else compile_sample(name, maker, where)
