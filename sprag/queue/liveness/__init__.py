"""Which processes run jobs, which of them are alive, and what becomes of a dead one's jobs."""
