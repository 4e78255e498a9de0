"""BPF objects through the real bpftool: load and pin, attach to a cgroup, dump and change maps, unpin.

What is loaded here stays in the kernel, under its pins, when this process ends; `Pinned.remove` takes it out.
Functions raise KernelError.
"""

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optdsl.elf.btf_types import DataSection
from optdsl.kernel import bpffs, tools
from optdsl.kernel.btf import Btf, Value, replaced, total
from optdsl.kernel.btf_json import read_bpftool
from optdsl.kernel.cgroups import Cgroup, cgroup2_mounts
from optdsl.kernel.errors import KernelError, split_verifier_log
from optdsl.record import record


@record
class Pinned:
    """A loaded object: a directory on bpffs with a pin for each of its programs and maps."""

    directory: Path

    def program(self, name: str) -> Path:
        """The pin of a program."""
        return self.directory / "programs" / bpffs.pin_name(name)

    def map(self, name: str) -> Path:
        """The pin of a map; data sections are maps too (`.data.params`)."""
        return self.directory / "maps" / bpffs.pin_name(name)

    def programs(self) -> list[Path]:
        """The pins of all programs."""
        return sorted((self.directory / "programs").iterdir())

    def maps(self) -> list[Path]:
        """The pins of all maps."""
        return sorted((self.directory / "maps").iterdir())

    def remove(self) -> None:
        """Removes the pins. The kernel frees what is not attached or in use elsewhere."""
        bpffs.unpin(self.directory)


@record
class MapEntry:
    """An entry of a map: one value, or one for each possible CPU; decoded if the map has BTF, else a list of bytes."""

    key: Value
    values: tuple[Value, ...]

    @property
    def value(self) -> Value:
        """The value, added up over all CPUs."""
        return total(self.values)


def load(object_file: Path, name: str) -> Pinned:
    """Loads all programs of an object file and pins them and the maps in a new directory `name` on bpffs.

    The KernelError of a rejected program carries the verifier log.
    """
    pinned = Pinned(bpffs.make_pin_directory(name))
    try:
        where = [str(pinned.directory / "programs"), "pinmaps", str(pinned.directory / "maps")]
        _run(f"cannot load {object_file}", "prog", "loadall", str(object_file), *where)
    except BaseException:
        pinned.remove()
        raise
    return pinned


def attach_cgroup(program: Path, cgroup: Cgroup, *, multi: bool = True) -> None:
    """Puts a pinned sock_ops program on a cgroup, where it stays until it is detached or the cgroup is removed.

    Without `multi` the attachment is exclusive: it fails with EPERM beside others, and makes later ones fail.
    """
    flags = ["multi"] if multi else []
    what = f"cannot attach {program.name} to {cgroup.path}"
    try:
        _run(what, "cgroup", "attach", str(cgroup.path), "sock_ops", "pinned", str(program), *flags)
    except KernelError as error:
        if holder := _exclusive_holder(cgroup):
            raise KernelError(what, errno.EPERM, f"{error.message}\n{holder}") from error
        raise


def detach_cgroup(program: Path, cgroup: Cgroup) -> None:
    """Takes a pinned program off a cgroup."""
    what = f"cannot detach {program.name} from {cgroup.path}"
    _run(what, "cgroup", "detach", str(cgroup.path), "sock_ops", "pinned", str(program))


def attached(cgroup: Cgroup) -> list[dict[str, Any]]:
    """What bpftool lists for a cgroup: `id`, `name`, `attach_type`, `attach_flags` of each program."""
    programs: list[dict[str, Any]] = _run(f"cannot list {cgroup.path}", "cgroup", "show", str(cgroup.path)) or []
    return programs


def map_info(pin: Path) -> dict[str, Any]:
    """What bpftool tells about a map: `id`, `type`, `name`, `bytes_key`, `bytes_value`, `max_entries`, ..."""
    info: dict[str, Any] = _run(f"cannot read map {pin.name}", "map", "show", "pinned", str(pin))
    return info


def map_dump(pin: Path) -> list[MapEntry]:
    """All entries of a map. Raises KernelError for those that the kernel cannot list, such as socket storage."""
    return [_entry(item) for item in _raw_dump(pin)]


def read(pin: Path) -> Value:
    """The value of a one-entry array or a data section, decoded, a per-CPU one added up over all CPUs."""
    entries = map_dump(pin)
    if len(entries) != 1:
        raise KernelError(f"map {pin.name} has {len(entries)} entries, not one", errno.EINVAL)
    return entries[0].value


