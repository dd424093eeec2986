"""Dramatiq on Redis: the broker, its consumers, the form of a message, and the names of all keys.

A message is a wake-up that carries an id or an envelope; the database is the truth. `command_consumer` hands many
envelopes at once to `commands.handler`, `effect_consumer` ids of quick effects to their crew, and `consumer` those of
slow ones to Dramatiq's threads.
"""
