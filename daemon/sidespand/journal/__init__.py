"""The journal: stamps records inside one transaction, makes them durable, and reads them back by position."""
