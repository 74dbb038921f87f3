"""What the generated client of Airflow says of itself, and what it can decode; run with one release
of apache-airflow-client on PYTHONPATH.

`airflow_models.py describe` prints {"METHOD /path": {id, answers: {code: model}, body}} and the
members of all models. `airflow_models.py decode` reads [[model, text], ...] and prints, in the same
order, null or why the text cannot be decoded.
"""
import inspect
import json
import re
import sys

import pydantic
from airflow_client import client
from airflow_client.client import api, models


def functions():
    for kind in vars(api).values():
        if inspect.isclass(kind):
            for name, function in inspect.getmembers(kind, inspect.isfunction):
                if hasattr(kind, f"_{name}_serialize"):
                    yield name, function, getattr(kind, f"_{name}_serialize")


def describe():
    operations = {}
    for name, function, serialize in functions():
        source, wire = inspect.getsource(function), inspect.getsource(serialize)
        answers = source.split("_response_types_map")[1].split("}")[0]
        method = re.search(r"method='(\w+)'", wire).group(1)
        path = re.search(r"resource_path='([^']*)'", wire).group(1)
        taken = inspect.signature(function).parameters.values()
        bodies = [part.annotation for part in taken if part.name.endswith("_body")]
        operations[f"{method} {path}"] = {
            "id": name, "body": bodies[0].__name__ if bodies else None,
            "answers": dict(re.findall(r"'(\d+)': \"?'?([\w\[\]]*)", answers))}
    described = {
        name: [field.alias or key for key, field in model.model_fields.items()]
        for name, model in vars(models).items()
        if inspect.isclass(model) and issubclass(model, pydantic.BaseModel)}
    return {"operations": operations, "models": described}


def decode(pairs):
    reader = client.ApiClient()
    for model, text in pairs:
        try:
            reader.deserialize(text, model, "application/json")
            yield None
        except Exception as error:  # pylint: disable=broad-except  # whatever the client throws
            yield f"{type(error).__name__}: {error}"[:500]


if __name__ == "__main__":
    if sys.argv[1] == "describe":
        json.dump(describe(), sys.stdout)
    else:
        json.dump(list(decode(json.load(sys.stdin))), sys.stdout)
