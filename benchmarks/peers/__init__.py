"""Other daemons, run beside ours where they are installed: one file each."""
