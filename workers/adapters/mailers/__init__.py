"""The ways to send mail: one module per kind of TENURE_MAIL_URL."""