def set_member(pin: Path, path: str, value: int) -> None:
    """Sets one integer of a pinned data section by its dotted path (`delayed_ack.divisor`) while programs run.

    The section is read, changed and written as a whole; a lock keeps other writers that do the same apart. Raises
    KernelError: ENOENT with the names there are, ERANGE if the integer does not fit.
    """
    with bpffs.locked(pin.parent):
        btf, section = data_section(pin)
        write_bytes(pin, replaced(btf, section, read_bytes(pin), path, value))


def read_bytes(pin: Path) -> bytes:
    """The whole value of a data section."""
    return bytes(int(byte, 16) for byte in _raw_dump(pin)[0]["value"])


def write_bytes(pin: Path, value: bytes) -> None:
    """Replaces the whole value of a data section."""
    key = ["key", "hex", *_hex(bytes(4))]
    _run(f"cannot write map {pin.name}", "map", "update", "pinned", str(pin), *key, "value", "hex", *_hex(value))


def data_section(pin: Path) -> tuple[Btf, int]:
    """The types of a pinned data section, and its id among them. Raises KernelError (EINVAL) for other maps."""
    return _data_section(map_info(pin))


def version() -> str:
    """The version of bpftool and of the libbpf inside, such as `7.1.0 (libbpf 1.1)`."""
    answer = _run("cannot run bpftool", "version")
    return (
        f"{answer['version']} (libbpf {answer['libbpf_version']})" if "libbpf_version" in answer else answer["version"]
    )


def _run(what: str, *arguments: str) -> Any:
    """Runs bpftool and returns the JSON it prints."""
    done = tools.run(["bpftool", "--json", *arguments])
    try:
        answer = json.loads(done.stdout) if done.stdout.strip() else None
    except json.JSONDecodeError:
        answer = {"error": done.stdout}
    if done.returncode or (isinstance(answer, dict) and "error" in answer):
        messages, log = split_verifier_log(done.stderr)
        own = answer.get("error") if isinstance(answer, dict) else "no reason given"
        raise KernelError(what, _errno_in(messages), f"bpftool: {own}\n{messages}", log)
    return answer


def _errno_in(messages: str) -> int | None:
    """The error number whose text libbpf's messages end in: bpftool itself does not report one."""
    texts = {os.strerror(number): number for number in errno.errorcode}
    return next((texts[tail] for line in messages.splitlines() if (tail := line.rsplit(": ", 1)[-1]) in texts), None)


def _exclusive_holder(cgroup: Cgroup) -> str:
    """A sentence that names the program which keeps others off a cgroup; empty if there is none."""
    for path in (cgroup.path, *cgroup.path.parents):
        for program in attached(Cgroup(path)):
            if program["attach_type"].endswith("sock_ops") and not program["attach_flags"]:
                return f"program {program['name']} (id {program['id']}) is attached to {path} exclusively"
        if path in cgroup2_mounts():
            break
    return ""


def _raw_dump(pin: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = _run(f"cannot dump map {pin.name}", "map", "dump", "pinned", str(pin)) or []
    return entries


def _entry(item: dict[str, Any]) -> MapEntry:
    """One entry of a dump. With BTF bpftool adds `formatted`, which lacks the key for data sections."""
    decoded = item.get("formatted", item)
    values = [per_cpu["value"] for per_cpu in decoded.get("values", ())] or [decoded["value"]]
    return MapEntry(_value(decoded.get("key", 0)), tuple(_value(value) for value in values))


def _value(value: Any) -> Value:
    """A value as bpftool prints it: bytes without BTF; a data section as a list of variables under its name."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        return [int(byte, 16) for byte in value]
    if isinstance(value, dict) and len(value) == 1 and (section := next(iter(value))).startswith("."):
        return {variable: content for one in value[section] for variable, content in one.items()}
    decoded: Value = value
    return decoded


def _data_section(info: dict[str, Any]) -> tuple[Btf, int]:
    """The types of a map and the id of its data section. The name of a `.data` map begins with the object's name."""
    name = "." + info["name"].split(".", 1)[-1]
    if "btf_id" in info:
        btf = read_bpftool(_run("cannot read BTF", "btf", "dump", "id", str(info["btf_id"])))
        section = btf.find(DataSection, name)
        if section is not None:
            return btf, section
    raise KernelError(f"map {info['name']} is not a data section with BTF", errno.EINVAL)


def _hex(data: bytes) -> Sequence[str]:
    return [f"{byte:02x}" for byte in data]
