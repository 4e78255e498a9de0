"""A plugin of pytest for trials: hypothesis looks in the same places each time, and makes no failure smaller."""

from __future__ import annotations

from hypothesis import Phase, settings

settings.register_profile("trial", database=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
settings.load_profile("trial")
