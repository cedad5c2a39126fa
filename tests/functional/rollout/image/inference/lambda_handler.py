"""The function's entry point."""

import base64

from inference.tiny import answer, wished_fault

if wished_fault("lambda") == "crash":
    raise RuntimeError("cannot load the model")


def lambda_handler(event, context):
    if wished_fault("lambda") == "raise":
        raise RuntimeError("cannot predict")
    return answer(base64.b64decode(event["dataurl"]), wished_fault("lambda"))[1]
