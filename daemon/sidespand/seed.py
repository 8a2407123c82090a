"""Names and forms that receipts and exports take over from AITrace, exactly. Pure.

Source: AITrace 0.2.0 file exporter and persistence postures; jido_integration
``Platform.ClockOrdering.HLC.V1``.
"""

from typing import Any, Final

from sidespand.hlc import Hlc

IDENTITY: Final = (
    "source_node_ref",
    "node_instance_id",
    "node_role",
    "deployment_ref",
    "cluster_ref",
)


def commit_lsn(lsn: int) -> str:
    """Return an LSN as PostgreSQL writes one: ``X/X``, upper hex, the high half first."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def commit_hlc(stamp: Hlc, node_ref: str) -> dict[str, Any]:
    """Return a stamp as AITrace has it: integers, though a JSON number of this size may be cut."""
    return {"w": stamp.wall_ns, "l": stamp.logical, "n": node_ref}


def durable_posture(surface: str) -> dict[str, Any]:
    """Return the ten keys that say how something is kept: durable, and redacted.

    Args:
        surface: ``trace``, ``span``, ``event`` or ``export``.
    """
    return {
        "persistence_profile_ref": "persistence-profile://aitrace-durable-redacted",
        "persistence_tier_ref": "persistence-tier://durable",
        "capture_level_ref": "capture-level://redacted-summary",
        "store_set_ref": "store-set://aitrace/durable-redacted",
        "retention_policy_ref": "retention://operator-configured",
        "debug_tap_ref": "debug-tap://noop",
        "persistence_receipt_ref": f"persistence-receipt://aitrace/{surface}/durable_redacted",
        "raw_payload_persistence?": False,
        "retained?": True,
        "durable?": True,
    }
