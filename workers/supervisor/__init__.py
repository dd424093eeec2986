"""`tenure up`: the embedded Valkey, the processes of the Procfile, their restarts and their orderly end."""
