"""The countries, regions and cities where customers live.

Decides: how large each market is. Never does: describe real people; street and postcode are invented
elsewhere. Why this shape: one row per city, so a draw over the cities gives all three levels in agreement.
"""

from dataclasses import dataclass

COUNTRY_WEIGHTS = {"US": 34, "GB": 16, "DE": 15, "FR": 10, "ES": 7, "CA": 7, "NL": 6, "AU": 5}
COUNTRIES = tuple(COUNTRY_WEIGHTS)

_REGIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "US": {
        "California": ("Los Angeles", "San Diego"),
        "Texas": ("Houston", "Austin"),
        "New York": ("New York", "Buffalo"),
        "Illinois": ("Chicago",),
    },
    "GB": {"England": ("London", "Manchester", "Bristol"), "Scotland": ("Glasgow",), "Wales": ("Cardiff",)},
    "DE": {"Bavaria": ("Munich", "Nuremberg"), "Berlin": ("Berlin",), "Hesse": ("Frankfurt", "Kassel")},
    "FR": {"Ile-de-France": ("Paris",), "Occitanie": ("Toulouse",), "Brittany": ("Rennes",)},
    "ES": {"Madrid": ("Madrid",), "Catalonia": ("Barcelona", "Girona"), "Andalusia": ("Seville",)},
    "CA": {"Ontario": ("Toronto", "Ottawa"), "Quebec": ("Montreal",), "British Columbia": ("Vancouver",)},
    "NL": {"North Holland": ("Amsterdam",), "South Holland": ("Rotterdam",), "Utrecht": ("Utrecht",)},
    "AU": {"New South Wales": ("Sydney",), "Victoria": ("Melbourne",), "Queensland": ("Brisbane",)},
}


@dataclass(frozen=True)
class City:
    """A city, its region and its country (ISO 3166 two-letter code); `weight` is its market size."""

    country: str
    region: str
    name: str
    weight: float


def cities() -> tuple[City, ...]:
    """Every city; the weights of a country's cities add up to the country's."""
    found: list[City] = []
    for country, regions in _REGIONS.items():
        raw = [(region, city) for region, names in regions.items() for city in names]
        sizes = [1 / (place + 1.5) for place in range(len(raw))]
        for (region, city), size in zip(raw, sizes, strict=True):
            found.append(City(country, region, city, COUNTRY_WEIGHTS[country] * size / sum(sizes)))
    return tuple(found)
