# The service and its workers in one image: `docker build --tag invoices .`
# No lock file is needed: `exclude-newer` in pyproject.toml makes every build resolve as on the same day.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim-trixie AS build
RUN pip install --no-cache-dir --root-user-action=ignore "uv>=0.9,<1"
ENV UV_PROJECT_ENVIRONMENT=/opt/invoices UV_PYTHON=python3 UV_PYTHON_DOWNLOADS=never \
    UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_NO_CACHE=1
WORKDIR /source
# What others have made changes less often than what is ours: a layer of its own.
COPY pyproject.toml ./
COPY packages/ringback/pyproject.toml packages/ringback/README.md packages/ringback/
COPY packages/invoices/pyproject.toml packages/invoices/README.md packages/invoices/
RUN uv sync --no-install-workspace --group server
COPY packages/ringback/src packages/ringback/src
COPY packages/invoices/src packages/invoices/src
RUN uv sync --no-editable --group server

FROM python:${PYTHON}-slim-trixie
RUN groupadd --system --gid 10001 invoices \
    && useradd --system --uid 10001 --gid 10001 --home-dir /data --shell /usr/sbin/nologin invoices \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=build /opt/invoices /opt/invoices
ENV PATH=/opt/invoices/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 INVOICES_DATA_DIR=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --start-interval=1s \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/readyz'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["invoices", "serve", "--host", "0.0.0.0", "--port", "8000"]
