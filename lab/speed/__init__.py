"""`make bench`: measures speed, next to a bare dialplan on the same Asterisk and next to the speed of the disk.

`figures` defines a figure and its goal. `store`, `calls`, `attack` and `size` measure. `run` runs all of them, prints a
table and writes var/bench.json. Only values of the same run are compared, so a slow machine does not fail.
"""
