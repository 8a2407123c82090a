"""What changed between two values: states of a program, lists of messages. Pure, and bounded."""
