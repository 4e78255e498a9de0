"""Types, values and source lines as `.BTF` and `.BTF.ext` describe them."""

from __future__ import annotations

import struct

import pytest
from elf_objects import compile_c

from optdsl.elf import btf, btf_ext
from optdsl.elf.btf_text import declare, declare_function, define, initializer
from optdsl.elf.btf_types import Array, Btf, Function, Int, Pointer, Qualifier, Typedef, Variable, Void
from optdsl.elf.btf_values import Value, decode
from optdsl.elf.errors import ObjectError
from optdsl.elf.image import read_image, relocated

INT_SIGNED, INT_BOOL = 1, 4

DECLARATIONS = """
typedef __u32 milliseconds;
typedef int (*callback)(void *, int);
enum level { LOW, HIGH = 9 };
union both { __u32 whole; __u16 halves[2]; };
struct item { milliseconds when; const char *text; struct { short a, b; } inner; __u8 flags : 3; union both both;
              int (*check)(const struct item *, ...); };
milliseconds wanted = 1;
volatile const int limits[2][3] = {{1}};
const char *const name = 0;
char *restrict buffer = 0;
int (*table[4])(int);
int (*rows)[5];
callback handler = 0;
struct item item = {};
enum level level = HIGH;
union both both = {};
void *nothing = 0;
float ratio = 0.5;
int first(struct item *item, int count) { return item->when + count; }
int second(void) { return 2; }
"""


def section(types: bytes, strings: bytes = b"\0", magic: int = 0xEB9F) -> bytes:
    """A `.BTF` section made by hand."""
    return struct.pack("<HBBIIIII", magic, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings


def record(kind: int, size_or_type: int = 0, name: int = 0, count: int = 0, flag: bool = False) -> bytes:
    return struct.pack("<III", name, kind << 24 | count | flag << 31, size_or_type)


def integer(size: int, bits: int, encoding: int = 0, name: int = 0, bit_offset: int = 0) -> bytes:
    return record(1, size, name) + struct.pack("<I", encoding << 24 | bit_offset << 16 | bits)


@pytest.fixture(scope="module")
def types() -> Btf:
    found = read_image(compile_c(DECLARATIONS)).section(".BTF")
    assert found is not None
    return btf.parse(relocated(found))


def number_of(types: Btf, name: str) -> int:
    """The number of the type of a variable."""
    (number,) = [found.type for found in types.types if isinstance(found, Variable) and found.name == name]
    return number


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("wanted", "milliseconds wanted"),
        ("limits", "const volatile int limits[2][3]"),
        ("name", "const char *const name"),
        ("buffer", "char *restrict buffer"),
        ("table", "int (*table[4])(int)"),
        ("rows", "int (*rows)[5]"),
        ("handler", "callback handler"),
        ("item", "struct item item"),
        ("level", "enum level level"),
        ("both", "union both both"),
        ("nothing", "void *nothing"),
        ("ratio", "float ratio"),
    ],
)
def test_declarations_are_c(types: Btf, name: str, expected: str) -> None:
    assert declare(types, number_of(types, name), name) == expected


def test_types_without_a_name_are_as_in_a_cast(types: Btf) -> None:
    assert declare(types, number_of(types, "limits")) == "const volatile int[2][3]"
    assert declare(types, number_of(types, "rows")) == "int (*)[5]"
    assert declare(types, number_of(types, "name")) == "const char *const"


def test_definitions_are_c(types: Btf) -> None:
    assert define(types, number_of(types, "item")).splitlines() == [
        "struct item {",
        "    milliseconds when;",
        "    const char *text;",
        "    struct { short a; short b; } inner;",
        "    __u8 flags : 3;",
        "    union both both;",
        "    int (*check)(const struct item *, ...);",
        "};",
    ]
    assert define(types, number_of(types, "level")).splitlines() == [
        "enum level {",
        "    LOW = 0,",
        "    HIGH = 9,",
        "};",
    ]
    assert define(types, number_of(types, "wanted")) == ""


