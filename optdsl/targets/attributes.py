"""All attributes of all targets, in the order in which they are documented."""

from __future__ import annotations

from optdsl.targets.buffer_options import BUFFER_OPTIONS
from optdsl.targets.patched import PATCHED_ATTRIBUTES
from optdsl.targets.socket_options import SOCKET_OPTIONS
from optdsl.targets.socket_state import SOCKET_STATE

MAINLINE_ATTRIBUTES = SOCKET_STATE + SOCKET_OPTIONS + BUFFER_OPTIONS
ATTRIBUTES = MAINLINE_ATTRIBUTES + PATCHED_ATTRIBUTES
