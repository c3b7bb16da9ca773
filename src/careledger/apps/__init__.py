"""One folder is one application, with the same six files in each."""
