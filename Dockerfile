# Two images, see docs/install.md and docs/clusters.md:
#   docker build --tag sysnoise .                     the command for users
#   docker build --target workers --tag workers .     Beam's container for Python workers

FROM python:3.11-slim AS wheel
COPY setup.py pyproject.toml README.md LICENSE /source/
COPY sysnoise/*.py sysnoise/py.typed /source/sysnoise/
COPY transforms /source/transforms
COPY manifests /source/manifests
COPY pipelines /source/pipelines
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

# Python and Beam must be those of the process that runs the command.
FROM apache/beam_python3.11_sdk:2.77.0 AS workers
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir "$(ls /wheels/*.whl)[s3,gs]" \
    && pip check \
    && useradd --create-home --uid 1000 sysnoise
USER 1000

FROM python:3.11-slim AS users
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir "$(ls /wheels/*.whl)[s3,gs,evaluate]" \
    && pip check \
    && useradd --create-home --uid 1000 sysnoise
USER 1000
WORKDIR /data
ENTRYPOINT ["sysnoise"]
