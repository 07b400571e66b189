"""The admin HTTP listener: health, status, ledger, configuration and telemetry of one node."""
