"""A laboratory on one kernel: two hosts, packets captured between them, real transfers, programs attached to each."""
