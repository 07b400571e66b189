"""Yardsticks in C, one load generator, one file per question. README.md tells the method."""
