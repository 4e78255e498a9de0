"""optdsl: define a TCP option in twenty lines and run it in the Linux kernel."""

__version__ = "0.1.0"
