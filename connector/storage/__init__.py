"""Around the store: opens it, writes and reads it on threads of their own, copies it, runs a copy forward in time.

What is in it is in `connector/database`; what may be done to it, in billing, routing, people and notices.
"""
