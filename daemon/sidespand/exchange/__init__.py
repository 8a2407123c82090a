"""Files of this and of other recorders: read as OTLP requests, and written from spans. Pure.

``detect`` tells what a file is, ``read_*`` turn one into requests, ``write_*`` turn spans into one.
"""
