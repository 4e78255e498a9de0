"""`@record`: frozen classes with slots that cost next to nothing to make.

The compiler has about three hundred classes of nodes and values. `dataclasses.dataclass` compiles six methods for each
of them at every start, a third of a second in all; most are never used in one run. A record shares its methods with
all other records, and its `__init__` with all records of the same shape, whose code differs in the names of its
parameters only. To mypy a record is a dataclass.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from types import CodeType, FunctionType
from typing import Any, TypeVar, dataclass_transform, overload

from optdsl.record_shapes import GIVEN

__all__ = ["FrozenError", "field", "fields", "is_record", "record", "replace"]

T = TypeVar("T")
_MISSING: Any = object()


class FrozenError(AttributeError):
    """An attempt to change a record."""


class _Field:
    """How a field differs from a plain one."""

    __slots__ = ("compare", "default", "factory", "init", "shown")

    def __init__(self, default: Any, factory: Callable[[], Any] | None, init: bool, shown: bool, compare: bool) -> None:
        self.default, self.factory = default, factory
        self.init, self.shown, self.compare = init, shown, compare


_PLAIN = _Field(_MISSING, None, init=True, shown=True, compare=True)


def field(
    *, default: Any = _MISSING, default_factory: Any = None, init: bool = True, shown: bool = True, compare: bool = True
) -> Any:
    """A field with something beyond a default, as `dataclasses.field`. `shown` says whether `repr` has it."""
    return _Field(default, default_factory, init, shown, compare)


def fields(value: object) -> tuple[str, ...]:
    """The names of the fields of a record or of its class, in order. Raises AttributeError for anything else."""
    names: tuple[str, ...] = value.__record_fields__  # type: ignore[attr-defined]
    return names


def is_record(value: object) -> bool:
    """Whether a value is a record, or a class of records."""
    return hasattr(value, "__record_fields__")


def replace(value: T, /, **changes: Any) -> T:
    """A copy of a record with other values in some fields. Raises TypeError for a field that it does not have."""
    for name in value.__record_arguments__:  # type: ignore[attr-defined]
        if name not in changes:
            changes[name] = getattr(value, name)
    return type(value)(**changes)


@overload
def record(cls: type[T], /) -> type[T]: ...
@overload
def record(*, frozen: bool = True, eq: bool = True) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T] | None = None, /, *, frozen: bool = True, eq: bool = True) -> Any:
    """Makes a class of its annotations, as `dataclass(frozen=True, slots=True)` would.

    `eq=False` compares by identity, for things that are themselves and not their contents; `frozen=False` allows
    changes, and such records cannot be hashed unless they compare by identity.
    """
    if cls is None:
        return lambda each: _make(each, frozen, eq)
    return _make(cls, frozen, eq)


def _make(cls: type, frozen: bool, eq: bool) -> type:
    """The class once more, with slots: those cannot be added to a class that exists."""
    namespace = dict(vars(cls))
    namespace.pop("__dict__", None)
    namespace.pop("__weakref__", None)
    every: dict[str, _Field] = {}
    for base in reversed(cls.__bases__):
        every.update(getattr(base, "__record_specifiers__", ()))
    own: dict[str, _Field] = {}
    slots = []
    for name in namespace.get("__annotations__", ()):
        default = namespace.pop(name, _MISSING)
        if default is _MISSING:
            own[name] = _PLAIN
        elif isinstance(default, _Field):
            own[name] = default
        else:
            own[name] = _Field(default, None, init=True, shown=True, compare=True)
        if name not in every:
            slots.append(name)
    every.update(own)
    names = tuple(every)
    arguments = tuple([name for name in names if every[name].init])
    namespace["__slots__"] = tuple(slots)
    namespace["__qualname__"] = cls.__qualname__
    namespace["__record_specifiers__"] = every
    namespace["__record_fields__"] = names
    namespace["__record_arguments__"] = namespace["__match_args__"] = arguments
    namespace["__record_key__"] = _key([name for name in names if every[name].compare])
    namespace["__init__"] = _first_init
    namespace.setdefault("__repr__", _repr)
    namespace["__getstate__"], namespace["__setstate__"] = _get_state, _set_state
    if eq:
        namespace.setdefault("__eq__", _eq)
        namespace["__hash__"] = namespace.get("__hash__") or (_hash if frozen else None)
    if frozen:
        namespace["__setattr__"], namespace["__delattr__"] = _refuse_set, _refuse_delete
    return type(cls)(cls.__name__, cls.__bases__, namespace)


def _first_init(self: Any, *values: Any, **named: Any) -> None:
    """`__init__` until a class is first used: most are not in any one run."""
    cls = type(self)
    cls.__init__ = _initializer(cls)
    cls.__init__(self, *values, **named)


def _initializer(cls: Any) -> Any:
    """`__init__`: the code of this shape of record, with the names of the parameters put in."""
    every: dict[str, _Field] = cls.__record_specifiers__
    setters = [getattr(cls, name).__set__ for name in every]
    kinds = tuple([_kind(each) for each in every.values()])
    if len(kinds) < len(GIVEN) and kinds.count("given") == len(kinds) and not hasattr(cls, "__post_init__"):
        made: Any = GIVEN[len(kinds)](*setters)
    else:
        known: dict[str, Any] = {"missing": _MISSING}
        for number, (setter, each) in enumerate(zip(setters, every.values(), strict=True)):
            known |= {f"set_{number}": setter, f"make_{number}": each.factory}
        made = FunctionType(_template(kinds, hasattr(cls, "__post_init__")), known, "__init__")
    names = ("self", *cls.__record_arguments__)
    made.__code__ = made.__code__.replace(co_varnames=names)
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    optional = [each for each in every.values() if each.init and (each.default is not _MISSING or each.factory)]
    made.__defaults__ = tuple([each.default for each in optional]) or None
    return made


def _kind(each: _Field) -> str:
    if each.factory is not None:
        return "made" if each.init else "always made"
    return "given" if each.init else "later"


@cache
def _template(shape: tuple[str, ...], has_post_init: bool) -> CodeType:
    """The code of an `__init__` for fields of these kinds; its parameters are called `value_0` and so on."""
    parameters = [f"value_{number}" for number, kind in enumerate(shape) if kind in ("given", "made")]
    lines = []
    for number, kind in enumerate(shape):
        value = f"value_{number}"
        match kind:
            case "given":
                lines.append(f"set_{number}(self, {value})")
            case "made":
                lines.append(f"set_{number}(self, make_{number}() if {value} is missing else {value})")
            case "always made":
                lines.append(f"set_{number}(self, make_{number}())")
    if has_post_init:
        lines.append("self.__post_init__()")
    body = "\n    ".join(lines or ["pass"])
    namespace: dict[str, FunctionType] = {}
    exec(f"def __init__({', '.join(['self', *parameters])}):\n    {body}\n", namespace)
    return namespace["__init__"].__code__


def _key(names: list[str]) -> Callable[[object], object]:
    """What a record is compared and hashed by."""
    return attrgetter(*names) if names else _nothing


def _nothing(_value: object) -> object:
    return ()


# ------------------------------------------------------------------------------------ methods of every record


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    key = self.__class__.__record_key__
    return key(self) == key(other)


def _hash(self: Any) -> int:
    return hash(self.__class__.__record_key__(self))


def _repr(self: Any) -> str:
    hidden = {name for name, each in self.__record_specifiers__.items() if not each.shown}
    shown = (f"{name}={getattr(self, name)!r}" for name in self.__record_fields__ if name not in hidden)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_set(self: Any, name: str, _value: object) -> None:
    raise FrozenError(f"cannot assign to `{name}` of a {type(self).__name__}")


def _refuse_delete(self: Any, name: str) -> None:
    raise FrozenError(f"cannot delete `{name}` of a {type(self).__name__}")


def _get_state(self: Any) -> list[object]:
    return [getattr(self, name) for name in self.__record_fields__]


def _set_state(self: Any, state: list[object]) -> None:
    for name, value in zip(self.__record_fields__, state, strict=True):
        object.__setattr__(self, name, value)
