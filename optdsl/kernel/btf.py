"""BTF at the border to the kernel: `optdsl.elf` does the work, and its errors become KernelError.

What comes from bpftool instead of from bytes is read by `btf_json`.
"""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from optdsl.elf import btf, btf_places, btf_values
from optdsl.elf.btf_types import Btf
from optdsl.elf.btf_values import Value
from optdsl.elf.errors import MemberError, MemberRangeError, MemberTypeError, ObjectError, UnknownMemberError
from optdsl.kernel.errors import KernelError

__all__ = ["Btf", "Value", "decode", "read_raw", "replaced", "total"]

_ERROR_NUMBERS: Final[dict[type[MemberError], int]] = {
    UnknownMemberError: errno.ENOENT,
    MemberTypeError: errno.EINVAL,
    MemberRangeError: errno.ERANGE,
}


def read_raw(data: bytes) -> Btf:
    """Reads the bytes of a `.BTF` section. Raises KernelError (EINVAL) if they are malformed."""
    with _errors("malformed BTF"):
        return btf.parse(data)


def decode(types: Btf, number: int, data: bytes) -> Value:
    """The value that `data` holds as the type `number`. Raises KernelError (EINVAL) if `data` is too short."""
    with _errors("cannot decode the value"):
        return btf_values.decode(types, number, data)


def replaced(types: Btf, number: int, data: bytes, path: str, value: int) -> bytes:
    """A copy of `data`, a value of the type `number`, with the integer at a dotted path set.

    Raises KernelError: ENOENT with the names there are, EINVAL if the path ends at something other than an integer or
    outside of `data`, ERANGE if the integer does not fit.
    """
    with _errors(f"cannot set {path}"):
        return btf_places.replaced(types, number, data, path, value)


def total(values: Sequence[Value]) -> Value:
    """Adds up decoded values of one shape, number by number: the sum of a per-CPU value over all CPUs."""
    first = values[0]
    if len(values) == 1:
        return first  # bpftool shows texts as such, and they do not add up
    if isinstance(first, dict):
        return {name: total([value[name] for value in values if isinstance(value, dict)]) for name in first}
    if isinstance(first, list):
        return [total([value[i] for value in values if isinstance(value, list)]) for i in range(len(first))]
    return sum(value for value in values if isinstance(value, int | float))


@contextmanager
def _errors(what: str) -> Iterator[None]:
    """Words the errors of `optdsl.elf` as this package's; `what` is what was attempted."""
    try:
        yield
    except MemberError as error:
        raise KernelError(error.what, _ERROR_NUMBERS[type(error)], error.hint) from error
    except ObjectError as error:
        raise KernelError(what, errno.EINVAL, str(error)) from error
