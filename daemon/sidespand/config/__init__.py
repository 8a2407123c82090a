"""Configuration: flags over environment over file, checked whole before anything opens."""

from sidespand.config.load import default_path, load
from sidespand.config.model import Address, Config, SinkConfig, TenantConfig

__all__ = ["Address", "Config", "SinkConfig", "TenantConfig", "default_path", "load"]
