"""Apache Beam: its options, its local runner, and the progress of a run on any runner."""