def test_functions_have_their_parameters_by_name(types: Btf) -> None:
    prototypes = [declare_function(types, found) for found in types.types if isinstance(found, Function)]
    assert sorted(prototypes) == ["int first(struct item *item, int count)", "int second(void)"]


def test_sizes(types: Btf) -> None:
    sizes = {name: types.size_of(number_of(types, name)) for name in ("wanted", "limits", "name", "table", "both")}
    assert sizes == {"wanted": 4, "limits": 24, "name": 8, "table": 32, "both": 4}
    assert types.size_of(0) == 0


def test_typedefs_and_qualifiers(types: Btf) -> None:
    assert isinstance(types.unqualified(number_of(types, "wanted")), Typedef)
    assert types.resolve(number_of(types, "wanted")) == Int("unsigned int", 4, 32, 0, False, False)
    assert isinstance(types.unqualified(number_of(types, "limits")), Array)


@pytest.mark.parametrize(
    ("encoding", "bits", "data", "expected"),
    [
        (0, 16, b"\xfe\xff", 65534),
        (INT_SIGNED, 16, b"\xfe\xff", -2),
        (INT_BOOL, 8, b"\x01\x00", True),
        (0, 4, b"\xf5\x00", 5),
        (INT_SIGNED, 4, b"\x0f\x00", -1),
    ],
)
def test_integers(encoding: int, bits: int, data: bytes, expected: Value) -> None:
    types = btf.parse(section(integer(2, bits, encoding)))
    value = decode(types, 1, data)
    assert (type(value), value) == (type(expected), expected)


@pytest.mark.parametrize(("size", "data", "expected"), [(4, b"\0\0\0\x3f", 0.5), (8, struct.pack("<d", -2.25), -2.25)])
def test_floats(size: int, data: bytes, expected: float) -> None:
    assert decode(btf.parse(section(record(16, size))), 1, data) == expected


def test_wide_enumerations() -> None:
    strings = b"\0BIG\0"
    types = btf.parse(section(record(19, 8, count=1) + struct.pack("<IQ", 1, 1 << 40), strings))
    assert decode(types, 1, (1 << 40).to_bytes(8, "little")) == 1 << 40
    assert initializer(types, 1, 1 << 40) == "BIG"
    assert initializer(types, 1, 7) == "7"


@pytest.mark.parametrize(("is_signed", "value"), [(True, -2), (False, 0xFFFF_FFFE)])
def test_enumerations_with_and_without_a_sign(is_signed: bool, value: int) -> None:
    types = btf.parse(section(record(6, 4, count=1, flag=is_signed) + struct.pack("<II", 1, 0xFFFF_FFFE), b"\0LOW\0"))
    assert decode(types, 1, b"\xfe\xff\xff\xff") == value
    assert initializer(types, 1, value) == "LOW"


def test_arrays_of_arrays_and_pointers(types: Btf) -> None:
    data = b"".join(number.to_bytes(4, "little") for number in (1, 2, 3, 4, 0, 0))
    value = decode(types, number_of(types, "limits"), data)
    assert value == [[1, 2, 3], [4, 0, 0]]
    assert initializer(types, number_of(types, "limits"), value) == "{{1, 2, 3}, {4}}"
    assert decode(types, number_of(types, "nothing"), b"\x10" + bytes(7)) == 16


