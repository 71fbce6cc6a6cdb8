"""Edge. The web pages and, later, the REST interface."""
