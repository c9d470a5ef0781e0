# Two images: `docker build .` computes on the CPU; `docker build --target cuda .` on an NVIDIA GPU, or on the CPU.
# docs/deploy.md says how large they are and how to run them.

FROM python:3.13-slim AS project
WORKDIR /project
RUN python -m venv --without-pip /venv
COPY pyproject.toml LICENSE ./

# Without the sources: these two layers, by far the largest, stay as they are while only the sources change.
FROM project AS cpu-packages
# ONNX Runtime's package can compute on CUDA too, by a library of 285 MB that nothing here loads.
RUN touch README.md \
    && python -m pip --python /venv install --no-cache-dir ".[serve]" \
    && rm -f /venv/lib/python3.*/site-packages/onnxruntime/capi/libonnxruntime_providers_cuda.so

FROM project AS cuda-packages
RUN touch README.md \
    && python -m pip --python /venv install --no-cache-dir ".[serve,cuda]"

FROM project AS zoo
COPY README.md ./
COPY zoo zoo
COPY serve serve
COPY export export
COPY training training
COPY explain explain
COPY reproduction reproduction
RUN python -m pip --python /venv install --no-cache-dir --no-deps .

FROM python:3.13-slim AS server
# /cache is for models of the Hub: a volume that is mounted there belongs to the user, too.
RUN useradd --create-home --uid 10001 zoo \
    && install --directory --owner zoo --group zoo /cache
COPY weights/wrn16-ours.cifar10 /weights/wrn16-ours.cifar10
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HF_HOME=/cache \
    ZOO_WEIGHTS=/weights \
    ZOO_HOST=0.0.0.0
# A number, since Kubernetes cannot tell of a name that it is not root.
USER 10001
WORKDIR /home/zoo
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s CMD \
    ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ.get(\"ZOO_PORT\", 8000)}/readyz', timeout=2)"]
ENTRYPOINT ["zoo", "serve"]

FROM server AS cuda
COPY --from=cuda-packages /venv /venv
COPY --from=zoo /venv /venv
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM server AS cpu
COPY --from=cpu-packages /venv /venv
COPY --from=zoo /venv /venv
# Else it would look for the GPU of a host that has one.
ENV ZOO_DEVICE=cpu
