"""One file per question; each has `measure(rounds) -> Answer`."""
