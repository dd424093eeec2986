"""The house's one name for a JSON object whose shape the contract fixes."""

from typing import Any

Document = dict[str, Any]
"""A JSON object as Python has it: an answer, a report, a message."""
