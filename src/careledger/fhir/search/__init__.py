"""FHIR R4 search: what is indexed of a resource, what may be asked, and how it is answered."""
