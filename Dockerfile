# One image for both: ONNX Runtime computes on CUDA where the host gives a GPU (docker run --gpus all), else on the CPU.

FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY zoo zoo
COPY serve serve
COPY export export
COPY training training
# CUDA's and cuDNN's libraries are 2.1 GB of the 2.5 GB installed here; --build-arg EXTRAS=serve leaves them out.
ARG EXTRAS=serve,cuda
RUN python -m venv /venv && /venv/bin/python -m pip install --no-cache-dir --no-compile ".[${EXTRAS}]"

FROM python:3.12-slim
RUN useradd --create-home --uid 10001 zoo
COPY --from=build /venv /venv
COPY weights/dn100-ours-c.cifar10 /weights/dn100-ours-c.cifar10
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ZOO_WEIGHTS=/weights \
    ZOO_HOST=0.0.0.0
USER 10001
WORKDIR /home/zoo
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD \
    ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ.get(\"ZOO_PORT\", 8000)}/readyz', timeout=2)"]
ENTRYPOINT ["zoo", "serve"]
