"""The invented patients of the demo, with names in several scripts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SamplePatient:
    """One invented person; `name` has up to three component groups (PS3.5 6.2.1)."""

    patient_id: str
    name: str
    birth_date: str
    sex: str
    size_m: float = 1.72
    weight_kg: float = 74.0


HARTMANN = SamplePatient("FL-100201", "Hartmann^Sabine^^Dr.", "19580314", "F", 1.68, 66.0)
YAMADA = SamplePatient("FL-100245", "Yamada^Tarou=山田^太郎=やまだ^たろう", "19710722", "M", 1.70, 68.5)
HONG = SamplePatient("FL-100318", "Hong^Gildong=洪^吉洞=홍^길동", "19840105", "M", 1.76, 79.0)
PETROVA = SamplePatient("FL-100377", "Petrova^Anna=Петрова^Анна", "19901130", "F", 1.65, 58.0)
PAPADOPOULOS = SamplePatient("FL-100402", "Papadopoulos^Nikos=Παπαδόπουλος^Νίκος", "19470818", "M", 1.74, 88.0)
HADDAD = SamplePatient("FL-100459", "Haddad^Layla=حداد^ليلى", "19790411", "F", 1.62, 61.0)
LEVI = SamplePatient("FL-100512", "Levi^Noa=לוי^נועה", "20010925", "F", 1.69, 57.0)
WANG = SamplePatient("FL-100568", "Wang^Xiaodong=王^小东", "19660209", "M", 1.71, 72.0)
MULLER = SamplePatient("FL-100603", "Müller^Jürgen", "19530601", "M", 1.80, 92.0)
ADEYEMI = SamplePatient("FL-100671", "Adeyemi^Folasade", "19871217", "F", 1.66, 64.0)
GARCIA = SamplePatient("FL-100720", "García Núñez^María José", "19620530", "F", 1.60, 70.0)
OBRIEN = SamplePatient("FL-100788", "O'Brien^Conor", "19951003", "M", 1.83, 81.0)
NGUYEN = SamplePatient("FL-100834", "Nguyễn^Thị Hồng", "19740819", "F", 1.57, 52.0)
KOWALSKA = SamplePatient("FL-100891", "Kowalska^Zofia", "20150212", "F", 1.28, 27.0)
