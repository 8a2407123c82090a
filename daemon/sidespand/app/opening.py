"""Opens the store that a configuration names, for whoever writes it."""

from collections.abc import Callable

from sidespand.clock import Clock
from sidespand.config import Config
from sidespand.journal.opening import Options
from sidespand.journal.store import JournalStore
from sidespand.model import NodeIdentity, Position


def node_identity(config: Config, clock: Clock) -> NodeIdentity:
    """Return who the node says it is; without a configured instance id, it draws one."""
    return NodeIdentity(
        config.source_node_ref,
        config.node_instance_id or clock.random_bytes(16).hex(),
        config.node_role,
        config.deployment_ref,
        config.cluster_ref,
    )


def open_journal(
    config: Config,
    identity: NodeIdentity,
    clock: Clock,
    *,
    committed: Callable[[Position], None],
    fatal: Callable[[Exception], None],
    accept_move: bool = False,
) -> JournalStore:
    """Open the store in a new generation; arguments and errors are those of ``JournalStore``."""
    options = Options(
        config.segment_bytes,
        config.segment_age_s,
        config.sync,
        config.allow_remote,
        accept_move,
        config.anchor_dirs,
        tuple(map(str, config.exposed)),
        config.capture,
    )
    return JournalStore(config.data_dir, options, identity, clock, committed=committed, fatal=fatal)