def test_a_variable_smaller_than_its_type_is_refused(types: Btf) -> None:
    with pytest.raises(ObjectError, match="smaller than its type"):
        decode(types, number_of(types, "limits"), bytes(23))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"ab\0\0", '"ab"'),
        (b'a"\\\n', r'"a\"\\\n"'),
        (b"a\0b\0", "{97, 0, 98}"),
        (b"\xff\0\0\0", "{-1}"),
        (b"\0\0\0\0", "{0}"),
    ],
)
def test_character_arrays(text: bytes, expected: str) -> None:
    strings = b"\0char\0"
    types = btf.parse(section(integer(1, 8, INT_SIGNED, name=1) + record(3) + struct.pack("<III", 1, 1, 4), strings))
    value = decode(types, 2, text)
    assert value == list(struct.unpack("4b", text))
    assert initializer(types, 2, value) == expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends inside its header"),
        (section(b"", magic=0x9FEB), "does not begin with"),
        (section(b"")[:-1], "ends before its types or its strings"),
        (section(integer(4, 32)[:-2]), "end in the middle"),
        (section(integer(4, 33)), "more bits than it has"),
        (section(record(2, 7)), "refers to a type that does not exist"),
        (section(record(2, 0, name=5)), "no string ends"),
        (section(record(30)), "unknown kind 30"),
        (section(record(6, 3)), "with 3 bytes"),
        (section(integer(4, 32) + record(12, 1)), "without a function's type"),
        (section(integer(4, 32) + record(14, 1) + struct.pack("<I", 9)), "no linkage 9"),
        (section(integer(4, 32) + record(15, count=1) + struct.pack("<III", 1, 0, 4)), "something else than variables"),
    ],
)
def test_damaged_types_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ObjectError, match=message):
        btf.parse(data)


def test_types_that_contain_themselves_end_in_an_error() -> None:
    circle = btf.parse(section(record(10, 2) + record(10, 1)))
    nested = btf.parse(section(record(3) + struct.pack("<III", 1, 1, 2)))
    hollow = btf.parse(section(record(4, 4, count=1) + struct.pack("<III", 0, 1, 0)))
    assert circle.types == (Void(), Qualifier("const", 2), Qualifier("const", 1))
    for types in (circle, nested):
        with pytest.raises(ObjectError, match="contain themselves"):
            types.size_of(1)
        with pytest.raises(ObjectError, match="contain themselves"):
            declare(types, 1)
    with pytest.raises(ObjectError, match="contain themselves"):
        decode(hollow, 1, bytes(4))
    assert declare(hollow, 1) == "struct { struct { struct { struct { ... }; }; }; }"


def test_pointers_may_lead_back() -> None:
    assert btf.parse(section(record(2, 1))).types == (Void(), Pointer(1))


def ext(functions: bytes = b"", lines: bytes = b"") -> bytes:
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(functions), len(functions), len(lines))
    return header + functions + lines


def test_lines_and_functions_of_several_sections() -> None:
    types = Btf((Void(),), b"\0one\0two\0a.opt\0  x = y\0")
    lines = struct.pack("<I", 20) + b"".join(
        struct.pack("<II", name, 1) + struct.pack("<IIIII", offset, 9, 15, 29 << 10 | 5, 0)
        for name, offset in ((1, 8), (5, 16))
    )
    functions = struct.pack("<IIIII", 8, 1, 1, 0, 3)
    found = btf_ext.parse(ext(functions, lines), types)
    assert found.functions == (btf_ext.FunctionInfo("one", 0, 3),)
    assert found.lines == (
        btf_ext.LineInfo("one", 8, "a.opt", 29, 5, "  x = y"),
        btf_ext.LineInfo("two", 16, "a.opt", 29, 5, "  x = y"),
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x9f\xeb", "ends inside its header"),
        (bytes(24), "does not begin with"),
        (ext(lines=bytes(30))[:-1], "ends before its records"),
        (ext(functions=struct.pack("<I", 4)), "records of 4 bytes"),
        (ext(functions=struct.pack("<III", 8, 0, 2)), "middle of a record"),
        (ext(functions=struct.pack("<IIIII", 8, 50, 1, 0, 0)), "no string ends"),
    ],
)
def test_damaged_line_information_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ObjectError, match=message):
        btf_ext.parse(data, Btf((Void(),), b"\0"))
