"""What this machine's kernel offers: one function a fact, each of which returns a Finding."""

import errno
import gzip
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from optdsl.kernel import tools
from optdsl.kernel.bpf_syscall import attached_sock_ops, instruction, loaded_sock_ops
from optdsl.kernel.bpffs import STANDARD_MOUNT_POINT, bpffs_mounts
from optdsl.kernel.cgroups import cgroup2_mounts, temporary
from optdsl.kernel.errors import KernelError
from optdsl.kernel.finding import Finding, fail, ok, warn
from optdsl.kernel.mounts import mounts_of

OLDEST_KERNEL: Final = (5, 10)
"""The first with bpf_reserve_hdr_opt and its kin (commit 0813a841566f)."""
_NO_V1_CONFLICT: Final = (5, 15)
"""From here on net_cls and net_prio of cgroup v1 leave a socket's v2 group alone (commit 8520e224f547)."""
_PROC_SYS: Final = Path("/proc/sys")

_CAP_NET_ADMIN: Final = 12
_CAP_SYS_ADMIN: Final = 21
_CAP_BPF: Final = 39

_NEEDED_OPTIONS: Final = ("BPF_SYSCALL", "CGROUP_BPF")
_USEFUL_OPTIONS: Final = ("BPF_JIT", "DEBUG_INFO_BTF", "NET_NS", "VETH")

_RETURN_1: Final = instruction(0xB7, immediate=1) + instruction(0x95)  # r0 = 1; exit
_RESERVE_4: Final = (  # bpf_reserve_hdr_opt(ctx, 4, 0); return 1
    instruction(0xB7, 2, immediate=4) + instruction(0xB7, 3) + instruction(0x85, immediate=144) + _RETURN_1
)


def kernel_version() -> Finding:
    """Whether the kernel is new enough for TCP header options."""
    release = platform.release()
    if _version(release) < OLDEST_KERNEL:
        return fail("kernel", f"Linux {release}: TCP header options need 5.10", "boot a newer kernel")
    return ok("kernel", f"Linux {release} on {platform.machine()}")


def privileges() -> Finding:
    """Whether this process may load and attach (CAP_BPF, CAP_NET_ADMIN) and make namespaces (CAP_SYS_ADMIN)."""
    held = _effective_capabilities()
    may_attach = _CAP_NET_ADMIN in held and (_CAP_BPF in held or _CAP_SYS_ADMIN in held)
    if may_attach and _CAP_SYS_ADMIN in held:
        return ok("privileges", "may load and attach programs and make network namespaces")
    if may_attach:
        return warn(
            "privileges", "may load and attach programs, but no namespaces: CAP_SYS_ADMIN is missing", "sudo -s"
        )
    return fail("privileges", "may not load programs: neither root nor CAP_BPF with CAP_NET_ADMIN", "sudo -s")


def configuration() -> Finding:
    """Whether the kernel was built with what is needed, as far as it tells."""
    options = kernel_options()
    if not options:
        return warn("configuration", "neither /proc/config.gz nor a config file of this kernel under /boot")
    missing = [f"CONFIG_{name}" for name in _NEEDED_OPTIONS if name not in options]
    if missing:
        return fail("configuration", f"the kernel was built without {', '.join(missing)}", "boot another kernel")
    useful = [f"CONFIG_{name}" for name in _USEFUL_OPTIONS if name not in options]
    if useful:
        return warn("configuration", f"the kernel was built without {', '.join(useful)}")
    return ok("configuration", ", ".join(f"CONFIG_{name}" for name in _NEEDED_OPTIONS + _USEFUL_OPTIONS))


def btf() -> Finding:
    """Whether the kernel describes its own types, which CO-RE, fentry and struct_ops need."""
    path = Path("/sys/kernel/btf/vmlinux")
    if path.exists():
        return ok("BTF", f"{path}, {path.stat().st_size // 1024} KiB")
    return warn("BTF", f"no {path}: programs load, but kernel structures cannot be read")


def bpffs() -> Finding:
    """Whether there is a place to pin objects."""
    if mounts := bpffs_mounts():
        return ok("bpffs", f"mounted at {mounts[0]}")
    return warn("bpffs", "not mounted: nothing can be pinned", f"mount -t bpf bpf {STANDARD_MOUNT_POINT}")


def cgroup2() -> Finding:
    """Whether cgroup v2 is mounted, and nothing of v1 is in its way."""
    mounts = cgroup2_mounts()
    if not mounts:
        place = "/sys/fs/cgroup/unified"
        return fail("cgroup v2", "not mounted", f"mkdir -p {place} && mount -t cgroup2 none {place}")
    in_the_way = {"net_cls", "net_prio"} & {option for mount in mounts_of("cgroup") for option in mount.options}
    if in_the_way and _version(platform.release()) < _NO_V1_CONFLICT:
        names = " and ".join(sorted(in_the_way))
        detail = f"mounted at {mounts[0]}, but {names} of cgroup v1 hides sockets from programs before Linux 5.15"
        return warn("cgroup v2", detail, "boot with cgroup_no_v1=net_cls,net_prio")
    return ok("cgroup v2", f"mounted at {mounts[0]}")


