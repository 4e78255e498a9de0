"""Sending policies: what they remember of a socket, when they let an option go, and what they note when it went.

    send on data until acked   ->   done, carried, mark, repeats in the socket's state
    compose                    ->   if (!done) { if (carried && mark is acked) done = 1; else ...; carried = 0; }
    after writing              ->   if (payload) { if (!carried) { carried = 1; mark = snd_nxt; } } else repeats += 1;

`mark` is `snd_nxt` when a data segment first carried the option, which is before the kernel advances it: where the
acknowledged sequence number (`snd_una`) is beyond it, the first byte of that segment has arrived, and the option with
it. That holds as long as every data segment carries the option from then on, retransmissions among them; one that went
without clears `carried`. A SYN proves nothing, because a server with SYN cookies forgets it: it counts as a packet
without data.

A SYN-ACK knows no policy: it is sent before there is a socket that could remember.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from optdsl.ir import ops
from optdsl.ir.types import U8, U16, U32, U64, Member
from optdsl.lower.builder import FunctionBuilder, binary, compare, const, differs, equals
from optdsl.lower.names import SETTINGS
from optdsl.record import record
from optdsl.semantics.model import PolicyForm, Send
from optdsl.source import Span
from optdsl.targets import PacketClass

_MASK32 = (1 << 32) - 1
_HALF = 1 << 31
_NANOSECONDS = 1000
"""In a microsecond, the unit of durations."""


def policy_members(send: Send, index: int) -> tuple[Member, ...]:
    """The members of the socket's state that the policy of the `send` number `index` needs, widest first."""
    match send.policy.form:
        case PolicyForm.EACH:
            return ()
        case PolicyForm.ONCE:
            return (Member(_member("done", index), U8, "sent once"),)
        case PolicyForm.UNTIL_ACKED:
            return (
                Member(_member("mark", index), U32, "snd_nxt when data first carried it"),
                Member(_member("repeats", index), U16, "packets without data that carried it"),
                Member(_member("carried", index), U8, "data segments have carried it since mark"),
                Member(_member("done", index), U8, "such a segment was acknowledged"),
            )
        case PolicyForm.INTERVAL:
            return (Member(_member("last", index), U64, "ktime when it was last sent"),)
        case PolicyForm.BYTES:
            return (
                Member(_member("mark", index), U32, "snd_nxt when it was last sent"),
                Member(_member("started", index), U8, "it was sent before"),
            )
        case PolicyForm.PACKETS:
            return (Member(_member("wait", index), U16, "packets to let pass"),)


def _member(name: str, index: int) -> str:
    """The name of a policy's member: numbered from the second `send` of an option on."""
    return name if index == 0 else f"{name}_{index + 1}"


