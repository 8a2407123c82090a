"""Measurements. They print; they assert nothing about time."""
