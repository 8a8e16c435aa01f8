"""What differs between a laptop, the tests and production."""

import os
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Settings:
    database_url: str = "sqlite+aiosqlite:///shop.db"
    payments_url: str = "https://pay.example"
    stock_url: str = "https://stock.example"

    @classmethod
    def from_environment(cls) -> Self:
        """Read `SHOP_DATABASE_URL` and its like; what is not set keeps its default."""
        names = {name: f"SHOP_{name.upper()}" for name in cls.__dataclass_fields__}
        given = {name: os.environ[key] for name, key in names.items() if key in os.environ}
        return cls(**given)
