def markdown(found):
    import json
    return json.dumps(found["medians"],indent=1)
