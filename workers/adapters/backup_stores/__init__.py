"""Where backups may be: one module for each kind of store."""
