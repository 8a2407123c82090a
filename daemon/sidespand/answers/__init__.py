"""The documents that API, command line and page show: of the index, the journal and the evidence.

One function an answer. None of it knows who asks.
"""
