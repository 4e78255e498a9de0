"""Sending policies: what they remember of a socket, when they let an option go, and what they note when it went.

    send on data until acked   ->   done, carried, mark, repeats in the socket's state
    compose                    ->   if (carried && snd_una is beyond mark) done = 1;  if (!done && ...) { ... }
    after writing              ->   if (payload) { carried = 1, mark = snd_nxt } else repeats += 1

`mark` is `snd_nxt` when a data segment first carried the option, which is before the kernel advances it: where the
acknowledged sequence number (`snd_una`) is beyond it, the first byte of that segment has arrived, and the option with
it. A segment that found no room clears `carried`.
"""

from __future__ import annotations

from dataclasses import dataclass

from optdsl.ir import ops
from optdsl.ir.types import U8, U16, U32, U64, Member
from optdsl.lower.builder import FunctionBuilder, binary, compare, const, differs, equals
from optdsl.semantics.model import PolicyForm, Send
from optdsl.source import Span

_MASK32 = (1 << 32) - 1
_HALF = 1 << 31
NANOSECONDS = 1000


def policy_members(send: Send, index: int) -> tuple[Member, ...]:
    """The members of the socket's state that the policy of the `send` number `index` needs."""
    match send.policy.form:
        case PolicyForm.EACH:
            return ()
        case PolicyForm.ONCE:
            return (Member(member("done", index), U8, "sent once"),)
        case PolicyForm.UNTIL_ACKED:
            return (
                Member(member("mark", index), U32, "snd_nxt when data first carried it"),
                Member(member("repeats", index), U16, "packets without data that carried it"),
                Member(member("carried", index), U8, "a data segment has carried it"),
                Member(member("done", index), U8, "such a segment was acknowledged"),
            )
        case PolicyForm.INTERVAL:
            return (Member(member("last", index), U64, "ktime when it was last sent"),)
        case PolicyForm.BYTES:
            return (
                Member(member("mark", index), U32, "snd_nxt when it was last sent"),
                Member(member("started", index), U8, "it was sent before"),
            )
        case PolicyForm.PACKETS:
            return (Member(member("wait", index), U16, "packets to let pass"),)


def member(name: str, index: int) -> str:
    """The name of a policy's member: numbered from the second `send` of an option on."""
    return name if index == 0 else f"{name}_{index + 1}"


