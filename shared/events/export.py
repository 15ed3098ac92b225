"""Writes the contract to files: `python -m shared.events.export`."""

import json
from pathlib import Path
from typing import Any

from shared.events import EVENT_CLASSES, Event

SCHEMAS = Path(__file__).parent / "schemas"


def schema_of(event_class: type[Event]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one event as it is on the wire."""
    schema = event_class.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{event_class.TYPE}",
        **schema,
    }


def rendered() -> dict[str, str]:
    """File name → text for every event of the contract."""
    return {
        f"{cls.TYPE}.json": json.dumps(schema_of(cls), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        for cls in EVENT_CLASSES
    }


def main() -> None:
    """Write every schema, and remove those of events that are no more."""
    SCHEMAS.mkdir(exist_ok=True)
    wanted = rendered()
    for stale in {path.name for path in SCHEMAS.glob("*.json")} - wanted.keys():
        (SCHEMAS / stale).unlink()
    for name, text in wanted.items():
        (SCHEMAS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
