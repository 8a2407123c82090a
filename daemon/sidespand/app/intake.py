"""The way in, as the configuration wants it: what is admitted, and on which terms."""

from sidespand.admission import CappedAdmission, MetadataAdmission, NothingAdmission, OtlpAdmission
from sidespand.config import Config
from sidespand.ports import Admission, Journal
from sidespand.receiver.intake import Intake
from sidespand.receiver.quota import Quota
from sidespand.receiver.repeats import Repeats
from sidespand.telemetry import Telemetry


def make_intake(config: Config, journal: Journal, telemetry: Telemetry) -> Intake:
    """Return the path that every door's requests take into ``journal``."""
    return Intake(
        _admission(config),
        journal,
        telemetry,
        repeats=Repeats(config.repeat_window_s) if config.repeat_window_s else None,
        quota=Quota(config.uid_bytes_per_s) if config.uid_bytes_per_s is not None else None,
    )


def _admission(config: Config) -> Admission:
    if config.capture == "off":
        return NothingAdmission()
    admission: Admission = OtlpAdmission()
    if config.trace_spans_max is not None:
        admission = CappedAdmission(admission, config.trace_spans_max)
    # Last, so that nothing after it sees content.
    return MetadataAdmission(admission) if config.capture == "metadata" else admission
