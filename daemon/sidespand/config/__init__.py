"""Configuration: flags over environment over file, checked whole before anything opens."""

from sidespand.config.load import default_path, load
from sidespand.config.model import Address, Config, SinkConfig

__all__ = ["Address", "Config", "SinkConfig", "default_path", "load"]
