"""What every thread of the queue keeps to, because code of others may interrupt any of them."""
