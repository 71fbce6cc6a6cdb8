"""Records. Every public function is one transaction on the store; what is decided is decided in `connector.core`."""
