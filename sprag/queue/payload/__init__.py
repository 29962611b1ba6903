"""What applications enqueue and return, as JSON in the file and back."""
