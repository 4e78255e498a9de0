"""The params of a program that is loaded: read and set by name while it runs, through the real bpftool.

    section = ParamSection(Path("/sys/fs/bpf/uto_maps"), program)
    section.read()["user_timeout", "announced"]     ->  30000000
    section.write({("user_timeout", "announced"): 45000000})

What is where is told by the IR of the program's source; the BTF of the map must say the same, or it is another program.
"""

import errno
from collections.abc import Mapping
from pathlib import Path

from optdsl.elf.btf_types import Composite, DataSection
from optdsl.ir.memory import Decoded, decode
from optdsl.ir.program import Program
from optdsl.ir.types import Initial, Section, Struct, encode
from optdsl.kernel import bpffs, bpftool
from optdsl.kernel.errors import KernelError

_PIN = ".data.params"


class ParamSection:
    """The map `.data.params` of one program, by its pin or by the directory with the pins of the program's maps."""

    def __init__(self, pin: Path, program: Program) -> None:
        """Raises KernelError: ENOENT without such a pin, EINVAL if the map is not that of the program."""
        try:
            self._pin = pin / bpffs.pin_name(_PIN) if pin.is_dir() else pin
            self._pin.stat()
        except PermissionError:
            raise KernelError(f"may not look at {pin}", errno.EACCES, "run this as root (`sudo -s`)") from None
        except OSError:
            raise KernelError(f"no params at {pin}", errno.ENOENT) from None
        structs = {one.name: one.type for one in program.globals if one.section is Section.PARAMETERS}
        offsets = self._offsets({name: kind for name, kind in structs.items() if isinstance(kind, Struct)})
        self._places = {
            (variable, member.name): (offset + kind.offset(member.name), member.type)
            for variable, (offset, kind) in offsets.items()
            for member in kind.members
        }

    def read(self) -> dict[tuple[str, str], Decoded]:
        """The values as they are now, by variable and member, in the order of the section."""
        data = bpftool.read_bytes(self._pin)
        return {path: decode(kind, data[start : start + kind.size]) for path, (start, kind) in self._places.items()}

    def write(self, values: Mapping[tuple[str, str], Initial]) -> None:
        """Sets some values, all at once. A lock keeps other writers that do the same apart."""
        with bpffs.locked(self._pin.parent):
            data = bytearray(bpftool.read_bytes(self._pin))
            for path, value in values.items():
                start, kind = self._places[path]
                data[start : start + kind.size] = encode(kind, value)
            bpftool.write_bytes(self._pin, bytes(data))

    def _offsets(self, structs: Mapping[str, Struct]) -> dict[str, tuple[int, Struct]]:
        """Where each variable begins."""
        btf, section = bpftool.data_section(self._pin)
        container = btf.types[section]
        assert isinstance(container, DataSection)
        found = {}
        for variable in btf.members(container):
            kind, declared = structs.get(variable.name), btf.resolve(variable.type)
            if kind is None or not isinstance(declared, Composite):
                raise self._another(f"it has {variable.name}, which the source does not have")
            members = [(member.name, member.bit_offset) for member in declared.members if member.name]
            if members != [(member.name, 8 * kind.offset(member.name)) for member in kind.members]:
                raise self._another(f"{variable.name} has other params there")
            found[variable.name] = (variable.bit_offset // 8, kind)
        if len(found) != len(structs):
            raise self._another(f"it lacks {', '.join(sorted(structs.keys() - found.keys()))}")
        return found

    def _another(self, why: str) -> KernelError:
        return KernelError(f"{self._pin} is not of this program", errno.EINVAL, why)
