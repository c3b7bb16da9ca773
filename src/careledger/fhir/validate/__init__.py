"""`$validate`: a resource held against R4's invariants, required codes and profiles."""
