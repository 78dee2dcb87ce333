"""The differential operators, custom rules, loops: what is built on the core's modes.

Nothing of the core needs these modules. `calls` is what custom rules and checkpoints
share; the rest stands each for itself.
"""
