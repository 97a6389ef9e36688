"""The catalog of the simulated fleet: five accounts in three time zones, machines, people.

All names are invented. The result is a plain tree in the form of a catalog file.
"""

from typing import Any

Tree = dict[str, Any]

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
        "policy": {"false_alarms_per_machine_year": 1},
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
            for model in _models()
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


def _accounts() -> list[Tree]:
    rows = (
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
        (
            "sakura-films",
            "Sakura Films",
            "Asia/Tokyo",
            "en",
            "am-yuki",
            "fe-kenji",
            480000,
            "JPY",
        ),
    )
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
            rows
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


def _signal(name: str, unit: str, low: float, high: float, **more: object) -> Tree:
    return {"name": name, "unit": unit, "limits": [low, high], **more}


def _mode(id_: str, name: str, plain: str, signature: str, **more: object) -> Tree:
    symptoms = [
        {"signal": part[:-1], "direction": "up" if part.endswith("+") else "down"}
        for part in signature.split()
    ]
    return {
        "id": id_,
        "name": name,
        "plain": plain,
        "signature": symptoms,
        "advice": "watch",
        **more,
    }


_BEARING: Tree = {
    "component": "drive-end bearing",
    "action": "Replace bearing and seal kit",
    "work_h": 5,
    "people": 2,
    "skills": ["mechanical"],
    "parts": ["bearing-kit"],
    "downtime_h": [9, 14],
}


def _models() -> list[Tree]:
    worn = "a worn part in the drive"
    return [
        {
            "id": "HX450",
            "name": "Extruder HX450",
            "signals": [
                _signal("load", "%", -5, 120, role="setting"),
                _signal("bearing_temp", "degC", -20, 150),
                _signal("vibration", "mm/s", 0, 50),
                _signal("motor_current", "A", -5, 250),
                _signal("melt_pressure", "bar", -5, 400),
            ],
            "failure_modes": [
                _mode(
                    "bearing-wear",
                    "Wear of the drive-end bearing",
                    worn,
                    "vibration+ bearing_temp+",
                    **_BEARING,
                ),
                _mode(
                    "screw-wear",
                    "Wear of screw and barrel",
                    "a worn part in the screw unit",
                    "melt_pressure- motor_current+",
                    component="screw",
                    action="Replace screw and liner",
                    work_h=10,
                    people=2,
                    skills=["mechanical"],
                    parts=["screw-set"],
                    downtime_h=[16, 26],
                ),
            ],
        },
        {
            "id": "CP200",
            "name": "Circulation pump CP200",
            "signals": [
                _signal("speed", "rpm", -20, 2000, role="setting"),
                _signal("flow", "m3/h", -20, 800),
                _signal("discharge_pressure", "bar", -1, 16),
                _signal("motor_current", "A", -2, 80),
                _signal("bearing_temp", "degC", -20, 150),
                _signal("vibration", "mm/s", 0, 50),
            ],
            "failure_modes": [
                _mode(
                    "seal-leak",
                    "Leak of the shaft seal",
                    "a leaking seal",
                    "discharge_pressure- flow- motor_current-",
                    component="shaft seal",
                    action="Replace the shaft seal",
                    work_h=3,
                    people=1,
                    skills=["mechanical"],
                    parts=["shaft-seal"],
                    downtime_h=[4, 8],
                ),
                _mode(
                    "bearing-wear",
                    "Wear of the drive-end bearing",
                    worn,
                    "vibration+ bearing_temp+",
                    **_BEARING,
                ),
            ],
        },
        {
            "id": "BL90",
            "name": "Process blower BL90",
            "signals": [
                _signal("speed", "rpm", -20, 4000, role="setting"),
                _signal("airflow", "m3/h", -200, 9000),
                _signal("motor_current", "A", -2, 80),
                _signal("bearing_temp", "degC", -20, 150),
                _signal("vibration", "mm/s", 0, 50),
            ],
            "failure_modes": [
                _mode(
                    "imbalance",
                    "Imbalance of the wheel",
                    "a wheel that runs out of true",
                    "vibration+",
                    component="wheel",
                    action="Clean and balance the wheel",
                    work_h=4,
                    people=1,
                    skills=["mechanical"],
                    downtime_h=[5, 9],
                ),
                _mode(
                    "blade-crack",
                    "Crack of a blade",
                    "a damaged wheel",
                    "vibration+ airflow-",
                    component="wheel",
                    advice="stop",
                    action="Replace the wheel",
                    work_h=6,
                    people=2,
                    skills=["mechanical"],
                    parts=["blade-wheel"],
                    downtime_h=[10, 18],
                ),
            ],
        },
    ]
