"""The pages: each a controller, with its template and what runs in the browser beside it."""
