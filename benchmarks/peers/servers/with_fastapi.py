"""A FastAPI handler for an uploaded file as in its documentation, without batching.

uvicorn with_fastapi:app [--workers N]
"""

from typing import Any

from classifier import THREADS, Classifier
from fastapi import FastAPI, UploadFile
from PIL import Image

app = FastAPI()
classifier = Classifier(threads=THREADS)


@app.post("/classify")
def classify(file: UploadFile) -> dict[str, Any]:
    # Not `async`: FastAPI calls it in a thread, so requests are decoded and computed concurrently.
    [answer] = classifier.classify([classifier.pixels(Image.open(file.file))])
    return answer
