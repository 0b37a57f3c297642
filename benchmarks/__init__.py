"""How fast the generator is, and what it needs: measured against the libraries underneath."""
