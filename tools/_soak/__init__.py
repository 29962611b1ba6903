"""The parts of `tools/soak.py`: a process under mixed work for minutes, and what it takes up."""
