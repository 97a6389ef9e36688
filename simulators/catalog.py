"""The catalog of the simulated fleet: five accounts in three time zones, machines, people.

All names are invented. The result is a plain tree in the form of a catalog file.
"""

from simulators.models import Tree, models

_WEEK = ["mon", "tue", "wed", "thu", "fri"]


def catalog(every_s: float = 300) -> Tree:
    """Return the whole catalog as a tree that a catalog file would hold.

    Parameters
    ----------
    every_s : float
        Sampling interval of every signal, seconds.
    """
    return {
        "tenant": "default",
        "policy": {"false_alarms_per_machine_year": 0.25},
        "people": _people(),
        "on_call": [
            {
                "side": "engineering",
                "sites": [site["id"] for site in _sites()],
                "people": ["fe-jonas", "fe-maria", "fe-kenji"],
                "from": "2026-01-05T08:00:00+01:00",
                "turn_days": 7,
            }
        ],
        "accounts": _accounts(),
        "sites": _sites(),
        "models": [
            {
                **model,
                "signals": [{**signal, "every_s": every_s} for signal in model["signals"]],
            }
            for model in models()
        ],
        "parts": [
            {
                "id": "bearing-kit",
                "name": "Bearing and seal kit",
                "in_stock": 2,
                "lead_time_days": 9,
            },
            {
                "id": "screw-set",
                "name": "Screw and barrel liner",
                "in_stock": 0,
                "lead_time_days": 14,
            },
            {"id": "shaft-seal", "name": "Shaft seal", "in_stock": 4, "lead_time_days": 5},
            {
                "id": "blade-wheel",
                "name": "Blower wheel, balanced",
                "in_stock": 1,
                "lead_time_days": 12,
            },
        ],
        "assets": assets(),
        "contracts": [
            {
                "id": f"k-{account['id']}",
                "account": account["id"],
                "assets": "all",
                "from": "2024-01-01",
                "until": "2028-12-31",
                "entitlements": ["remote-support", "on-site-repair"],
                "guarantees": [{"metric": "uptime", "target": 0.97, "period": "month"}],
            }
            for account in _accounts()
        ],
    }


def assets() -> list[Tree]:
    """Return the machines: eight of each model, spread over the sites."""
    rows: list[Tree] = []
    for index in range(24):
        model = ("HX450", "CP200", "BL90")[index % 3]
        site = _sites()[index // 3 % len(_sites())]
        rows.append(
            {
                "id": f"{model}-{101 + index:04d}",
                "model": model,
                "site": site["id"],
                "location": f"Line {1 + index // 3 % 4}",
                "batch": f"{2019 + index % 4}-{1 + index % 12:02d}",
                "commissioned": f"{2019 + index % 4}-{1 + index % 12:02d}-01",
                "warranty_until": f"{2022 + index % 6}-06-30",
                "gateway": f"gw-{site['id']}",
            }
        )
    return rows


def _person(id_: str, name: str, role: str, zone: str, **more: object) -> Tree:
    return {
        "id": id_,
        "name": name,
        "role": role,
        "email": f"{id_}@bridge.example",
        "language": "en",
        "timezone": zone,
        "works": {"days": _WEEK, "from": "08:00", "to": "17:00"},
        **more,
    }


def _people() -> list[Tree]:
    berlin, chicago, tokyo = "Europe/Berlin", "America/Chicago", "Asia/Tokyo"
    skills = {"skills": ["mechanical"]}
    return [
        _person(
            "fe-jonas",
            "Jonas Weber",
            "engineer",
            berlin,
            deputy="fe-maria",
            language="de",
            **skills,
        ),
        _person("fe-maria", "Maria Costa", "engineer", chicago, deputy="fe-jonas", **skills),
        _person("fe-kenji", "Kenji Mori", "engineer", tokyo, deputy="fe-jonas", **skills),
        _person(
            "am-lena",
            "Lena Hoffmann",
            "account-manager",
            berlin,
            deputy="am-sam",
            language="de",
        ),
        _person("am-sam", "Sam Carter", "account-manager", chicago, deputy="am-lena"),
        _person("am-yuki", "Yuki Tanaka", "account-manager", tokyo, deputy="am-lena"),
        _person("lead-fe", "Ines Albrecht", "lead-engineer", berlin, **skills),
        _person("lead-am", "Paul Richter", "lead-account-manager", berlin),
        _person("co-dana", "Dana Novak", "coordinator", berlin),
        _person("op-alex", "Alex Kim", "operator", berlin),
    ]


def _contact(id_: str, name: str, role: str, zone: str, languages: list[str]) -> Tree:
    return {
        "id": id_,
        "name": name,
        "role": role,
        "email": f"{id_}@customer.example",
        "phone": "+00 000 0000",
        "languages": languages,
        "timezone": zone,
        "consent": ["service"],
        "quiet_hours": {"from": "18:00", "to": "08:00"},
    }


_ACCOUNTS = (
    (
        "plastics-north",
        "Plastics North",
        "Europe/Berlin",
        "de",
        "am-lena",
        "fe-jonas",
        4200,
        "EUR",
    ),
    ("foils-east", "Foils East", "Europe/Berlin", "de", "am-lena", "fe-jonas", 3100, "EUR"),
    (
        "lakeside-foods",
        "Lakeside Foods",
        "America/Chicago",
        "en",
        "am-sam",
        "fe-maria",
        5600,
        "USD",
    ),
    (
        "prairie-water",
        "Prairie Water Works",
        "America/Chicago",
        "en",
        "am-sam",
        "fe-maria",
        1900,
        "USD",
    ),
    ("sakura-films", "Sakura Films", "Asia/Tokyo", "en", "am-yuki", "fe-kenji", 480000, "JPY"),
)
"""Id, name, zone, language, account owner, engineer, cost of an hour and its currency."""


def _accounts() -> list[Tree]:
    return [
        {
            "id": id_,
            "name": name,
            "timezone": zone,
            "language": language,
            "account_owner": owner,
            "engineer": engineer,
            "renewal": f"2027-0{1 + index}-28",
            "contacts": [
                _contact(
                    f"c-{id_}",
                    f"Plant manager, {name}",
                    "plant-manager",
                    zone,
                    list(dict.fromkeys([language, "en"])),
                )
            ],
            "outcomes": [
                {
                    "id": f"output-{id_}",
                    "name": f"Output of {name}",
                    "assets": [row["id"] for row in assets() if _account_of(row) == id_],
                    "cost_per_hour": {"amount": cost, "currency": currency},
                    "protected": [{"days": _WEEK, "from": "06:00", "to": "22:00"}],
                }
            ],
        }
        for index, (id_, name, zone, language, owner, engineer, cost, currency) in enumerate(
            _ACCOUNTS
        )
    ]


def _sites() -> list[Tree]:
    rows = (
        ("bremen", "plastics-north", "Bremen works", "Europe/Berlin", 3),
        ("leipzig", "foils-east", "Leipzig works", "Europe/Berlin", 2),
        ("milwaukee", "lakeside-foods", "Milwaukee plant", "America/Chicago", 2),
        ("omaha", "prairie-water", "Omaha pumping station", "America/Chicago", 6),
        ("nagoya", "sakura-films", "Nagoya plant", "Asia/Tokyo", 2),
    )
    return [
        {"id": id_, "account": account, "name": name, "timezone": zone, "travel_h": travel}
        for id_, account, name, zone, travel in rows
    ]


def _account_of(asset: Tree) -> str:
    return str(next(site["account"] for site in _sites() if site["id"] == asset["site"]))
