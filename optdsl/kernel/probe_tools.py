"""Which libraries and programs this machine has, and their versions."""

import re
from collections.abc import Sequence
from typing import Final

from optdsl.kernel import libbpf_binding, tools
from optdsl.kernel.errors import KernelError
from optdsl.kernel.finding import Finding, fail, ok, warn

_PROGRAMS: Final[dict[str, tuple[Sequence[str], str]]] = {
    # program: (arguments that print its version, what is missing without it)
    "bpftool": (("version",), "objects cannot be pinned, nor inspected from the shell"),
    "clang": (("--version",), "the generated C cannot be compiled (objects are made without it)"),
    "tcpdump": (("--version",), "the lab cannot capture packets"),
    "tshark": (("--version",), "generated dissectors cannot be run"),
    "ip": (("-V",), "the lab cannot make hosts"),
    "ss": (("-V",), "the lab cannot show the state of sockets"),
    "nsenter": (("--version",), "the lab cannot run programs on its hosts"),
    "curl": (("--version",), "the lab cannot make HTTP transfers"),
}
PROGRAMS: Final = tuple(_PROGRAMS)
"""The programs that are looked for."""


def libbpf() -> Finding:
    """Whether objects can be loaded from Python."""
    try:
        return ok("libbpf", libbpf_binding.version())
    except KernelError as error:
        return fail("libbpf", error.message, "apt install libbpf1")


def program(name: str) -> Finding:
    """Whether a program of `PROGRAMS` is installed, and its version."""
    arguments, missing = _PROGRAMS[name]
    path = tools.which(name)
    if path is None:
        return warn(name, f"not installed: {missing}", tools.how_to_install(name))
    done = tools.run([path, *arguments], timeout=20)
    output = done.stdout or done.stderr
    version = re.search(r"\d+\.\d+(\.\d+)*", output)
    if version is None:
        return warn(name, f"{path} does not tell its version")
    return ok(name, f"{version[0]} ({path})")
