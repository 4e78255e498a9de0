"""Facts about this machine: what `optdsl doctor` shows, and why tests that need the kernel cannot run."""

import sys
from collections.abc import Callable
from functools import cache, partial
from typing import Final

from optdsl.kernel import probe_kernel, probe_tools
from optdsl.kernel.bpffs import ensure_bpffs
from optdsl.kernel.errors import KernelError
from optdsl.kernel.finding import Finding, State, fail

_CHECKS: Final[tuple[tuple[str, Callable[[], Finding]], ...]] = (
    ("kernel", probe_kernel.kernel_version),
    ("privileges", probe_kernel.privileges),
    ("configuration", probe_kernel.configuration),
    ("BTF", probe_kernel.btf),
    ("JIT", probe_kernel.jit),
    ("HZ", probe_kernel.timer_frequency),
    ("congestion controls", probe_kernel.congestion_controls),
    ("unprivileged BPF", probe_kernel.unprivileged_bpf),
    ("cgroup v2", probe_kernel.cgroup2),
    ("bpffs", probe_kernel.bpffs),
    ("sock_ops", probe_kernel.sock_ops_attachment),
    ("header options", probe_kernel.header_options),
    ("network namespaces", probe_kernel.network_namespaces),
    ("libbpf", probe_tools.libbpf),
    *((name, partial(probe_tools.program, name)) for name in probe_tools.PROGRAMS),
)

_NEEDED_BY_TESTS: Final = (
    "kernel",
    "privileges",
    "cgroup v2",
    "libbpf",
    "sock_ops",
    "header options",
    "network namespaces",
)


def findings() -> tuple[Finding, ...]:
    """Looks at everything there is to know, in the order in which a reader should mend it. Never raises."""
    return tuple(_guarded(name, check) for name, check in _CHECKS)


@cache
def why_not_kernel_tests() -> str | None:
    """Why tests that load programs and build a lab cannot run here; None if they can. Never raises; asks once."""
    if not sys.platform.startswith("linux"):
        return f"{sys.platform} is not Linux"
    checks = dict(_CHECKS)
    for name in (*_NEEDED_BY_TESTS, *probe_tools.PROGRAMS):
        finding = _guarded(name, checks[name])
        # A missing program limits a user, but a test that calls it cannot do without.
        if finding.state is State.FAIL or (finding.state is State.WARN and finding.name in probe_tools.PROGRAMS):
            return f"{finding.name}: {finding.detail}"
    try:
        ensure_bpffs()
    except KernelError as error:
        return str(error)
    return None


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    """Runs a check; what it did not expect is a finding too, since a doctor must not fall ill."""
    try:
        return check()
    except Exception as error:
        return fail(name, str(error) or type(error).__name__)
