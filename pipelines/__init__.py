"""How work runs: the command, the Beam pipelines, readers and writers."""
