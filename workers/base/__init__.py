"""What every room stands on: settings, errors, the log, fault points, and small words of the process.

Nothing here knows a site, a command or an adapter.
"""
