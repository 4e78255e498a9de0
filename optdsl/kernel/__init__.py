"""This machine's kernel: loading, attaching and observing BPF objects, and finding out what the machine offers.

Everything in here may touch the system. The core of the compiler never imports from this package.
"""