@dataclass(frozen=True, slots=True)
class PolicyEmitter:
    """Emits the code of one policy. `option` and `index` say whose."""

    builder: FunctionBuilder
    option: str
    index: int
    send: Send

    @property
    def _span(self) -> Span:
        return self.send.span

    def place(self, name: str) -> ops.Place:
        return ops.Place(ops.PointerRoot("socket"), (self.option, member(name, self.index)))

    def _load(self, name: str) -> ops.Value:
        return ops.Load(self._span, self.place(name))

    def _store(self, name: str, value: ops.Value | int) -> None:
        number = const(self._span, value) if isinstance(value, int) else value
        self.builder.emit(ops.Store(self._span, self.place(name), number))

    # ------------------------------------------------------------------------------------- before composing

    def prepare(self) -> None:
        """Notices that a data segment that carried the option has been acknowledged."""
        if self.send.policy.form is not PolicyForm.UNTIL_ACKED:
            return
        with self.builder.when(self._span, differs(self._span, self._load("carried"), 0)):
            acked = self._distance("snd_una", -1)
            with self.builder.when(self._span, compare(self._span, ops.Comparison.LT, acked, _HALF)):
                self._store("done", 1)

    def _distance(self, sequence: str, offset: int) -> ops.Value:
        """A sequence number less `mark`, modulo 2**32 (RFC 9293, section 3.4)."""
        span = self._span
        difference = binary(span, ops.BinaryOperator.SUB, ops.Context(span, sequence), self._load("mark"))
        if offset:
            difference = binary(span, ops.BinaryOperator.SUB, difference, -offset)
        return binary(span, ops.BinaryOperator.AND, difference, _MASK32)

    def ready(self, payload: ops.Value | None) -> list[ops.Condition]:
        """The conditions under which the policy lets a packet carry the option. `payload` is None on a SYN."""
        span = self._span
        match self.send.policy.form:
            case PolicyForm.EACH:
                return []
            case PolicyForm.ONCE:
                return [equals(span, self._load("done"), 0)]
            case PolicyForm.UNTIL_ACKED:
                limit = ops.Load(span, ops.Place(ops.GlobalRoot("settings"), ("until_acked_packets",)))
                patient: ops.Condition = compare(span, ops.Comparison.LT, self._load("repeats"), limit)
                if payload is not None:
                    patient = ops.Either(span, differs(span, payload, 0), patient)
                return [equals(span, self._load("done"), 0), patient]
            case PolicyForm.INTERVAL:
                return [self._elapsed()]
            case PolicyForm.BYTES:
                far = compare(span, ops.Comparison.GE, self._distance("snd_nxt", 0), self.send.policy.amount)
                return [ops.Either(span, equals(span, self._load("started"), 0), far)]
            case PolicyForm.PACKETS:
                return [equals(span, self._load("wait"), 0)]

    def _elapsed(self) -> ops.Condition:
        span = self._span
        now = self.builder.fresh("now")
        self.builder.emit(ops.Now(span, now))
        since = binary(span, ops.BinaryOperator.SUB, ops.Local(span, now), self._load("last"))
        long_ago = compare(span, ops.Comparison.GE, since, self.send.policy.amount * NANOSECONDS)
        return ops.Either(span, equals(span, self._load("last"), 0), long_ago)

    def let_pass(self) -> None:
        """Notes that a packet of the right class went without the option (`every n packets`)."""
        if self.send.policy.form is PolicyForm.PACKETS:
            waiting = differs(self._span, self._load("wait"), 0)
            with self.builder.when(self._span, waiting):
                self._store("wait", binary(self._span, ops.BinaryOperator.SUB, self._load("wait"), 1))

    # --------------------------------------------------------------------------------------- after writing

    def note_written(self) -> None:
        """Notes that a packet carries the option."""
        span = self._span
        match self.send.policy.form:
            case PolicyForm.ONCE:
                self._store("done", 1)
            case PolicyForm.UNTIL_ACKED:
                self._note_carried()
            case PolicyForm.INTERVAL:
                now = self.builder.fresh("now")
                self.builder.emit(ops.Now(span, now))
                self._store("last", ops.Local(span, now))
            case PolicyForm.BYTES:
                self._store("mark", ops.Context(span, "snd_nxt"))
                self._store("started", 1)
            case PolicyForm.PACKETS:
                self._store("wait", self.send.policy.amount - 1)
            case PolicyForm.EACH:
                pass

    def _note_carried(self) -> None:
        span, builder = self._span, self.builder
        payload = ops.Load(span, ops.Place(ops.PointerRoot("socket"), ("payload",)))
        with builder.block() as without:
            self._store("repeats", binary(span, ops.BinaryOperator.ADD, self._load("repeats"), 1))
        with builder.block() as with_data, builder.when(span, equals(span, self._load("carried"), 0)):
            self._store("carried", 1)
            self._store("mark", ops.Context(span, "snd_nxt"))
        builder.emit(ops.If(span, differs(span, payload, 0), tuple(with_data), tuple(without)))

    def note_no_space(self) -> None:
        """Notes that a data segment had no room: its acknowledgement will prove nothing."""
        if self.send.policy.form is PolicyForm.UNTIL_ACKED:
            self._store("carried", 0)

    def reset(self) -> None:
        """A new connection: nothing has been sent."""
        for each in policy_members(self.send, self.index):
            self.builder.emit(
                ops.Store(
                    self._span, ops.Place(ops.PointerRoot("socket"), (self.option, each.name)), const(self._span, 0)
                )
            )

    def finished(self) -> ops.Condition | None:
        """Whether the policy will never send again, so that no room need be kept."""
        if self.send.policy.form in (PolicyForm.ONCE, PolicyForm.UNTIL_ACKED):
            return differs(self._span, self._load("done"), 0)
        return None
