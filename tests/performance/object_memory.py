"""Memory for `object_machine`: regions at made-up addresses, loads and stores within their bounds."""

from __future__ import annotations

import itertools

_REGION_BITS = 32
"""Each region starts at a multiple of 2**32, so that an address names its region and the offset in it."""


class ObjectMemory:
    """All regions: stacks, variables, values of maps."""

    def __init__(self) -> None:
        self._regions: dict[int, bytearray] = {}
        self._numbers = itertools.count(1)

    def allocate(self, content: bytes) -> int:
        """A new region and its address."""
        number = next(self._numbers)
        self._regions[number] = bytearray(content)
        return number << _REGION_BITS

    def free(self, address: int) -> None:
        """Forgets a region."""
        del self._regions[address >> _REGION_BITS]

    def read(self, address: int, size: int) -> bytes:
        """Bytes within one region. Raises IndexError outside of it."""
        region, start = self._at(address, size)
        return bytes(region[start : start + size])

    def write(self, address: int, content: bytes) -> None:
        """Replaces bytes within one region. Raises IndexError outside of it."""
        region, start = self._at(address, len(content))
        region[start : start + len(content)] = content

    def content(self, address: int) -> bytes:
        """A whole region."""
        return bytes(self._regions[address >> _REGION_BITS])

    def _at(self, address: int, size: int) -> tuple[bytearray, int]:
        region = self._regions.get(address >> _REGION_BITS, bytearray())
        start = address & ((1 << _REGION_BITS) - 1)
        if start + size > len(region):
            raise IndexError(f"{size} bytes at {address:#x}")
        return region, start
