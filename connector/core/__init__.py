"""Decides. Pure: no clock, no files, no sockets, no Peewee, no asyncio.

Everything here is a function of its arguments, so everything here can be tried in a table.
"""
