"""The description of a program as JSON, for tools that speak the options it defines: `optdsl compile --emit json`.

Keys keep their names and meaning while `format` is 1; new ones may be added. Numbers are in base units (microseconds,
bits per second, bytes, segments, millionths), which `base_unit` names. Absent things are null or an empty list.

    format, name, sources           the version of this form; the program; its files, without folders
    target, kernel, requirements    what it was compiled for; each requirement is {kernel, for}
    options                         in declared order:
        name, doc, kind, exid       exid is null or {value, bits}
        sizes                       every length in bytes that the format allows, kind and length included
        header                      the first bytes in hexadecimal digits; the second one, the length, is 0
        fields                      in wire order:
            name, doc, reserved     the name is null if reserved; `fixed` is then the value it is checked for, or null
            offset, offset_varies   in bits from the start of the option, with all optional fields before it present
            bits                    width, of one element if it repeats
            type, ...               number (unit, base_unit), bool, enum (enum, values), bytes, ip4, address
            raw, step, range        {low, high} on the wire; the factor to base units; the values of a read
            presence, flag          always, flag (the field `flag` announces it) or length (told by the option's length)
            repeat                  null or {low, high}: how many elements
        params                      name, doc, type, range, initial: what user space may change in `.data.params`
        states                      name, doc, type, range, initial: what is kept for each socket
        sends                       doc, from, packets, policy {form, amount, unit}, guarded, largest (bytes)
        receives                    doc, at, guarded
        events                      doc, event, at, guarded
        reject_reasons              names of the counters besides those that every option has
    tables                          name, doc, key {low, high}, type, tunable, entries [{key, value}]
    records                         what `emit` sends: name, members [{name, type, ...}]
    budget                          bytes by packet class: packet, used, left, left_without_timestamps, left_beside_sack
"""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.backends.description_values import Json, has_range, range_json, type_json, value_json
from optdsl.semantics import model
from optdsl.semantics.budget import budget
from optdsl.targets import PacketClass, Role

FORMAT = 1
_AMOUNTS = {
    model.PolicyForm.INTERVAL: "microseconds",
    model.PolicyForm.BYTES: "bytes",
    model.PolicyForm.PACKETS: "packets",
}


def describe(program: model.CheckedProgram) -> dict[str, Json]:
    """The description as values that `json.dumps` takes. Equal programs have equal descriptions."""
    return {
        "format": FORMAT,
        "name": program.name,
        "sources": [source.base_name for source in program.sources],
        "target": program.target.name.value,
        "kernel": str(program.kernel),
        "requirements": [{"kernel": str(each.version), "for": each.what} for each in program.requirements],
        "options": [_option(option) for option in program.options],
        "tables": [_table(table) for table in program.tables],
        "records": [_record(record) for record in program.records],
        "budget": _budget(program.options),
    }


def description_text(program: model.CheckedProgram) -> str:
    """The description as indented JSON, ending in a newline."""
    import json

    return json.dumps(describe(program), indent=2, ensure_ascii=False) + "\n"


def _option(option: model.Option) -> Json:
    return {
        "name": option.name,
        "doc": option.doc,
        "kind": option.kind,
        "exid": None if option.exid is None else {"value": option.exid, "bits": 8 * option.exid_bytes},
        "sizes": list(option.layout.sizes),
        "header": option.layout.header.hex(),
        "fields": list(_fields(option.layout)),
        "params": [_variable(param) for param in option.params],
        "states": [_variable(state) for state in option.states],
        "sends": [_send(send) for send in option.sends],
        "receives": [
            {"doc": each.doc, "at": _role(each.receiver), "guarded": each.guard is not None}
            for each in option.receives
        ],
        "events": [
            {"doc": each.doc, "event": each.event.name, "at": _role(each.role), "guarded": each.guard is not None}
            for each in option.handlers
        ],
        "reject_reasons": list(option.reasons),
    }  # fmt: skip


def _fields(layout: model.Layout) -> Iterator[Json]:
    offset, varies = 8 * len(layout.header), False
    for field in layout.fields:
        yield _field(field, offset, varies)
        offset += field.bits
        varies = varies or field.presence is not model.Presence.ALWAYS or field.repeat is not None


def _field(field: model.Field, offset: int, varies: bool) -> Json:
    numeric = has_range(field.type)
    return {
        "name": None if field.is_reserved else field.name,
        "doc": field.doc,
        "reserved": field.is_reserved,
        "fixed": field.fixed,
        "offset": offset,
        "offset_varies": varies,
        "bits": field.bits,
        **type_json(field.type),
        "raw": range_json(field.raw) if numeric else None,
        "step": field.step,
        "range": range_json(field.interval) if numeric else None,
        "presence": field.presence.value,
        "flag": field.flag or None,
        "repeat": None if field.repeat is None else range_json(field.repeat),
    }


def _variable(variable: model.Param | model.State) -> Json:
    return {
        "name": variable.name,
        "doc": variable.doc,
        **type_json(variable.type),
        "range": range_json(variable.interval) if has_range(variable.type) else None,
        "initial": value_json(variable.initial, variable.type),
    }


def _send(send: model.Send) -> Json:
    unit = _AMOUNTS.get(send.policy.form)
    packets: list[Json] = [packet.value for packet in PacketClass if packet in send.packets]
    return {
        "doc": send.doc,
        "from": _role(send.sender),
        "packets": packets,
        "policy": {"form": send.policy.form.value, "amount": send.policy.amount if unit else None, "unit": unit},
        "guarded": send.guard is not None,
        "largest": send.largest,
    }


def _role(role: Role | None) -> Json:
    """The side, or null for both."""
    return None if role is None else role.value


def _table(table: model.Table) -> Json:
    return {
        "name": table.name,
        "doc": table.doc,
        "key": range_json(table.key),
        **type_json(table.value),
        "tunable": table.tunable,
        "entries": [{"key": key, "value": value_json(value, table.value)} for key, value in table.entries],
    }


def _record(record: model.Record) -> Json:
    return {"name": record.name, "members": [{"name": name, **type_json(kind)} for name, kind in record.members]}


def _budget(options: tuple[model.Option, ...]) -> Json:
    return [
        {
            "packet": row.packet.value,
            "used": row.used,
            "left": row.left,
            "left_without_timestamps": row.left_without_timestamps,
            "left_beside_sack": row.left_beside_sack,
        }
        for row in budget(options)
    ]
