"""Helpers of the tests; importable because ``tests/conftest.py`` lies beside."""
