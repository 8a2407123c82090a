"""The composition roots: the only modules that see every stage, one for each process."""
