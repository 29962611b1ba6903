"""The jobs and their journal, as tables of the file: every write and every read of them."""
