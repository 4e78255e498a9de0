"""Tests that run inside a kernel of the lab. `conftest` tells how."""
