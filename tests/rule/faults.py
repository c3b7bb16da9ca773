"""Faults of every way to a resource, each of which the two worlds must notice."""

from tests.rule.faults_consent import CONSENT
from tests.rule.faults_reading import READING
from tests.rule.faults_searching import SEARCHING
from tests.rule.faults_writing import WRITING

FAULTS = (*READING, *SEARCHING, *CONSENT, *WRITING)
