"""The command line: one file a command, over the pure core. Heavy modules are imported where a command needs them."""
