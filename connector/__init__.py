"""Connector for Asterisk: prepaid SIP profiles, gated, counted and recorded.

docs/architecture.md is the map.
"""

__version__ = "0.1.0"
