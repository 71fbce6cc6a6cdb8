"""The REST API as a program has it that was generated from its document."""
