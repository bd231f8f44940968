# The images: `api` serves searches, `ingest` is the batch job, and `model` makes the model that both carry.
#
#   docker build -t vidsearch-api .                      (the last stage)
#   docker build -t vidsearch-ingest --target ingest .
#
# Nothing here needs BuildKit: the builder of docker 20.10 does. Where PyPI cannot be reached as it is:
#
#   --build-arg PIP_INDEX_URL=...        another package index; PIP_EXTRA_INDEX_URL and PIP_FIND_LINKS as in pip
#   --build-arg TORCH_INDEX=...          an index for torch alone. On x86-64, PyPI's torch is the CUDA build, which
#                                        makes `model` and `ingest` some gigabytes larger than they need be; PyTorch's
#                                        own index of CPU wheels, which its installation page names, has the small
#                                        one. `api` holds no torch either way.
#   --build-arg BASE_IMAGE=...           a copy of the base image elsewhere
#   .data/ca.crt                         certificates that pip is to trust instead of its own, as PEM, where a proxy
#                                        has an authority of its own. They stay out of `api` and `ingest`.

ARG BASE_IMAGE=python:3.11-slim-bookworm


FROM ${BASE_IMAGE} AS builder
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
# COPY must find a file, and the certificates may not be there: the licence always is.
COPY LICENSE .data/ca.cr[t] ./
RUN if [ -f ca.crt ]; then python -m pip config --global set global.cert /build/ca.crt; fi
# The environment has no pip of its own: what serves needs none.
RUN python -m venv --without-pip /opt/venv


FROM builder AS ingest-dependencies
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG TORCH_INDEX
COPY requirements/ingest.lock ./
RUN if [ -n "$TORCH_INDEX" ]; then \
        python -m pip --python /opt/venv/bin/python install --no-deps --index-url "$TORCH_INDEX" \
            "$(grep '^torch==' ingest.lock)"; \
    fi
# The packages' own tests take room, and nothing imports them.
RUN python -m pip --python /opt/venv/bin/python install --requirement ingest.lock \
    && find /opt/venv/lib -type d -name tests -path '*/site-packages/*' -prune -exec rm -rf {} +


FROM ingest-dependencies AS model
WORKDIR /app
COPY retrieval ./retrieval
COPY ingest ./ingest
# The lock that a run holds is of no use to those who read.
RUN MODEL_DIR=/model /opt/venv/bin/python -m ingest export-model \
    && rm -f /model/lock \
    && chmod -R a+rX /model


FROM builder AS api-dependencies
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
COPY requirements/api.lock ./
RUN python -m pip --python /opt/venv/bin/python install --requirement api.lock \
    && find /opt/venv/lib -type d -name tests -path '*/site-packages/*' -prune -exec rm -rf {} +


FROM ${BASE_IMAGE} AS runtime
# A number of its own, so that a volume's owner is the same whatever else the base image has.
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
      org.opencontainers.image.description="Brings a catalogue of videos into the search index." \
      org.opencontainers.image.licenses="Apache-2.0"
# Where a container's disk is its memory, gigabytes of kept embeddings would end it; a volume is named by who has one.
ENV EMBEDDINGS_DIR=
COPY --from=ingest-dependencies /opt/venv /opt/venv
COPY retrieval ./retrieval
COPY ingest ./ingest
# Compiled now, since who runs it may not write here, and readable whatever the umask of who built it.
RUN python -m compileall -q . && chmod -R a+rX .
VOLUME /data/index
USER 10001:10001
# Ctrl-C's signal, which Python listens to from its first moment on; to SIGTERM the job listens once a run has begun,
# and a container's first process never hears what it does not listen to.
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
# Without a key it does not start on this address: mount /data/keys and make one, or say --open (README.md).
ENV HOST=0.0.0.0 \
    PORT=8080 \
    KEYS_FILE=/data/keys/keys.json
EXPOSE 8080
VOLUME /data/index
USER 10001:10001
# Whether the process answers, not whether it can search: who watches this restarts the container, and that brings
# back no index and no Qdrant. /readyz is for those who send requests.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-I", "-S", "-c", \
    "import http.client, os, sys; \
    c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); \
    c.request('GET', '/livez'); \
    sys.exit(c.getresponse().status != 200)"]
CMD ["python", "-m", "api"]
