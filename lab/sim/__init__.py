"""The connector, its store, an Asterisk and the clock in one process, in virtual time, with faults at every await.

`make sim SEED=n` repeats a run to the last event; `make test` runs a thousand seeds. What runs is the connector's own
application and billing on a SQLite in memory; only Asterisk, the network and the clock are played (asterisk.py,
world.py). No socket, no thread, no sleep.
"""
