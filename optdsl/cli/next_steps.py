"""The commands to type after a compile, with a cgroup and a BPF file system that exist on this machine."""

from __future__ import annotations

import shlex
from pathlib import Path

from optdsl.cli.report import Outcome
from optdsl.diagnostics.render_rows import Role, Style, painted
from optdsl.semantics.model import CheckedProgram

_COMMON_CGROUP = Path("/sys/fs/cgroup")
_COMMON_BPFFS = Path("/sys/fs/bpf")


def next_steps(program: CheckedProgram, outcome: Outcome, style: Style) -> list[str]:
    """The lines behind a report; none for outputs that are only read."""
    if outcome.destination == "-":
        return []
    if outcome.form == "c":
        compiled = outcome.destination.removesuffix(".c") + ".o"
        flags = " ".join(["-O2 -g -target bpf -mcpu=v3", *_multiarch_include()])
        command = f"clang {flags} -c {_quoted(outcome.destination)} -o {_quoted(compiled)}"
        return ["", painted("next", Role.TITLE, style), f"  {command}"]
    if outcome.form != "object":
        return []
    return _object_steps(program, outcome.destination, style)


def _object_steps(program: CheckedProgram, path: str, style: Style) -> list[str]:
    from optdsl.ir.types import Section
    from optdsl.kernel.bpffs import pin_name

    cgroup, mount_first = _cgroup()
    pin = _bpffs() / program.name
    maps = pin.with_name(f"{program.name}_maps")
    dumps = [(maps / "counters", "the counters")]
    if any(option.params for option in program.options):
        dumps.append((maps / pin_name(Section.PARAMETERS.value), "the params, which `optdsl param` changes"))
    dump_commands = [(f"bpftool map dump pinned {_quoted(pinned)}", what) for pinned, what in dumps]
    width = max(len(command) for command, _ in dump_commands)
    load = f"bpftool prog load {_quoted(path)} {_quoted(pin)} pinmaps {_quoted(maps)}"
    attach = f"bpftool cgroup attach {_quoted(cgroup)} sock_ops pinned {_quoted(pin)} multi"
    detach = f"bpftool cgroup detach {_quoted(cgroup)} sock_ops pinned {_quoted(pin)}"
    return [
        "",
        painted("next, as root", Role.TITLE, style),
        *(f"  {command}" for command in mount_first),
        f"  {load}",
        f"  {attach}",
        *(f"  {command:<{width}}  # {what}" for command, what in dump_commands),
        painted("and to undo it", Role.TITLE, style),
        f"  {detach}",
        f"  rm -r {_quoted(pin)} {_quoted(maps)}",
    ]


def _cgroup() -> tuple[Path, list[str]]:
    """The root of cgroup v2 here, and the command that mounts it where it is not mounted."""
    from optdsl.kernel.cgroups import cgroup2_mounts

    mounts = [mount for mount in cgroup2_mounts() if mount.is_dir()]
    if mounts:
        return mounts[0], []
    # Without any cgroup mount (a container, another system) the common place is as good as any.
    return _COMMON_CGROUP, [f"mount -t cgroup2 none {_COMMON_CGROUP}"]


def _bpffs() -> Path:
    """The BPF file system; bpftool mounts it where it is usual if there is none."""
    from optdsl.kernel.bpffs import bpffs_mounts

    return next(iter(bpffs_mounts()), _COMMON_BPFFS)


def _multiarch_include() -> list[str]:
    """Where Debian keeps asm/types.h, which clang does not search for another target than the machine's own."""
    import sysconfig

    folder = Path("/usr/include", sysconfig.get_config_var("MULTIARCH") or "")
    return [f"-I{folder}"] if folder != Path("/usr/include") and (folder / "asm/types.h").is_file() else []


def _quoted(path: str | Path) -> str:
    return shlex.quote(str(path))
