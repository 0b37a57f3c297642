# Beam's container for Python workers, with this package: see docs/clusters.md.
# Python and Beam must be those of the process that runs the command.
FROM apache/beam_python3.11_sdk:2.77.0

COPY setup.py pyproject.toml README.md LICENSE /tmp/sysnoise/
COPY sysnoise/__init__.py sysnoise/py.typed /tmp/sysnoise/sysnoise/
COPY transforms /tmp/sysnoise/transforms
COPY manifests /tmp/sysnoise/manifests
COPY pipelines /tmp/sysnoise/pipelines
RUN pip install --no-cache-dir '/tmp/sysnoise[s3,gs]' \
    && pip check \
    && rm -r /tmp/sysnoise \
    && useradd --create-home --uid 1000 sysnoise
USER 1000
