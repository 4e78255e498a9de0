"""What blocks use is looked for in every statement and expression, whichever module it stands in."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from optdsl.lower import uses
from optdsl.record import fields
from optdsl.semantics import model

NODES = (*get_args(model.Statement), *get_args(model.Expression), model.Send, model.Receive, model.Handler)


@pytest.mark.parametrize("node", NODES)
def test_every_node_is_walked(node: Any) -> None:
    inside = model.FactRead(None, None, model.Fact.RECEIVED)  # type: ignore[arg-type]
    made = node(*(inside for _ in fields(node)))
    assert {node, model.FactRead} <= {type(each) for each in uses.nodes(made)}
