"""The flush: when an interval closes, what is computed of it and how it reaches each sink."""
