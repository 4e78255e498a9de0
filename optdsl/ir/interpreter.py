"""The reference semantics of the IR: the meaning of every operation, as a program.

The back ends are compared with this. It is stricter than a processor: what has no meaning (a null pointer, an index
past the end, a division by zero, a record sent with undefined members) raises InterpreterError at the statement.
`machine.Machine` is the comfortable way in; `evaluate.py` has the values.
"""

from __future__ import annotations

from enum import Enum
from typing import assert_never

from optdsl.ir import ops
from optdsl.ir.evaluate import MASK, Evaluator, Frame
from optdsl.ir.invocation import Counted, Emitted, GetSocketOptionHandler, Invocation, SetSocketOptionHandler
from optdsl.ir.memory import InterpreterError, Pointer, ProgramMemory, Region, decode, undefined_members
from optdsl.ir.program import Function, Program
from optdsl.ir.types import ByteArray, Scalar, Struct

# Far above what the checker lets through; keeps a recursive program from exhausting Python's stack.
_DEEPEST_CALL = 32


class _Next(Enum):
    """How a block ended."""

    STATEMENT = 0
    BREAK = 1
    RETURN = 2


class Interpreter(Evaluator):
    """Runs the functions of a program for one invocation. `now` is the time in nanoseconds."""

    def __init__(
        self,
        program: Program,
        memory: ProgramMemory,
        invocation: Invocation,
        *,
        now: int,
        setsockopt: SetSocketOptionHandler,
        getsockopt: GetSocketOptionHandler,
    ) -> None:
        super().__init__(memory, invocation)
        self._functions = {function.name: function for function in program.functions}
        self._now = now
        self._setsockopt = setsockopt
        self._getsockopt = getsockopt
        self._depth = 0
        self._records: list[tuple[str, Region]] = []

    def run(self, entry: str) -> int:
        """Calls the entry and returns its result. Raises InterpreterError for what has no meaning."""
        result = _number(self._call(self._functions[entry], []), entry)
        for map_name, record in self._records:
            if record.alive:
                raise InterpreterError(f"a record of {map_name} was never submitted")
        return result

    def _call(self, function: Function, arguments: list[int | Pointer]) -> int | None:
        if self._depth >= _DEEPEST_CALL:
            raise InterpreterError(f"calls are nested more than {_DEEPEST_CALL} deep")
        frame = Frame()
        for parameter, argument in zip(function.parameters, arguments, strict=True):
            if isinstance(argument, int):
                frame.numbers[parameter.name] = argument
            else:
                frame.pointers[parameter.name] = argument
        self._depth += 1
        self._block(frame, function.body)
        self._depth -= 1
        return _number(frame.returned, function.name) if function.returns else None

    # ------------------------------------------------------------------------------------------- statements

    def _block(self, frame: Frame, block: ops.Block) -> _Next:
        for statement in block:
            try:
                after = self._statement(frame, statement)
            except InterpreterError as error:
                if error.span is None:
                    error.span = statement.span
                raise
            if after is not _Next.STATEMENT:
                return after
        return _Next.STATEMENT

    def _statement(self, frame: Frame, statement: ops.Statement) -> _Next:
        match statement:
            case ops.If():
                holds = self.condition(frame, statement.condition)
                return self._block(frame, statement.yes if holds else statement.no)
            case ops.Switch():
                return self._switch(frame, statement)
            case ops.Repeat():
                return self._repeat(frame, statement)
            case ops.Break():
                return _Next.BREAK
            case ops.Return():
                frame.returned = None if statement.value is None else self.value(frame, statement.value)
                return _Next.RETURN
            case ops.Let() | ops.Assign() | ops.DeclareBuffer() | ops.Store() | ops.StoreBytes() | ops.Now():
                self._assignment(frame, statement)
            case ops.GetStorage() | ops.LookupMap() | ops.Count() | ops.ReserveRecord() | ops.SubmitRecord():
                self._map_statement(frame, statement)
            case ops.Call():
                self._call_statement(frame, statement)
            case _:
                self._helper(frame, statement)
        return _Next.STATEMENT

    def _switch(self, frame: Frame, statement: ops.Switch) -> _Next:
        number = self.value(frame, statement.value)
        for case in statement.cases:
            if any(number == value for value, _ in case.values):
                return self._block(frame, case.body)
        return _Next.STATEMENT

    def _repeat(self, frame: Frame, statement: ops.Repeat) -> _Next:
        for index in range(statement.count):
            frame.numbers[statement.name] = index
            after = self._block(frame, statement.body)
            if after is _Next.RETURN:
                return after
            if after is _Next.BREAK:
                break
        return _Next.STATEMENT

    def _assignment(
        self,
        frame: Frame,
        statement: ops.Let | ops.Assign | ops.DeclareBuffer | ops.Store | ops.StoreBytes | ops.Now,
    ) -> None:
        match statement:
            case ops.Let():
                frame.numbers[statement.name] = self.value(frame, statement.value)
            case ops.Assign():
                if statement.name not in frame.numbers:
                    raise InterpreterError(f"assigns to {statement.name}, which is not declared")
                frame.numbers[statement.name] = self.value(frame, statement.value)
            case ops.Store():
                value = self.value(frame, statement.value)
                place = self.scalar(frame, statement.place)
                size = place.type.size
                place.region.write(place.offset, (value & ((1 << 8 * size) - 1)).to_bytes(size, "little"))
            case ops.StoreBytes():
                value = self.value(frame, statement.value)
                place = self.bytes_at(frame, statement.place, statement.offset, statement.size)
                size = statement.size
                place.region.write(place.offset, (value & ((1 << 8 * size) - 1)).to_bytes(size, "big"))
            case ops.DeclareBuffer():
                kind = ByteArray(statement.size, aligned=True)
                frame.buffers[statement.name] = Region(f"buffer {statement.name}", kind)
            case ops.Now():
                frame.numbers[statement.name] = self._now & MASK
            case _:
                assert_never(statement)

    def _call_statement(self, frame: Frame, statement: ops.Call) -> None:
        function = self._functions.get(statement.function)
        if function is None:
            raise InterpreterError(f"there is no function {statement.function}")
        arguments: list[int | Pointer] = []
        for parameter, argument in zip(function.parameters, statement.arguments, strict=True):
            if not isinstance(argument, ops.AddressOf):
                arguments.append(self.value(frame, argument))
                continue
            place = self.place(frame, argument.place)
            wanted = parameter.points_to or place.type
            place.region.check(place.offset, wanted.size)
            arguments.append(Pointer(place.region, place.offset, wanted))
        result = self._call(function, arguments)
        if statement.result is not None:
            frame.numbers[statement.result] = _number(result, statement.function)

    # ------------------------------------------------------------------------------------------------- maps

    def _map_statement(
        self,
        frame: Frame,
        statement: ops.GetStorage | ops.LookupMap | ops.Count | ops.ReserveRecord | ops.SubmitRecord,
    ) -> None:
        match statement:
            case ops.GetStorage():
                frame.pointers[statement.pointer] = self._storage(statement.map, create=statement.create)
            case ops.LookupMap():
                frame.pointers[statement.pointer] = self._lookup(statement.map, self.value(frame, statement.key))
            case ops.Count():
                self._count(statement)
            case ops.ReserveRecord():
                frame.pointers[statement.pointer] = self._reserve_record(statement)
            case ops.SubmitRecord():
                self._submit_record(self.pointer(frame, statement.pointer).region)
            case _:
                assert_never(statement)

    def _storage(self, name: str, *, create: bool) -> Pointer | None:
        socket, values = self._kernel.context.socket, self._memory.storage[name]
        if socket is None:
            return None
        if socket not in values:
            if not create or name in self._memory.exhausted:
                return None
            values[socket] = self._memory.map_value(name)
        return Pointer(values[socket], 0, values[socket].type)

    def _lookup(self, name: str, key: int) -> Pointer | None:
        kind = self._memory.maps[name].key
        if not isinstance(kind, Scalar):
            raise InterpreterError(f"map {name} has no scalar key")
        found = self._memory.tables[name].get(key & ((1 << kind.bits) - 1))
        return None if found is None else Pointer(found, 0, found.type)

    def _count(self, statement: ops.Count) -> None:
        counters = self._memory.tables.get("counters", {}).get(0)
        if counters is None:
            return
        place = self.select(Pointer(counters, 0, counters.type), statement.path)
        value = int.from_bytes(place.region.read(place.offset, 8), "little") + 1
        place.region.write(place.offset, (value & MASK).to_bytes(8, "little"))
        self._kernel.effects.append(Counted(statement.path))

    def _reserve_record(self, statement: ops.ReserveRecord) -> Pointer | None:
        if statement.map in self._memory.exhausted:
            return None
        record = Region(f"record {statement.pointer}", statement.record)
        record.written = bytearray(len(record.data))
        self._records.append((statement.map, record))
        return Pointer(record, 0, statement.record)

    def _submit_record(self, record: Region) -> None:
        map_name = next((name for name, reserved in self._records if reserved is record), None)
        if map_name is None or record.written is None or not isinstance(record.type, Struct):
            raise InterpreterError(f"submits {record.name}, which is no record")
        undefined = undefined_members(record.type, bytes(record.written))
        if undefined:
            raise InterpreterError(f"submits {record.name} with undefined {', '.join(undefined)}")
        values = decode(record.type, bytes(record.data))
        record.alive = False
        self._kernel.effects.append(Emitted(map_name, record.type.name, values))

    # ---------------------------------------------------------------------------------------------- helpers

    def _helper(
        self,
        frame: Frame,
        statement: ops.SetCallbackFlags
        | ops.ReserveOption
        | ops.StoreOption
        | ops.LoadOption
        | ops.SetSocketOption
        | ops.GetSocketOption,
    ) -> None:
        match statement:
            case ops.SetCallbackFlags():
                self._kernel.set_flags(statement.flags)
                return
            case ops.ReserveOption():
                result = self._kernel.reserve(self.value(frame, statement.length))
            case ops.StoreOption():
                place = self.first(frame, statement.place, statement.capacity)
                result = self._kernel.store(place.region.read(place.offset, statement.capacity))
            case ops.LoadOption():
                from_syn = self.value(frame, statement.from_syn)
                place = self.first(frame, statement.place, statement.capacity)
                pattern = place.region.read(place.offset, statement.capacity)
                result, copied = self._kernel.load(pattern, from_syn)
                place.region.write(place.offset, copied)
            case ops.SetSocketOption():
                value = self._option_value(frame, statement)
                result = self._kernel.set_socket_option(statement.level, statement.option, value, self._setsockopt)
            case ops.GetSocketOption():
                place = self.first(frame, statement.place, statement.size)
                result, filled = self._kernel.get_socket_option(
                    statement.level, statement.option, statement.size, self._getsockopt
                )
                place.region.write(place.offset, filled)
            case _:
                assert_never(statement)
        frame.numbers[statement.result] = result & MASK

    def _option_value(self, frame: Frame, statement: ops.SetSocketOption) -> int | bytes:
        if isinstance(statement.value, ops.Place):
            place = self.first(frame, statement.value, statement.size)
            return place.region.read(place.offset, statement.size)
        return self.value(frame, statement.value) & ((1 << 8 * statement.size) - 1)


def _number(result: int | None, function: str) -> int:
    if result is None:
        raise InterpreterError(f"{function} returned no number")
    return result
