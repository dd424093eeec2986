"""Where live sites may be: one module for each kind of host."""
