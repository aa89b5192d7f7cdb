# The page and the service of lvef in one image: docs/how-to/deploy-hospital-server.md.
#
#   docker build --tag lvef .
#   docker run --rm --read-only --tmpfs /tmp --publish 127.0.0.1:8501:8501 lvef                       the page
#   docker run --rm --read-only --tmpfs /tmp lvef lvef demo --out /tmp/demo                           any command
#
# The tag of the base image moves with Python's bug fixes. To build from the very same bytes each time, name its digest:
#   docker build --build-arg PYTHON_IMAGE=python:3.13-slim-trixie@sha256:... --tag lvef .
# `docker buildx imagetools inspect python:3.13-slim-trixie` shows it.
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
RUN python -m venv /opt/lvef

# Only what the lock names, byte for byte.
COPY requirements/serve.txt requirements/
RUN /opt/lvef/bin/python -m pip install --no-compile --require-hashes --no-deps --only-binary :all: -r requirements/serve.txt

# Our two distributions, as wheels, with the locked build backend: nothing is downloaded.
COPY pyproject.toml hatch_build.py LICENSE README.md ./
COPY src src
COPY recipes recipes
COPY weights weights
RUN /opt/lvef/bin/python -m pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels . ./weights/lvef-weights-camus \
    && /opt/lvef/bin/python -m pip install --no-compile --no-deps --no-index /wheels/*.whl

# Out goes what only building needs, then tests, headers and OpenVINO's parts for GPUs. Bytecode is made here, once, and
# taken as it is whatever the file times say: the file system is read-only later.
RUN /opt/lvef/bin/python -m pip uninstall --yes hatchling pathspec pluggy tomlkit trove-classifiers pip \
    && site=$(echo /opt/lvef/lib/python3.*/site-packages) \
    && find "$site" -type d -name tests -prune -exec rm -rf {} + \
    && rm -rf "$site"/pyarrow/include "$site"/openvino/include "$site"/openvino/libs/cache.json \
        "$site"/openvino/libs/libopenvino_intel_gpu_plugin.so "$site"/openvino/libs/libopenvino_intel_npu_plugin.so \
    && /opt/lvef/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash "$site"
COPY deploy/entrypoint.sh deploy/healthcheck.py /opt/lvef/share/
RUN MPLCONFIGDIR=/opt/lvef/share/matplotlib /opt/lvef/bin/python -c "import matplotlib.font_manager"


FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="lvef" \
    org.opencontainers.image.description="Left-ventricular ejection fraction from cardiac ultrasound. Research and teaching only." \
    org.opencontainers.image.authors="The lvef developers" \
    org.opencontainers.image.licenses="Apache-2.0 AND CC-BY-NC-SA-4.0 AND GPL-2.0-or-later" \
    org.opencontainers.image.documentation="/usr/share/doc/lvef/dependencies.md"
# Apache-2.0: lvef. CC-BY-NC-SA-4.0, non-commercial: the networks trained on CAMUS. GPL-2.0-or-later: libx264 and libx265
# in PyAV's wheel; who passes this image on passes on GPL software. All of it: /usr/share/doc/lvef/dependencies.md.

# The base image comes without the bytecode of Python's own library.
RUN python -m compileall -q -x '/(test|tests|idlelib|turtledemo|site-packages|dist-packages)/' "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && groupadd --gid 10001 lvef \
    && useradd --uid 10001 --gid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin lvef \
    && install -d -o 10001 -g 10001 -m 700 /data
COPY LICENSE docs/dependencies.md /usr/share/doc/lvef/
COPY --from=build /opt/lvef /opt/lvef

# Only /tmp and /data are written to.
ENV PATH=/opt/lvef/bin:$PATH \
    HOME=/tmp \
    XDG_CACHE_HOME=/tmp/.cache \
    XDG_CONFIG_HOME=/tmp/.config \
    XDG_DATA_HOME=/tmp/.local/share \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# Not /data: platforms that choose another user (Heroku, OpenShift) could not enter it.
WORKDIR /tmp
USER 10001:10001

# A real echo is measured before there is an image at all.
RUN /opt/lvef/share/entrypoint.sh lvef demo --out /tmp/demo && rm -rf /tmp/demo /tmp/matplotlib

EXPOSE 8501 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/opt/lvef/bin/python", "/opt/lvef/share/healthcheck.py"]
ENTRYPOINT ["/opt/lvef/share/entrypoint.sh"]
CMD ["lvef", "app", "--host", "0.0.0.0", "--port", "8501", "--no-open"]
