"""The users, products and prices of the scenarios, and the rows of `data/user_product_discounts.csv`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

PRICES = {
    "espresso-machine": Decimal("249.00"),
    "moka-pot": Decimal("34.90"),
    "coffee-grinder": Decimal("89.50"),
    "milk-frother": Decimal("24.95"),
    "french-press": Decimal("29.99"),
    "travel-mug": Decimal("19.90"),
    "pour-over-kettle": Decimal("64.00"),
    "digital-scale": Decimal("39.95"),
    "paper-filters": Decimal("4.49"),
    "espresso-beans-1kg": Decimal("21.80"),
    "decaf-beans-500g": Decimal("12.35"),
    "descaler": Decimal("7.25"),
}

HAPPY = ("moka-pot", "milk-frother", "travel-mug", "digital-scale", "espresso-beans-1kg")


def list_price(product: str, time: datetime) -> Decimal:
    """Return the product's price, which is the same at all times."""
    return PRICES[product]


def happy_price(product: str, time: datetime) -> Decimal:
    """Return the product's price: from half past to the full hour, some cost a tenth less, to the cent."""
    happy = time.minute >= 30 and product in HAPPY
    return (PRICES[product] * Decimal("0.9")).quantize(Decimal("0.01")) if happy else PRICES[product]


USERS = (
    "amelia.hart",
    "ben.okafor",
    "chiara.rossi",
    "daniel.kim",
    "elif.demir",
    "felix.braun",
    "grace.mensah",
    "hugo.martin",
    "ines.costa",
    "jonas.berg",
    "kavya.nair",
    "liam.walsh",
    "mei.tanaka",
    "noor.haddad",
    "oskar.nowak",
    "priya.shah",
)

DISCOUNTS_HEADER = "user_id,product_id,discount_percent,valid_from,valid_until"
DISCOUNTS = (
    ("amelia.hart", "espresso-machine", "15.00", "", ""),
    ("amelia.hart", "espresso-beans-1kg", "10.00", "", ""),
    # Two rows for one user and product: the highest percent that is valid at the event's time wins.
    ("amelia.hart", "espresso-beans-1kg", "20.00", "2026-01-01T12:05:00Z", "2026-01-01T12:10:00Z"),
    ("ben.okafor", "coffee-grinder", "12.50", "", ""),
    ("ben.okafor", "travel-mug", "5.00", "2026-01-01T12:00:00Z", "2027-01-01T00:00:00Z"),
    ("chiara.rossi", "moka-pot", "25.00", "", ""),
    ("chiara.rossi", "moka-pot", "33.33", "", "2026-01-01T12:10:00Z"),
    ("daniel.kim", "digital-scale", "8.00", "", ""),
    ("daniel.kim", "pour-over-kettle", "17.50", "2026-01-01T12:10:00Z", ""),
    ("elif.demir", "espresso-beans-1kg", "7.50", "", ""),
    ("elif.demir", "paper-filters", "100.00", "", ""),
    ("felix.braun", "milk-frother", "30.00", "", ""),
    ("felix.braun", "milk-frother", "10.00", "", ""),
    ("grace.mensah", "french-press", "18.00", "2025-11-01T00:00:00+01:00", "2026-12-01T00:00:00+01:00"),
    ("hugo.martin", "espresso-machine", "9.99", "", ""),
    ("ines.costa", "decaf-beans-500g", "22.22", "", ""),
    ("jonas.berg", "descaler", "50.00", "", ""),
    ("kavya.nair", "coffee-grinder", "0.00", "", ""),
    ("liam.walsh", "travel-mug", "12.00", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
    ("mei.tanaka", "pour-over-kettle", "14.00", "", ""),
)


def discounts_csv() -> str:
    """Return the discounts as the CSV file that the discounts job reads."""
    return "\n".join([DISCOUNTS_HEADER, *(",".join(row) for row in DISCOUNTS)]) + "\n"
