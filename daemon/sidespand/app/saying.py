"""Has a process of the daemon log as its configuration says."""

from sidespand import logs
from sidespand.config import Config
from sidespand.errors import ConfigError
from sidespand.logs import LogFile
from sidespand.scrubbing import Secrets


def configure_logs(config: Config, secrets: Secrets, process: str = "") -> None:
    """Log to stderr, or to a file of this process.

    Args:
        config: Checked.
        secrets: What is in no line.
        process: Whose file it is, in front of its name; empty for the recorder.

    Raises:
        ConfigError: The file cannot be written.
    """
    path, file = config.log_file, None
    if path is not None:
        path = path.with_name(f"{process}-{path.name}") if process else path
        file = LogFile(path, config.log_file_bytes_max, config.log_files_max)
    try:
        logs.configure(config.log_level, secrets.scrub, form=config.log_format, file=file)
    except OSError as error:
        raise ConfigError(
            f"log.file: cannot write {path}: {error.strerror}",
            hint="its directory must be there, for the daemon's user to write",
        ) from error
