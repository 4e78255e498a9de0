"""The maps of a BPF object through libbpf: raw bytes by key, and values by the names of their members."""

import ctypes
import errno
import os
import sys
from collections.abc import Iterator
from typing import Final

from optdsl.elf.btf_types import DataSection
from optdsl.kernel import libbpf_binding as c
from optdsl.kernel.btf import Btf, Value, decode, replaced, total
from optdsl.kernel.errors import KernelError
from optdsl.uapi import MAP_TYPE_NAMES

_PER_CPU_TYPES: Final = frozenset({"percpu_hash", "percpu_array", "lru_percpu_hash", "percpu_cgroup_storage"})


class Map:
    """A map of a loaded object."""

    def __init__(self, handle: int, btf: Btf | None) -> None:
        library = c.libbpf()
        self._handle = handle
        self._btf = btf
        self.name: str = os.fsdecode(library.bpf_map__name(handle))
        self.key_size: int = library.bpf_map__key_size(handle)
        self.value_size: int = library.bpf_map__value_size(handle)
        self.per_cpu: bool = MAP_TYPE_NAMES.get(library.bpf_map__type(handle)) in _PER_CPU_TYPES

    @property
    def fd(self) -> int:
        """The file descriptor; raises KernelError (EINVAL) before the object is loaded."""
        return c.call("bpf_map__fd", f"map {self.name} is not loaded", self._handle)

    def lookup(self, key: bytes) -> bytes | None:
        """The value under a key, None if there is none. Per-CPU maps: those of all CPUs, each padded to 8 bytes."""
        self._check_key(key)
        size = self._stride * c.libbpf().libbpf_num_possible_cpus() if self.per_cpu else self.value_size
        value = ctypes.create_string_buffer(size)
        what = f"cannot read map {self.name}"
        missing = c.call("bpf_map_lookup_elem", what, self.fd, key, value, accept=(errno.ENOENT,))
        return None if missing else value.raw

    def lookup_per_cpu(self, key: bytes) -> list[bytes]:
        """The value of each possible CPU under a key; empty if there is none."""
        raw = self.lookup(key)
        return [] if raw is None else [raw[i : i + self.value_size] for i in range(0, len(raw), self._stride)]

    def update(self, key: bytes, value: bytes) -> None:
        """Sets the value under a key (BPF_ANY). Per-CPU maps take what `lookup` returns."""
        self._check_key(key)
        expected = self._stride * c.libbpf().libbpf_num_possible_cpus() if self.per_cpu else self.value_size
        if len(value) != expected:
            raise KernelError(f"map {self.name} holds values of {expected} bytes, not {len(value)}", errno.EINVAL)
        c.call("bpf_map_update_elem", f"cannot write map {self.name}", self.fd, key, value, 0)

    def delete(self, key: bytes) -> bool:
        """Removes a key; False if it was not there."""
        self._check_key(key)
        what = f"cannot delete from map {self.name}"
        return c.call("bpf_map_delete_elem", what, self.fd, key, accept=(errno.ENOENT,)) == 0

    def keys(self) -> Iterator[bytes]:
        """All keys. Those that come or go meanwhile may be missed or the iteration may start over, as in the kernel."""
        key: bytes | None = None
        following = ctypes.create_string_buffer(self.key_size)
        what = f"cannot list the keys of map {self.name}"
        while c.call("bpf_map_get_next_key", what, self.fd, key, following, accept=(errno.ENOENT,)) == 0:
            key = following.raw
            yield key

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys with their values, without those that were deleted meanwhile."""
        for key in self.keys():
            value = self.lookup(key)
            if value is not None:
                yield key, value

    def read(self, index: int = 0) -> Value:
        """The decoded value under an array index, a per-CPU one added up over all CPUs."""
        key = index.to_bytes(4, sys.byteorder)
        if self.per_cpu:
            values = self.lookup_per_cpu(key)
        else:
            value = self.lookup(key)
            values = [] if value is None else [value]
        if not values:
            raise KernelError(f"map {self.name} has no entry {index}", errno.ENOENT)
        return total([self.decode(value) for value in values])

    def decode(self, value: bytes) -> Value:
        """A value by the names of its members, as its BTF type tells."""
        btf, type_id = self.value_type
        return decode(btf, type_id, value)

    def set_member(self, path: str, value: int) -> None:
        """Sets one integer of a one-entry array, such as a data section, while programs go on running."""
        key = bytes(4)
        current = self.lookup(key) or bytes(self.value_size)
        btf, type_id = self.value_type
        self.update(key, replaced(btf, type_id, current, path, value))

    @property
    def value_type(self) -> tuple[Btf, int]:
        """The types of the object and the id of the value's. Raises KernelError (ENOENT) without BTF."""
        type_id: int = c.libbpf().bpf_map__btf_value_type_id(self._handle)
        if self._btf is not None and not type_id:
            type_id = self._btf.find(DataSection, self.name) or 0
        if self._btf is None or not type_id:
            raise KernelError(f"map {self.name} has no BTF type for its values", errno.ENOENT)
        return self._btf, type_id

    @property
    def initial_value(self) -> bytes:
        """What a data section holds before it is loaded. Raises KernelError for other maps."""
        size = ctypes.c_size_t()
        address = c.pointer(
            "bpf_map__initial_value", f"map {self.name} has no initial value", self._handle, ctypes.byref(size)
        )
        return ctypes.string_at(address, size.value)

    @initial_value.setter
    def initial_value(self, image: bytes) -> None:
        what = f"cannot set the initial value of map {self.name}"
        c.call("bpf_map__set_initial_value", what, self._handle, image, len(image))

    def set_initial(self, path: str, value: int) -> None:
        """Sets one integer of a data section that is not loaded yet, by the path to it."""
        btf, type_id = self.value_type
        self.initial_value = replaced(btf, type_id, self.initial_value, path, value)

    @property
    def _stride(self) -> int:
        """The distance of two CPUs' values in bytes."""
        return (self.value_size + 7) & ~7

    def _check_key(self, key: bytes) -> None:
        if len(key) != self.key_size:
            raise KernelError(f"map {self.name} has keys of {self.key_size} bytes, not {len(key)}", errno.EINVAL)
