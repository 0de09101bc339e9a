# One image for everything that runs our code: worker hosts (the default), the recovery service, provisioning, and the
# containers of single runs in Docker, Kubernetes and Cloud Run work pools. The Prefect server has Prefect's own image.
FROM python:3.12-slim AS build
COPY --from=ghcr.io/astral-sh/uv:0.13.9 /uv /usr/local/bin/uv
WORKDIR /app
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --frozen --no-default-groups --no-install-project
COPY bq_copilot ./bq_copilot
COPY blocks ./blocks
COPY tasks ./tasks
COPY flows ./flows
COPY deployments ./deployments
COPY prefect.yaml ./
RUN uv sync --frozen --no-default-groups

FROM python:3.12-slim
RUN useradd --uid 10001 --create-home copilot && mkdir /results && chown copilot /results
COPY --from=build --chown=copilot /app /app
# the same folder in every container: deployments name it as the place of their code
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 BQ_COPILOT_HOME=/home/copilot/state DO_NOT_TRACK=1
USER 10001
VOLUME /results
# needs PREFECT_API_URL, and PREFECT_RESULTS_LOCAL_STORAGE_PATH=/results or PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK
CMD ["python", "-m", "deployments.host", "--output"]
