"""AWS's service models, without their documentation, as one JSON object by service. The models are botocore's."""

import json
import sys

import botocore.loaders

LOADER = botocore.loaders.Loader()
SERVICES = ["amplify", "application-autoscaling", "cloudwatch", "dynamodb", "lambda", "s3", "secretsmanager", "ssm", "sts"]


def bare(value):
    if isinstance(value, dict):
        return {name: bare(inner) for name, inner in value.items() if name not in ("documentation", "examples")}
    return [bare(inner) for inner in value] if isinstance(value, list) else value


models = {}
for service in SERVICES:
    model = LOADER.load_service_model(service, "service-2")
    # A member may well be called `documentation`: it is a shape's own text only beside its type.
    models[service] = {
        "protocol": model["metadata"]["protocol"],
        "operations": bare(model["operations"]),
        "shapes": {
            name: {
                key: {m: bare(r) for m, r in inner.items()} if key == "members" else inner
                for key, inner in shape.items()
                if key != "documentation"
            }
            for name, shape in model["shapes"].items()
        },
    }
json.dump(models, sys.stdout)
