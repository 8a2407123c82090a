"""Generated from proto/sidespan/v1 by `make proto`; never edited by hand."""
