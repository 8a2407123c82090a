"""Admission: decides from a request's bytes what may be stored, reading no more than that takes."""

from sidespand.admission.otlp import OtlpAdmission

__all__ = ["OtlpAdmission"]
