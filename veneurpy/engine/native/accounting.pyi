"""What a reader did, as Accounts."""
