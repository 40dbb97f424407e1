"""What is compiled: DSPy signatures and modules that retrieve and answer."""
