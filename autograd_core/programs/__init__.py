"""Recorded computations: as data, as source, and as something to run.

`program` is the data, `recording` makes it, `naming` and `literals` write it, `passes`
improve it, `compiling` runs it.
"""
