"""What shells and manual readers want to know of the command line: completion scripts and `optdsl(1)`."""
