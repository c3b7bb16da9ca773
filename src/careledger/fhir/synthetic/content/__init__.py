"""Clinical content as tables: codes, courses of disease, medications, schedules and names."""
