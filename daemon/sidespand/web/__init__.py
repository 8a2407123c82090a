"""The HTTP API of a node, in the worker: for people, the command line and the web page."""
