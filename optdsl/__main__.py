"""`python -m optdsl` is `optdsl`."""

import sys

from optdsl.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
