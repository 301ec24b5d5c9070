"""How close a decoded signal is to its original."""
