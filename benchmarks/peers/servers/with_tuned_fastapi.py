"""The fastest FastAPI handler for an uploaded file that we found: decoding at reduced size, and one thread in all.

uvicorn with_tuned_fastapi:app --workers CORES --loop uvloop --http httptools

One process per core decodes and computes in its event loop: a thread would only add its hand-over.
"""

import io

from classifier import Classifier
from fastapi import FastAPI, UploadFile
from fastapi.responses import JSONResponse
from PIL import Image
from starlette.formparsers import MultiPartParser

REDUCED = 3
"""Smallest ratio of decoded to required size, our server's."""

# Larger files would be written to disk.
MultiPartParser.spool_max_size = 32 * 2**20

app = FastAPI()
classifier = Classifier(threads=1)


@app.post("/classify")
async def classify(file: UploadFile) -> JSONResponse:
    image = Image.open(io.BytesIO(await file.read()))
    image.draft("RGB", (REDUCED * classifier.size, REDUCED * classifier.size))
    [answer] = classifier.classify([classifier.pixels(image)])
    return JSONResponse(answer)
