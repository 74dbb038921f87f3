"""Values that a schema of api/openapi.json allows: what a reader of our answers must cope with."""
import contract



def example(spec, schema):
    """One value of a schema: its example, or one made of the examples of its parts."""
    schema = contract.look_up(spec, schema)
    if "examples" in schema:
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return example(spec, schema["anyOf"][0])
    kinds = schema.get("type", "null")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object" or "allOf" in schema:
        return {name: example(spec, part) for name, part in members(spec, schema)[0].items()}
    if kind == "array":
        return [example(spec, schema["items"])]
    if kind == "string":
        made = {"date-time": "2026-03-16T06:00:00Z", "uuid": "6f1c7f0e-7d0b-5b43-8a55-54d2c9a4d0a1"}
        return made.get(schema.get("format"), "text")
    return {"integer": schema.get("minimum", 1), "number": 1.5, "boolean": True}.get(kind)


def members(spec, schema):
    """(properties, required) of an object schema with those of its allOf parts."""
    schema = contract.look_up(spec, schema)
    properties, required = dict(schema.get("properties", {})), set(schema.get("required", ()))
    for part in schema.get("allOf", ()):
        more, needed = members(spec, part)
        properties = {**more, **properties}
        required |= needed
    return properties, required


def variants(spec, schema):
    """Values of a schema, each differing from the example in one place: null where null is allowed,
    each word of an enum, each alternative, an absent optional member, an empty list."""
    schema = contract.look_up(spec, schema)
    base = example(spec, schema)
    yield base
    if "enum" in schema:
        yield from schema["enum"][1:]
    for part in schema.get("anyOf", ()):
        yield from variants(spec, part)
    if "null" in schema.get("type", ()) and schema["type"] != "null":
        yield None
    if isinstance(base, dict):
        properties, required = members(spec, schema)
        for name, part in properties.items():
            yield from ({**base, name: value} for value in variants(spec, part))
            if name not in required:
                yield {key: value for key, value in base.items() if key != name}
    if isinstance(base, list):
        yield []
        yield from ([value] for value in variants(spec, schema["items"]))
