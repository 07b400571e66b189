"""Where points go: one file a sink, and no sink imports another."""
