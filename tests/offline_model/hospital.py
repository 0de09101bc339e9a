"""A small hospital: a schema that shares no table and hardly a column with the sample shop."""

from typing import Any

PROJECT = "clinic-data.care"


def column(name: str, kind: str, about: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "mode": "NULLABLE",
        "repeated_in": None,
        "description": about,
        "restricted": False,
        **more,
    }


def table(name: str, about: str, rows: int, partition: str | None, *columns: dict[str, Any]) -> dict[str, Any]:
    return {
        "table": f"{PROJECT}.{name}",
        "kind": "TABLE",
        "description": about,
        "rows": rows,
        "partition_by": partition,
        "columns": list(columns),
    }


HOSPITAL = (
    table(
        "admissions", "One row per admission of a patient, 2024-01-01 to 2026-06-30.", 50_000, "admitted_on",
        column("admission_id", "INT64", "Key of the admission."),
        column("patient_id", "INT64", "Patient who was admitted."),
        column("ward_id", "INT64", "Ward that took the patient."),
        column("admitted_on", "DATE", "Day of admission."),
        column("discharged_on", "DATE", "Day of discharge."),
        column("outcome", "STRING", "How the stay ended: recovered, transferred or died."),
        column("is_emergency", "BOOL", "True for an emergency admission."),
        column("treatment_cost", "FLOAT64", "Cost of the treatment in euros."),
    ),
    table(
        "patients", "One row per patient.", 20_000, None,
        column("patient_id", "INT64", "Key of the patient."),
        column("full_name", "STRING", "Name. Personal data.", restricted=True),
        column("birth_date", "DATE", "Date of birth. Personal data.", restricted=True),
        column("insurance", "STRING", "Kind of insurance: public or private."),
    ),
    table(
        "wards", "One row per ward.", 30, None,
        column("ward_id", "INT64", "Key of the ward."),
        column("name", "STRING", "Name of the ward."),
        column("floor", "INT64", "Floor of the building."),
        column("beds", "INT64", "Number of beds."),
    ),
)  # fmt: skip
