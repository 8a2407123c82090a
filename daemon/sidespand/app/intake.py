"""The way in, as the configuration wants it: what is admitted, and on which terms."""

from collections.abc import Collection

from sidespand.admission import (
    CappedAdmission,
    GovernedAdmission,
    MetadataAdmission,
    NothingAdmission,
    OtlpAdmission,
)
from sidespand.config import Config
from sidespand.ports import Admission, Journal
from sidespand.receiver.intake import Intake
from sidespand.receiver.quota import Quota
from sidespand.receiver.repeats import Repeats
from sidespand.scrubbing import Secrets
from sidespand.telemetry import Telemetry


def make_intake(
    config: Config,
    journal: Journal,
    telemetry: Telemetry,
    secrets: Secrets | None = None,
    sinks: Collection[str] = (),
) -> Intake:
    """Return the path that every door's requests take into ``journal``.

    Args:
        config: Checked.
        journal: Where they end.
        telemetry: Counts them.
        secrets: What no sender is told.
        sinks: The names that governed records may name; its owner may change it.
    """
    return Intake(
        _admission(config, sinks),
        journal,
        telemetry,
        repeats=Repeats(config.repeat_window_s) if config.repeat_window_s else None,
        quota=Quota(config.uid_bytes_per_s) if config.uid_bytes_per_s is not None else None,
        scrub=secrets.scrub if secrets is not None else str,
    )


def _admission(config: Config, sinks: Collection[str]) -> Admission:
    if config.capture == "off":
        return NothingAdmission()
    # First, so that what comes after finds whole records.
    admission: Admission = GovernedAdmission(OtlpAdmission(), sinks)
    if config.trace_spans_max is not None:
        admission = CappedAdmission(admission, config.trace_spans_max)
    # Last, so that nothing after it sees content.
    return MetadataAdmission(admission) if config.capture == "metadata" else admission
