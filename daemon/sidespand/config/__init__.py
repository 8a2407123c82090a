"""Configuration: flags over environment over file, checked whole before anything opens."""

from sidespand.config.load import default_path, load
from sidespand.config.model import Address, Capture, Config, SinkConfig, TenantConfig

__all__ = ["Address", "Capture", "Config", "SinkConfig", "TenantConfig", "default_path", "load"]
