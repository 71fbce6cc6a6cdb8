"""`python -m connector` is the command line."""

from connector.cli import main

main()
