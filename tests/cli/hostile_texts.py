"""Texts that no person would write, each with the code of the first error that it must end in."""

from __future__ import annotations

MANY = 10_000
MEGABYTE = 1_000_000


def option(receive: str = "", layout: str = "value : u8", members: str = "") -> str:
    """An option with many or deep things somewhere."""
    return f"option big {{\nkind experimental 0x1234\nlayout {{ {layout} }}\n{members}\nreceive {{ {receive} }}\n}}\n"


def condition(text: str) -> str:
    return option(f"if {text} {{ reject a }}")


def each(form: str, between: str = "\n") -> str:
    """A form once for each number, with its number in the place of `#`."""
    return between.join(form.replace("#", str(number)) for number in range(MANY))


TEXTS: dict[str, tuple[str, str]] = {
    # --- deep
    "parentheses": (condition("(" * MANY + "true" + ")" * MANY), "OPT0110"),
    "open parentheses": (condition("(" * MANY), "OPT0101"),
    "braces": (option("{" * MANY + "}" * MANY), "OPT0101"),
    "not": (condition("not " * MANY + "true"), "OPT0110"),
    "complements": (condition("~" * MANY + "value > 1"), "OPT0110"),
    "if in if": (option("if value > 1 { " * MANY + "}" * MANY), "OPT0110"),
    "else if": (option(each("if value == 1 { reject r# }", " else ")), "OPT0110"),
    "else if in expressions": (option(f"let x = {each('if value == 1 { 1 }', ' else ')} else {{ 2 }}"), "OPT0110"),
    "a sum": (condition(each("1", " + ") + " > value"), "OPT0110"),
    "a disjunction": (condition(each("value == 1", " or ")), "OPT0110"),
    "members of members": (condition("value" + ".a" * MANY), "OPT0110"),
    "calls of calls": (condition("value" + "()" * MANY), "OPT0108"),
    "indexes in indexes": (condition("value[" * MANY + "1" + "]" * MANY), "OPT0110"),
    "loops in loops": (option("for i in 1..=60 { " * 20 + "}" * 20), ""),
    # --- many
    "fields": (option(layout=each("f# : u8")), "OPT0502"),
    "optional fields": (option(layout=each("f# : u8 optional")), "OPT0502"),
    "states": (option(members=each("state s# : u64")), "OPT0412"),
    "params": (option(members=each("param p# : u8 = 1")), "OPT0412"),
    "blocks": (option(members=each("send on ack { value = 1 }")), "OPT0412"),
    "statements": (option(each("socket.priority = 1")), "OPT0412"),
    "options": (each("option o# { kind 200 layout { v : u8 } receive { } }"), "OPT0412"),
    "constants of constants": ("const c = 1\nconst d0 = c\n" + option(), ""),
    "kinds": ("option a { " + "kind 200 " * MANY + "}", "OPT0312"),
    "prefixes": (option(members=f"const p : prefixes[64] = {{ {each('10.0.0.0/8', ', ')} }}"), "OPT0412"),
    "entries": (f"table t : u16 -> u16 {{ {each('# : 1', ', ')} }}\n" + option(), "OPT0412"),
    "elements": (option(layout="v : u8[1..=3]", members=f"send on data {{ v = [{each('1', ', ')}] }}"), ""),
    "arguments": (condition(f"clamp({each('1', ', ')}) > 1"), "OPT0310"),
    "duplicates": ("const a = 1\n" * MANY + option(), "OPT0302"),
    "unknown names": (option(each("if nope# > 1 { reject a }")), "OPT0301"),
    "unknown modules": (each("use m#") + "\n" + option(), "OPT0304"),
    "functions that call each other": (
        each("fn f#(x : u8) -> u8 { f0(x) }").replace("{ f0(x) }", "{ f1(x) }", 1) + option(), "OPT0306",
    ),
    # --- long
    "an identifier": (option(f"{'a' * MEGABYTE} = 1"), "OPT0301"),
    "a text": (option(f'socket.congestion = "{"a" * MEGABYTE}"'), "OPT0410"),
    "a number": (option(f"socket.priority = {'9' * MEGABYTE}"), "OPT0105"),
    "a quantity": (option(f"socket.delack_max = {'9' * 500_000}.{'9' * 400_000}ms"), "OPT0105"),
    "a width": (option(layout=f"v : u{'9' * MEGABYTE}"), "OPT0404"),
    "a size": (option(layout=f"v : bytes[{'9' * MEGABYTE}]"), "OPT0105"),
    "a kind": (f"option a {{ kind {'9' * MEGABYTE} }}", "OPT0105"),
    "something like an address": (condition("socket.peer.address == " + "::1:" * 200_000), "OPT0101"),
    "a comment": ("// " + "x" * MEGABYTE, "OPT0109"),
    "comments": ("// x\n" * 200_000, "OPT0109"),
    "empty lines": ("\n" * MEGABYTE, "OPT0109"),
    "quotation marks": ('"' * MEGABYTE, "OPT0101"),
    "no tokens": ("!" * MEGABYTE, "OPT0103"),
    "names": ("a " * 500_000, "OPT0101"),
    "nothing but tabs": ("\t" * MEGABYTE + "option", "OPT0102"),
}  # fmt: skip