def jit() -> Finding:
    """Whether programs are compiled to machine code."""
    enabled = read_setting("net/core/bpf_jit_enable")
    if enabled is None:
        return warn("JIT", "net.core.bpf_jit_enable is not readable")
    if enabled == "0":
        return warn("JIT", "off: programs are interpreted", "sysctl -w net.core.bpf_jit_enable=1")
    return ok("JIT", "on")


def timer_frequency() -> Finding:
    """HZ, which bounds the timers that programs may set: they are at least two jiffies long."""
    frequency = kernel_options().get("HZ", "")
    if not frequency.isdigit():
        return warn("HZ", "unknown: the kernel does not show its configuration")
    tick = 1000 / int(frequency)
    # usecs_to_jiffies() rounds up, so two jiffies begin just above one.
    return ok("HZ", f"{frequency}: socket.delack_max and socket.rto_min must be above {tick:g} ms, and tick by that")


def congestion_controls() -> Finding:
    """The congestion controls that a program may choose."""
    available = read_setting("net/ipv4/tcp_available_congestion_control")
    if available is None:
        return warn("congestion controls", "net.ipv4.tcp_available_congestion_control is not readable")
    return ok("congestion controls", available)


def unprivileged_bpf() -> Finding:
    """Whether plain users may load programs, which is a risk and not needed."""
    value = read_setting("kernel/unprivileged_bpf_disabled")
    if value == "0":
        fix = "sysctl -w kernel.unprivileged_bpf_disabled=2"
        return warn("unprivileged BPF", "allowed: not needed here, and advised against", fix)
    return ok("unprivileged BPF", "off" if value else "this kernel has no switch for it")


def network_namespaces() -> Finding:
    """Whether a namespace with a veth pair can be made, tried for real; it goes away with the process that made it."""
    command = ["unshare", "--net", tools.find("ip"), "link", "add", "eth0", "type", "veth", "peer", "name", "eth1"]
    done = tools.run(command, timeout=10)
    if done.returncode:
        return fail("network namespaces", f"cannot make two hosts: {done.stderr.strip()}", "sudo -s")
    return ok("network namespaces", "a namespace with a veth pair was made")


def sock_ops_attachment() -> Finding:
    """Whether a sock_ops program of two instructions can be loaded and attached to a new cgroup, tried for real."""
    name = f"optdsl-probe-{os.getpid()}"
    try:
        with loaded_sock_ops(_RETURN_1) as program, temporary(name) as cgroup, attached_sock_ops(program, cgroup):
            return ok("sock_ops", "the verifier accepts a program, and it was attached to a cgroup")
    except KernelError as error:
        return fail("sock_ops", str(error), _remedy(error))


def header_options() -> Finding:
    """Whether the verifier knows bpf_reserve_hdr_opt, tried for real."""
    try:
        with loaded_sock_ops(_RESERVE_4):
            return ok("header options", "the verifier accepts a program that reserves option space")
    except KernelError as error:
        return fail("header options", str(error), _remedy(error))


def kernel_options() -> dict[str, str]:
    """The options the running kernel was built with, without `CONFIG_`; empty where it does not tell."""
    for text in _configuration_texts():
        return dict(re.findall(r"^CONFIG_(\w+)=(.*)$", text, re.MULTILINE))
    return {}


def read_setting(path: str) -> str | None:
    """The text of a file under /proc/sys; None if it is absent or unreadable."""
    try:
        return (_PROC_SYS / path).read_text().strip()
    except OSError:
        return None


def _configuration_texts() -> Iterator[str]:
    release = platform.release()
    for path in (Path("/proc/config.gz"), Path(f"/boot/config-{release}"), Path(f"/lib/modules/{release}/config")):
        try:
            data = path.read_bytes()
        except OSError:
            continue
        yield (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def _effective_capabilities() -> set[int]:
    match = re.search(r"^CapEff:\s*([0-9a-f]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    bits = int(match[1], 16) if match else 0
    return {number for number in range(bits.bit_length()) if bits >> number & 1}


def _remedy(error: KernelError) -> str:
    is_forbidden = error.errno in (errno.EPERM, errno.EACCES) and not error.verifier_log
    return "sudo -s" if is_forbidden else "boot Linux 5.10 or newer"


def _version(release: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", release)
    return (int(match[1]), int(match[2])) if match else (0, 0)
