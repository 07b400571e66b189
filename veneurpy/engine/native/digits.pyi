"""Doubles as text."""

def number(value: float) -> str:
    """The shortest text that reads back as the same float; integers below 2^53 without ".0"."""
