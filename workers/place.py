"""What the URL of an embedded adapter means: a folder."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from workers.settings import mask


def folder_of(setting: str, url: str, data_dir: Path) -> Path:
    """Read `file:` (the data folder) or `file:///folder` (elsewhere); raises `ValueError` for anything else."""
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
        raise ValueError(f"{setting}={mask(url)!r} is no store that this Tenure knows: {REMEDY}")
    if not parts.path:
        return data_dir
    if not parts.path.startswith("/"):
        raise ValueError(f"{setting}={mask(url)!r} is not an absolute path: {REMEDY}")
    return Path(unquote(parts.path))


REMEDY = "use file: for a folder under the data folder, or file:///folder for one elsewhere"
