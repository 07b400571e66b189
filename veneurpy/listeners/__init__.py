"""The ways in: one file a transport. None of them knows what a line means."""
