"""The outside world: each protocol in a module of its own, its implementations in the folder beside it.

`host` is the live sites, `backup_store` and `export_store` keep archives, `payment` is the card network, `mailer` the
way to customers. A URL's scheme chooses the implementation (`adapter_urls`).
"""
