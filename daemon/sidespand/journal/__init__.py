"""The journal: stamps records in one transaction, makes them durable, reads them by position."""
