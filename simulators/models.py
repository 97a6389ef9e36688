"""The three machine models of the simulated fleet: signals, failure modes, what to do."""

from typing import Any

Tree = dict[str, Any]


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


_WORN = "a worn part in the drive"
_BEARING: Tree = {
    "component": "drive-end bearing",
    "action": "Replace bearing and seal kit",
    "work_h": 5,
    "people": 2,
    "skills": ["mechanical"],
    "parts": ["bearing-kit"],
    "downtime_h": [9, 14],
}


def models() -> list[Tree]:
    """Return the models as a catalog file would hold them."""
    return [_extruder(), _pump(), _blower()]


def _extruder() -> Tree:
    return {
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
                _WORN,
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
    }


def _pump() -> Tree:
    return {
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
                _WORN,
                "vibration+ bearing_temp+",
                **_BEARING,
            ),
        ],
    }


def _blower() -> Tree:
    return {
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
    }
