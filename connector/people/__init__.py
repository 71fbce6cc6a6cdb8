"""Users of the pages and the API, their sessions and their tokens."""
