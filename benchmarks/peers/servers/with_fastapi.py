"""A FastAPI handler as its documentation writes one for an uploaded file, and no batches.

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
    # Not `async`: FastAPI calls it in a thread, so that requests are decoded and computed beside each other.
    [answer] = classifier.classify([classifier.pixels(Image.open(file.file))])
    return answer
