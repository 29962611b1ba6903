"""The pictures of the README: `demo` serves the demo in a process, `program` takes the pictures."""
