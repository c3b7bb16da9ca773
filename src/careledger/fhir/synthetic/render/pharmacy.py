"""The record a pharmacy holds: the prescriptions brought to it, and every fill handed over."""

from collections.abc import Iterator

from careledger.fhir.synthetic.directory import Organisation
from careledger.fhir.synthetic.life import Life
from careledger.fhir.synthetic.render.chart import Chart
from careledger.fhir.synthetic.render.element import Element
from careledger.fhir.synthetic.render.medication import dispense, filed_order
from careledger.fhir.synthetic.render.patient import patient


def pharmacy_record(pharmacy: Organisation, life: Life) -> Iterator[Element]:
    """Yield the resources, or none where nothing was ever prescribed."""
    chart = Chart(pharmacy, life)
    prescribed = [(visit, each) for visit in life.visits for each in visit.prescriptions]
    if not prescribed:
        return
    yield patient(chart)
    staff = pharmacy.practitioners
    for visit, prescription in prescribed:
        yield filed_order(chart, visit, prescription)
        for turn, on in enumerate(prescription.fills(life.last_day)):
            pharmacist = staff[(prescription.number + turn) % len(staff)]
            yield dispense(chart, prescription, pharmacist, turn, on)
