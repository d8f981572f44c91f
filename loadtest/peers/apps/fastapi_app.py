"""FastAPI with a session in each worker process."""

from fastapi import FastAPI, Request

from classifier import Classifier, decode

app = FastAPI()
classifier = Classifier()


@app.post("/predict")
async def predict(request: Request):
    encoded = await request.body()
    return classifier.classify([decode(encoded)])[0]
