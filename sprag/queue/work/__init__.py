"""What runs jobs: the workers of a process, each job from its item to its outcome."""
