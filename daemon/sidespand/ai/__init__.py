"""One model of what agents do, read from the attributes of spans in whatever convention. Pure."""

from sidespand.ai.model import Ai, Tokens, document
from sidespand.ai.normalise import MAPPABLE, NORMALISER_VERSION, Normalise, normaliser

__all__ = [
    "MAPPABLE",
    "NORMALISER_VERSION",
    "Ai",
    "Normalise",
    "Tokens",
    "document",
    "normaliser",
]
