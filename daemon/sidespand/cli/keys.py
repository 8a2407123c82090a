"""``sidespan keys``: makes the node's key, and prints what others pin to trust this node."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sidespand.cli import arguments, exits
from sidespand.cli.output import print_fields, print_json, print_note
from sidespand.errors import NotFound

if TYPE_CHECKING:
    from sidespand.config import Config
    from sidespand.evidence.note import Verifier


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    for name, text in (
        ("init", "make the node's key, and print its verifier key"),
        ("show", "print the verifier key of the node's key"),
    ):
        arguments.add_store(actions.add_parser(name, help=text, description=text))


def run(args: argparse.Namespace) -> int:
    """Make or show the key; the key itself is never printed.

    Raises:
        NotFound: There is no key to show.
        ConfigError: The configuration or the key file cannot be used, or there is a key already.
    """
    from sidespand.app import node_key
    from sidespand.config import load

    config = load(args.config, {"data_dir": args.data} if args.data is not None else {})
    path = config.node_key_path
    if args.action == "init":
        signer = node_key.create(path, _name(config))
        print_note("the daemon certifies its generations with it from its next start on")
    else:
        found = node_key.load(path, required=False)
        if found is None:
            raise NotFound(f"{path}: this node has no key", hint="`sidespan keys init` makes one")
        signer = found
    _print(path, signer.verifier, as_json=args.json)
    return exits.OK


def _name(config: "Config") -> str:
    from sidespand.evidence.checkpoint import node_name
    from sidespand.model import NodeIdentity

    identity = NodeIdentity(config.source_node_ref, "", deployment_ref=config.deployment_ref)
    return node_name(identity)


def _print(path: Path, verifier: "Verifier", *, as_json: bool) -> None:
    document = {
        "file": str(path),
        "name": verifier.name,
        "key_id": verifier.key_id.hex(),
        "verifier_key": str(verifier),
    }
    if as_json:
        print_json(document)
    else:
        print_fields((name.replace("_", " "), value) for name, value in document.items())
