"""Admission: decides from a request's bytes what may be stored, and reads of it only what that takes."""

from sidespand.admission.otlp import OtlpAdmission

__all__ = ["OtlpAdmission"]
