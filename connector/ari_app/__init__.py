"""Edge. Owns every live call: the websocket to Asterisk, its events, the gate, and what is found after a silence."""
