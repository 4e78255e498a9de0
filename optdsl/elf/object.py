"""Reader of BPF objects: from the bytes of a `.bpf.o` to its programs, maps and variables.

    ELF container (image) -> types and lines (btf, btf_ext) -> maps, variables, functions -> ObjectFile

Objects of clang and of llvmlite read alike, stripped or not. What no type information describes is shown as bytes.
"""

from __future__ import annotations

from optdsl.elf import btf, btf_ext
from optdsl.elf.btf_ext import BtfExt
from optdsl.elf.btf_types import Btf, Void
from optdsl.elf.errors import ObjectError
from optdsl.elf.functions import read_functions
from optdsl.elf.image import Image, read_image, relocated
from optdsl.elf.maps import SECTION_NAME as MAPS_SECTION
from optdsl.elf.maps import read_maps
from optdsl.elf.model import Function, ObjectFile, Section
from optdsl.elf.variables import LICENSE_SECTION, read_variables

__all__ = ["ObjectError", "ObjectFile", "read_object"]

_SUBPROGRAM_SECTION = ".text"


def read_object(data: bytes) -> ObjectFile:
    """Read a BPF ELF64 relocatable, compiled with or without `-g`.

    Raises `ObjectError`, and nothing else, for anything that is not an intact BPF object: another kind of file, a
    truncated one, contradictory type information, maps without type information.
    """
    image = read_image(data)
    types = _types(image)
    functions = read_functions(image, types, _lines(image, types))
    programs = tuple(function for function in functions if _is_program(function))
    return ObjectFile(
        license=_license(image),
        sections=tuple(Section(section.name, section.size, section.flags) for section in image.sections[1:]),
        programs=programs,
        subprograms=tuple(function for function in functions if not _is_program(function)),
        maps=read_maps(types),
        variables=read_variables(image, types),
    )


def _is_program(function: Function) -> bool:
    """libbpf's rule: what can be loaded is a global function in any section but `.text`."""
    return function.is_global and function.section != _SUBPROGRAM_SECTION


def _types(image: Image) -> Btf:
    section = image.section(".BTF")
    if section:
        return btf.parse(relocated(section))
    maps = image.section(MAPS_SECTION)
    if maps and maps.size:
        raise ObjectError("the object has maps but no .BTF to describe them; compile it with -g")
    return Btf((Void(),), b"\0")


def _lines(image: Image, types: Btf) -> BtfExt:
    section = image.section(".BTF.ext")
    return btf_ext.parse(relocated(section), types) if section else BtfExt((), ())


def _license(image: Image) -> str:
    section = image.section(LICENSE_SECTION)
    return section.data.partition(b"\0")[0].decode("utf-8", "replace") if section else ""
