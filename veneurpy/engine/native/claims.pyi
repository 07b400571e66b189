"""Only for `cimport`: nothing of it is visible from Python."""
