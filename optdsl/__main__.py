"""`python -m optdsl` is `optdsl`."""

from optdsl.cli.start import start

if __name__ == "__main__":
    start()
