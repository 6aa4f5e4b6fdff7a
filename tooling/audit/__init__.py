"""The audit of the source: a verdict on every number and every claim that Section 5.8 states."""