@record
class PolicyEmitter:
    """Emits the code of one policy; `kept` is where the socket's storage has the option's part, `index` says whose."""

    builder: FunctionBuilder
    kept: ops.Place
    index: int
    send: Send

    @property
    def _span(self) -> Span:
        return self.send.span

    def _place(self, name: str) -> ops.Place:
        return ops.Place(self.kept.root, (*self.kept.path, _member(name, self.index)))

    def _load(self, name: str) -> ops.Value:
        return ops.Load(self._span, self._place(name))

    def _store(self, name: str, value: ops.Value | int) -> None:
        number = const(self._span, value) if isinstance(value, int) else value
        self.builder.emit(ops.Store(self._span, self._place(name), number))

    # ------------------------------------------------------------------------------------------- composing

    @contextmanager
    def gate(self, fits: ops.Condition, payload: ops.Value | None) -> Iterator[None]:
        """Around what composes the option and then leaves the function: runs that on packets that fit, where the
        policy lets it go. `payload` is None on a SYN."""
        if self.send.policy.form is PolicyForm.UNTIL_ACKED:
            # Asked for every packet to come: what is over must cost least.
            with self._until_acked(fits, payload):
                yield
            return
        with self.builder.when(self._span, fits), self._gate(payload):
            yield

    @contextmanager
    def _gate(self, payload: ops.Value | None) -> Iterator[None]:
        span, builder = self._span, self.builder
        match self.send.policy.form:
            case PolicyForm.EACH | PolicyForm.UNTIL_ACKED:
                yield
            case PolicyForm.ONCE:
                with builder.when(span, equals(span, self._load("done"), 0)):
                    yield
            case PolicyForm.INTERVAL:
                with builder.when(span, self._elapsed()):
                    yield
            case PolicyForm.BYTES:
                far = compare(span, ops.Comparison.GE, self._beyond_mark("snd_nxt", 0), self.send.policy.amount)
                with builder.when(span, ops.Either(span, equals(span, self._load("started"), 0), far)):
                    yield
            case PolicyForm.PACKETS if payload is None:
                with builder.when(span, equals(span, self._load("wait"), 0)):
                    yield
            case PolicyForm.PACKETS:
                with builder.block() as due:
                    yield
                with builder.block() as waiting:
                    self._store("wait", binary(span, ops.BinaryOperator.SUB, self._load("wait"), 1))
                builder.branch(span, equals(span, self._load("wait"), 0), due, waiting)

    @contextmanager
    def _until_acked(self, fits: ops.Condition, payload: ops.Value | None) -> Iterator[None]:
        span, builder = self._span, self.builder
        limit = ops.Load(span, ops.Place(ops.GlobalRoot(SETTINGS), ("until_acked_packets",)))
        patient: ops.Condition = compare(span, ops.Comparison.LT, self._load("repeats"), limit)
        with builder.when(span, equals(span, self._load("done"), 0)):
            if payload is None:
                with builder.when(span, patient):
                    yield
                return
            with builder.block() as going:
                with builder.when(span, ops.Both(span, fits, ops.Either(span, differs(span, payload, 0), patient))):
                    yield
                # What composes the option has left the function.
                if self._leaves_data:
                    with builder.when(span, differs(span, payload, 0)):
                        self.note_data_without()
            with builder.block() as acked:
                self._store("done", 1)
            # Beyond the mark by at least one byte, and by less than half of the space (RFC 9293, section 3.4).
            arrived = compare(span, ops.Comparison.LT, self._beyond_mark("snd_una", 1), _HALF)
            carried = differs(span, self._load("carried"), 0)
            builder.branch(span, ops.Both(span, carried, arrived), acked, going)

    @property
    def _leaves_data(self) -> bool:
        """Whether a data segment may go without the option after another has carried it."""
        packets = self.send.packets
        carries = packets & {PacketClass.DATA, PacketClass.FIN, PacketClass.THIRD_ACK}
        return bool(carries) and (self.send.guard is not None or not packets >= {PacketClass.DATA, PacketClass.FIN})

    def _beyond_mark(self, sequence: str, less: int) -> ops.Value:
        """How far a sequence number is beyond `mark`, less some bytes, modulo 2**32."""
        span = self._span
        difference = binary(span, ops.BinaryOperator.SUB, ops.Context(span, sequence), self._load("mark"))
        if less:
            difference = binary(span, ops.BinaryOperator.SUB, difference, less)
        return binary(span, ops.BinaryOperator.AND, difference, _MASK32)

    def _elapsed(self) -> ops.Condition:
        span = self._span
        now = self.builder.fresh("now")
        self.builder.emit(ops.Now(span, now))
        since = binary(span, ops.BinaryOperator.SUB, ops.Local(span, now), self._load("last"))
        long_ago = compare(span, ops.Comparison.GE, since, self.send.policy.amount * _NANOSECONDS)
        return ops.Either(span, equals(span, self._load("last"), 0), long_ago)

    # --------------------------------------------------------------------------------------- after the fact

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
        with builder.block() as without:
            self._store("repeats", binary(span, ops.BinaryOperator.ADD, self._load("repeats"), 1))
        with builder.block() as with_data, builder.when(span, equals(span, self._load("carried"), 0)):
            self._store("carried", 1)
            self._store("mark", ops.Context(span, "snd_nxt"))
        builder.branch(span, with_payload(span), with_data, without)

    def note_data_without(self) -> None:
        """Notes that a data segment went without the option: its acknowledgement will prove nothing."""
        if self.send.policy.form is PolicyForm.UNTIL_ACKED:
            self._store("carried", 0)

    def reset(self) -> None:
        """A new connection: nothing has been sent."""
        for each in policy_members(self.send, self.index):
            place = ops.Place(self.kept.root, (*self.kept.path, each.name))
            self.builder.emit(ops.Store(self._span, place, const(self._span, 0)))

    def finished(self) -> ops.Condition | None:
        """Whether the policy will never send again, so that no room need be kept; None where it always may."""
        if self.send.policy.form in (PolicyForm.ONCE, PolicyForm.UNTIL_ACKED):
            return differs(self._span, self._load("done"), 0)
        return None


_PAYLOAD = ops.Place(ops.PointerRoot("socket"), ("payload",))


def note_payload(span: Span, value: ops.Value) -> ops.Statement:
    """Notes, when a packet is sized, how much data it carries: when it is written, its length includes its header."""
    return ops.Store(span, _PAYLOAD, value)


def with_payload(span: Span) -> ops.Condition:
    """Whether the packet that is being written carries data, as sizing has noted."""
    return differs(span, ops.Load(span, _PAYLOAD), 0)
