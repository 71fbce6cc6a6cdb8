"""Edge. FastAGI, for dialplans that ask instead of passing the gate."""
