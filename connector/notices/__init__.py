"""Notices to people, webhooks to programs, and requests of the pages and the API, each run once."""
