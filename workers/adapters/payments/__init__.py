"""The card networks: one module per scheme of TENURE_PAYMENTS_URL."""
