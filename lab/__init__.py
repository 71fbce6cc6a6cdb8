"""The lab: everything that `make run`, `make test` and `make load` need around the connector.

It gets an Asterisk, lays out config folders, starts and ends processes, plays the far end (a carrier and a PBX), and
runs SIPp. The connector never imports it; a machine in production does not need it.
"""
