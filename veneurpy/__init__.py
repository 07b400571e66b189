"""veneurpy: a StatsD/DogStatsD aggregation daemon that accounts for every sample."""

__version__ = "0.1.0"
