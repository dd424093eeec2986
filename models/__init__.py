"""The memory: tables, transactions and claims."""
