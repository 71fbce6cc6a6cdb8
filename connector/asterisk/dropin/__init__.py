"""What drops into an Asterisk that somebody runs already: its few files here, and who puts them in place."""
