"""Finds the examples of the documents and makes whole files of them.

The words behind ```opt say what an example is:

    ```opt                        a whole file
    ```opt module net.links       a module that later files of the same document can `use`
    ```opt context                a whole file, in which `send`, `receive` and `on` examples stand; a document without
                                  one borrows that of docs/language.md
    ```opt declarations           items of a file; an option is added if there is none
    ```opt option                 members of an option; a kind, a layout and a `receive` are added if there are none
    ```opt send                   the body of the context's `send`
    ```opt receive                the body of the context's `receive`
    ```opt on                     the body of an `on rtt` in the context
    ```opt ... error OPT0203      must be refused with this code and no other error
    ```opt ... warning OPT0802    must compile with this warning and no other
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FORMS = ("file", "module", "context", "declarations", "option", "send", "receive", "on")


def documents() -> list[Path]:
    """README.md and everything in docs/, as far as it is there."""
    readme = ROOT / "README.md"
    return [*([readme] if readme.is_file() else []), *sorted((ROOT / "docs").glob("**/*.md"))]


@dataclass(frozen=True, slots=True)
class Example:
    """One fence: where it stands, what it is, the file that it makes, and the code that is expected, if any."""

    place: str
    form: str
    text: str
    modules: dict[str, str]
    error: str | None = None
    warning: str | None = None


def fences(text: str) -> list[tuple[int, str, str]]:
    """Line number, info string and content of every fence of a Markdown text."""
    found = re.finditer(r"^```([^\n`]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, match.start()) + 1, match[1].strip(), match[2]) for match in found]


def examples(path: Path) -> list[Example]:
    """The examples of a document, in order. Raises ValueError for a fence whose words are not understood."""
    found: list[Example] = []
    modules: dict[str, str] = {}
    all_fences = [(line, info.split(), body) for line, info, body in fences(path.read_text(encoding="utf-8"))]
    context = _context(path) or _context(ROOT / "docs" / "language.md")
    for line, words, body in all_fences:
        if not words or words[0] != "opt":
            continue
        place = f"{path.name}:{line}"
        form, rest = (words[1], words[2:]) if len(words) > 1 and words[1] in FORMS else ("file", words[1:])
        if form == "module":
            modules = {**modules, rest.pop(0): body}
        expected = dict(zip(rest[::2], rest[1::2], strict=True))
        if expected.keys() - {"error", "warning"}:
            raise ValueError(f"{place}: {' '.join(words)}")
        found.append(Example(place, form, whole(form, body, context), modules, **expected))
    return found


def _context(path: Path) -> str | None:
    text = path.read_text(encoding="utf-8")
    return next((body for _, info, body in fences(text) if info == "opt context"), None)


def whole(form: str, body: str, context: str | None) -> str:
    """The file that an example stands for."""
    match form:
        case "module" | "declarations":
            return body if re.search(r"^option ", body, re.MULTILINE) else body + _option("")
        case "option":
            return _option(body)
        case "send" | "receive" | "on":
            assert context is not None, "a fragment needs an ```opt context fence"
            return _in_context(form, body, context)
        case _:
            return body


def _option(members: str) -> str:
    """An option of these members and what they lack."""
    parts = ["option sample {"]
    if not re.search(r"^kind ", members, re.MULTILINE):
        parts.append("kind experimental 0x5A5A")
    if not re.search(r"^layout ", members, re.MULTILINE):
        parts.append("layout { value : u8 }")
    parts.append(members)
    if not re.search(r"^(send|receive)\b", members, re.MULTILINE):
        parts.append("receive { }")
    return "\n".join([*parts, "}\n"])


def _in_context(form: str, body: str, context: str) -> str:
    if form == "on":
        end = context.rindex("}")
        return f"{context[:end]}\n    on rtt {{\n{body}    }}\n}}\n"
    # `receive { }` on one line, or `send ... {` up to the brace below it.
    pattern = rf"^(    {form}\b[^\n]*?\{{)(?: \}}$|\n.*?^    \}}$)"
    changed, count = re.subn(
        pattern, lambda match: f"{match[1]}\n{body}    }}", context, count=1, flags=re.MULTILINE | re.DOTALL
    )
    assert count == 1, f"the context has no `{form}`"
    return changed
