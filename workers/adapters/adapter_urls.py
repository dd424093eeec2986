"""What the URL of an embedded adapter means: a folder."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from workers.base.masking import mask
from workers.base.settings import Settings

SCHEMES: dict[str, tuple[str, ...]] = {
    "TENURE_HOST_URL": ("file",),
    "TENURE_BACKUPS_URL": ("file",),
    "TENURE_PAYMENTS_URL": ("ledger", "stripe"),
    "TENURE_MAIL_URL": ("file", "smtp", "smtps"),
}
"""The adapters that there are, by their settings: known without loading one, so that `tenure up` starts quickly."""


def check_schemes(settings: Settings) -> None:
    """Refuse an adapter that does not exist; raises ValueError with the setting, its value and those that exist."""
    for setting, schemes in SCHEMES.items():
        url = str(getattr(settings, setting.removeprefix("TENURE_").lower()))
        if urlsplit(url).scheme not in schemes:
            known = " or ".join(f"{scheme}:" for scheme in schemes)
            raise ValueError(f"{setting}={mask(url)!r} names an adapter that does not exist: begin it with {known}")
    if settings.payments_url.startswith("stripe:") and settings.stripe_key_file is None:
        needed = "needs TENURE_STRIPE_KEY_FILE: set it to a file with the secret key"
        raise ValueError(f"TENURE_PAYMENTS_URL='stripe:' {needed}")


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
