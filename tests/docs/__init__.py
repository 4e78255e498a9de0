"""The documents, tested: examples compile, tables are those of the code. `doc_examples` finds the examples."""
