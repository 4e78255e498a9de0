"""Questions about a tree reach every node, whichever module its class stands in."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from optdsl.record import fields
from optdsl.syntax import tree, walk

NODES = (
    *get_args(tree.Expression),
    *get_args(tree.Statement),
    *get_args(tree.Member),
    *get_args(tree.Item),
    tree.Block,
    tree.Field,
    tree.File,
)


@pytest.mark.parametrize("node", dict.fromkeys(NODES))
def test_every_node_is_walked(node: Any) -> None:
    made = node(*(tree.Name(None, name) for name in fields(node)))  # type: ignore[arg-type]
    assert {type(each) for each in walk.nodes(made)} == {node, tree.Name}
