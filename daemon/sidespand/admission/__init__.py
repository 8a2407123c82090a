"""Admission: decides from a request's bytes what may be stored, reading no more than that takes."""

from sidespand.admission.capture import MetadataAdmission, NothingAdmission
from sidespand.admission.governed import GovernedAdmission
from sidespand.admission.otlp import OtlpAdmission
from sidespand.admission.trace_cap import CappedAdmission

__all__ = [
    "CappedAdmission",
    "GovernedAdmission",
    "MetadataAdmission",
    "NothingAdmission",
    "OtlpAdmission",
]
