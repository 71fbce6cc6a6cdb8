"""The tables and the transactions on them: SQLite or PostgreSQL, and what is remembered of them. No money, no calls."""
